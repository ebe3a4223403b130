"""A stage for the gate: rows and commands written by hand, and what became of them in words."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from infra.venues.gate import Gate, Refused
from state.events import EVENT, Asset, Kind, Side, Token, Word
from state.orders import Act, Command, OrderState, TimeInForce
from state.params import default_params
from state.records import layout
from state.rules import Rule
from state.units import BPS, MICROS, NS_PER_S

OPEN_S = 1_792_638_000
MIDDLE_S = 100


@dataclass
class GateStage:
    """A gate, the time, and shorthands for what happens to it."""

    params: dict[str, float] = field(default_factory=dict)
    now_s: float = MIDDLE_S
    gate: Gate = field(init=False)
    orders_count: int = 0
    sent: list[Any] = field(default_factory=list)
    written: list[Any] = field(default_factory=list)
    """Commands and rows, as a journal would have them."""

    def __post_init__(self) -> None:
        self.gate = Gate(default_params(self.params), self.now_ns)
        self.list_window(0)

    @property
    def now_ns(self) -> int:
        return OPEN_S * NS_PER_S + round(self.now_s * NS_PER_S)

    def hear(self, kind: Kind, slot: int = 0, **columns: Any) -> None:
        row = np.zeros(1, EVENT)
        row["kind_code"], row["slot_id"], row["at_ns"], row["seen_ns"] = kind, slot, self.now_ns, self.now_ns
        for name, value in columns.items():
            row[name] = value
        self.written.append(row)
        self.gate.hear(row, 1)

    def list_window(self, slot: int, asset: Asset = Asset.BTC, open_s: int = 0, fee_ppm: int = 70_000) -> None:
        open_ns = (OPEN_S + open_s) * NS_PER_S
        self.hear(Kind.MARKET_LISTED, slot, code_id=asset, ref_id=open_ns, span_s=300, amount_micros=5 * MICROS)
        self.hear(Kind.RULE_GIVEN, slot, code_id=Rule.FEE_RATE_PPM, ref_id=fee_ppm)

    def bid(self, price: float, shares: float, slot: int = 0, token: Token = Token.UP) -> None:
        self.hear(
            Kind.LEVEL_SET, slot, token_code=token, side_code=Side.BUY, price_bps=round(price * BPS),
            amount_micros=round(shares * MICROS),
        )  # fmt: skip

    def command(
        self, price: float = 0.5, shares: float = 10, slot: int = 0, token: Token = Token.UP, side: Side = Side.BUY,
        tif: TimeInForce = TimeInForce.GTC, p_up: float | None = None, at_s: float | None = None, order_id: int = 0,
    ) -> Any:  # fmt: skip
        command = np.zeros(1, layout(Command))[0]
        fair = price if token is Token.UP else 1 - price
        at_ns = self.now_ns if at_s is None else OPEN_S * NS_PER_S + round(at_s * NS_PER_S)
        told = {
            "act_code": Act.PLACE, "order_id": order_id or self.orders_count + 1, "at_ns": at_ns, "slot_id": slot,
            "token_code": token, "side_code": side, "price_bps": round(price * BPS), "tif_code": tif,
            "amount_micros": round(shares * MICROS), "post_only": tif is TimeInForce.GTC,
            "p_up": fair if p_up is None else p_up,
        }  # fmt: skip
        for name, value in told.items():
            command[name] = value
        return command

    def place(self, *args: Any, **named: Any) -> Refused | None:
        """Send an order as the gateway does; a refusal is a row, as the gateway makes it one."""
        command = self.command(*args, **named)
        self.orders_count = max(self.orders_count, int(command["order_id"]))
        self.written.append(command)
        refused = self.gate.admit(command, self.now_ns)
        if refused is not None:
            self.over(int(command["order_id"]), int(command["slot_id"]), OrderState.REJECTED)
        else:
            self.sent.append(command)
        return refused

    def over(self, order_id: int, slot: int = 0, state: OrderState = OrderState.DONE) -> None:
        self.hear(Kind.ORDER_CHANGED, slot, ref_id=order_id, code_id=state)

    def fill(
        self, order_id: int, shares: float, price: float = 0.5, slot: int = 0, token: Token = Token.UP,
        side: Side = Side.BUY, kind: Kind = Kind.FILLED,
    ) -> None:  # fmt: skip
        self.hear(
            kind, slot, ref_id=order_id, token_code=token, side_code=side, price_bps=round(price * BPS),
            amount_micros=round(shares * MICROS),
        )  # fmt: skip

    def settle(self, winner: Token, slot: int = 0) -> None:
        self.hear(Kind.SETTLED, slot, code_id=winner)

    def say(self, word: Word) -> None:
        self.hear(Kind.OPERATOR_SAID, code_id=word)


def told(refused: Refused | None) -> str:
    """Say a verdict, and whether the core erred."""
    if refused is None:
        return "leaves"
    return f"{refused.bar.name}{', the core erred' if refused.core_erred else ''}"
