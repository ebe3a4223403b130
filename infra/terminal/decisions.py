"""Decisions as a person reads them: mandates and commands with what they allow or do, and why, in words."""

from typing import Any, Final

from numpy.typing import NDArray

from infra.terminal.glance import DecisionShown
from infra.terminal.memory import finite, worded
from infra.terminal.wording import cents, shares
from state.events import Side, Token
from state.orders import Act, TimeInForce
from state.reasons import WORDS, Gate, Reason
from state.units import MICROS

MASKS: Final = {0: "", 1: "UP", 2: "DOWN", 3: "UP and DOWN"}


def reason_words(code: int) -> str:
    """Give the sentence of a reason."""
    return WORDS[Reason(code)] if code in set(Reason) else f"reason {code}"


def allowed_words(mandate: Any) -> str:
    """Say what a mandate allows, or why it allows nothing."""
    reason = int(mandate["reason_code"])
    if reason:
        return f"stands aside: {reason_words(reason)}"
    take, quote, leave = (MASKS.get(int(mandate[name]), "") for name in ("take_mask", "quote_mask", "exit_mask"))
    allows = [f"take {take}" if take else "", f"quote {quote}" if quote else "", f"exit by {leave}" if leave else ""]
    return "may " + ", ".join(word for word in allows if word) if any(allows) else "allows nothing"


def shown_mandate(mandates: NDArray[Any], window: str = "") -> DecisionShown:
    """Show the first of some mandates: what it allows and at what edge, or the gate that closed and why."""
    mandate = mandates[0]
    reason, gate = int(mandate["reason_code"]), int(mandate["gate_code"])
    masks = int(mandate["take_mask"]) | int(mandate["quote_mask"]) | int(mandate["exit_mask"])
    edges = [finite(mandate["edge_bps"][token]) for token in Token if masks & (1 << token)]
    return DecisionShown(
        at_ns=int(mandate["given_ns"]),
        mandate_id=int(mandate["mandate_id"]),
        what="stand aside" if reason else allowed_words(mandate),
        gate=worded(Gate, gate) if gate else "",
        reason=reason_words(reason) if reason else "",
        p_up=finite(mandate["p_up"]),
        edge_bps=max((edge for edge in edges if edge is not None), default=None),
        window=window,
    )


def shown_command(command: Any, window: str = "") -> DecisionShown | None:
    """Show one command to the venue; None for one that only asks the desk."""
    act = int(command["act_code"])
    if act == Act.ASK:
        return None
    reason = int(command["reason_code"])
    return DecisionShown(
        at_ns=int(command["at_ns"]),
        mandate_id=int(command["mandate_id"]),
        what=command_words(command),
        reason=reason_words(reason) if reason else "",
        p_up=finite(command["p_up"]),
        edge_bps=finite(command["edge_bps"]) if act == Act.PLACE else None,
        window=window,
    )


def command_words(command: Any) -> str:
    """Say what a command does: `buy 12.5 UP at 53c FAK`, `cancel order 7`."""
    act = int(command["act_code"])
    if act == Act.CANCEL:
        return f"cancel order {int(command['order_id'])}"
    if act == Act.CANCEL_MARKET:
        return "cancel every order of the window"
    if act == Act.MERGE:
        return f"merge {shares(int(command['amount_micros']) / MICROS)} complete sets"
    if act != Act.PLACE:
        return worded(Act, act)
    token, side = worded(Token, int(command["token_code"])).upper(), worded(Side, int(command["side_code"]))
    how = worded(TimeInForce, int(command["tif_code"])).upper() + (" post-only" if command["post_only"] else "")
    amount = shares(int(command["amount_micros"]) / MICROS)
    return f"{side} {amount} {token} at {cents(int(command['price_bps']))} {how}"
