"""Plain lines: the session for pipes, logs and CI, one line at a time; each begins with the session's time, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from infra.terminal.decisions import command_words, reason_words, shown_mandate
from infra.terminal.glance import FeedHealth, Glance, MoneyShown, WindowShown
from infra.terminal.memory import worded
from infra.terminal.wording import (
    amount_usd,
    cents,
    clock,
    count,
    countdown,
    share_of,
    shares,
    signed_usd,
    speed,
    usd,
)
from state.events import FeedState, Kind, Side, Source, Token, Word
from state.orders import Act, Liquidity, OrderState, Reject
from state.units import MICROS, NS_PER_S

FEED_WORDS: Final = {
    FeedState.UP: "is up",
    FeedState.DOWN: "went away",
    FeedState.GAP: "lost something: invalid until a snapshot",
}

Names = Mapping[int, str]
"""Slot to the name of its window."""

WELL: Final = ("up", "idle")
"""States of a connection that are as they should be: an idle one stands by for another."""

FIRST_KIND: Final = int(Kind.FEED_CHANGED)
"""What comes before it in `Kind` is the market's ordinary noise, of which no line is said."""


def status_line(glance: Glance) -> str:
    """Say in one line how things stand."""
    parts = [f"{clock(glance.now_ns)} {glance.mode.name} {speed(glance.mode.speed_ratio)}"]
    parts += _window_parts(glance.window, glance.nowcast_usd)
    parts += _money_parts(glance.money, glance.mode.money)
    held = [f"{shares(p.up_shares)} UP {shares(p.down_shares)} DOWN" for p in glance.positions]
    parts.append(f"holds {', '.join(held)}" if held else "holds nothing")
    if glance.orders:
        parts.append(f"{len(glance.orders)} open orders")
    parts.append(feeds_words(glance.health))
    parts.append(f"journal {count(glance.counts.journal_rows)} rows")
    if glance.counts.conflated or glance.counts.lost:
        parts.append(f"conflated {count(glance.counts.conflated)}, lost {count(glance.counts.lost)}")
    if glance.faults:
        parts.append(f"faults on: {', '.join(glance.faults)}")
    if glance.stopped:
        parts.append(f"NO NEW RISK: {glance.stopped}")
    return " | ".join(parts)


def _window_parts(window: WindowShown | None, nowcast_usd: float | None) -> list[str]:
    if window is None:
        return [f"no window yet, BTC {usd(nowcast_usd)}"]
    told = [f"{window.slug} closes in {countdown(window.left_ns)}"]
    if window.phase == "listed":
        told = [f"{window.slug} opens in {countdown(window.open_ns - window.now_ns)}"]
    if window.outcome:
        told = [f"{window.slug} settled {window.outcome}"]
    sure = "" if window.strike_known or window.strike_usd is None else " (provisional)"
    told.append(f"BTC {usd(nowcast_usd)} strike {usd(window.strike_usd)}{sure}")
    told.append(f"UP {_interval(window)} book {cents(window.bid_bps)}/{cents(window.ask_bps)}")
    return told


def _interval(window: WindowShown) -> str:
    if window.p_up is None:
        return f"fair {share_of(window.p_fair)}"
    return f"{share_of(window.p_up)} [{share_of(window.p_low)} .. {share_of(window.p_high)}]"


def _money_parts(money: MoneyShown, kind: str) -> list[str]:
    if money.session_usd is None:
        return [f"cash ${usd(money.cash_usd)} ({kind})"]
    return [f"profit {signed_usd(money.session_usd)} ({kind} money, open marked at the bid)"]


def feeds_words(health: tuple[FeedHealth, ...]) -> str:
    """Say how many feeds do well, and which do not."""
    bad = [f"{feed.wire.replace('_', ' ')} {feed.state}" for feed in health if feed.state not in WELL]
    told = f"feeds {len(health) - len(bad)}/{len(health)} well"
    return f"{told} ({', '.join(bad)})" if bad else told


@dataclass(slots=True)
class Said:
    """Says the status line every few seconds of the wall's time."""

    every_s: float = 5.0
    _next_ns: int = 0

    def line(self, glance: Glance) -> str | None:
        """Give the line when it is due, else None."""
        if glance.now_ns < self._next_ns:
            return None
        self._next_ns = glance.now_ns + int(self.every_s * max(glance.mode.speed_ratio, 1e-9) * NS_PER_S)
        return status_line(glance)


def told_mandate(mandates: NDArray[Any], windows: Names | None = None) -> str:
    """Say one decision of the desk."""
    name = _name(int(mandates[0]["slot_id"]), windows)
    shown = shown_mandate(mandates)
    why = f" at gate {shown.gate}: {shown.reason}" if shown.reason else ""
    return f"{clock(shown.at_ns, 3)} {name} decision {shown.mandate_id}: {shown.what}{why} (UP {share_of(shown.p_up)})"


def told_command(command: Any, windows: Names | None = None) -> str | None:
    """Say one command to the venue; None for one that only asks the desk."""
    if int(command["act_code"]) == Act.ASK:
        return None
    at, name = clock(int(command["at_ns"]), 3), _name(int(command["slot_id"]), windows)
    why = f": {reason_words(int(command['reason_code']))}" if int(command["reason_code"]) else ""
    if int(command["act_code"]) != Act.PLACE:
        return f"{at} {name} {command_words(command)}{why}"
    basis = f"mandate {int(command['mandate_id'])}, edge {cents(float(command['edge_bps']))} a share"
    return f"{at} {name} order {int(command['order_id'])}: {command_words(command)}{why} ({basis})"


def told_row(row: Any, windows: Names | None = None) -> str | None:
    """Say what one row of `EVENT` tells about our orders, money, windows and feeds; None for the market's own noise."""
    kind = int(row["kind_code"])
    if kind < FIRST_KIND or kind not in TELLERS:
        return None
    words = TELLERS[kind](row)
    if words is None:
        return None
    name = "" if kind in NOT_OF_A_WINDOW else _name(int(row["slot_id"]), windows) + " "
    return f"{clock(int(row['seen_ns']), 3)} {name}{words}"


def _name(slot: int, windows: Names | None) -> str:
    return (windows or {}).get(slot) or f"slot {slot}"


def _trade(row: Any) -> str:
    token, side = worded(Token, int(row["token_code"])).upper(), worded(Side, int(row["side_code"]))
    return f"{side} {shares(int(row['amount_micros']) / MICROS)} {token} at {cents(int(row['price_bps']))}"


def _filled(row: Any) -> str:
    return f"order {int(row['ref_id'])} filled: {_trade(row)} as {worded(Liquidity, int(row['code_id']))}"


def _reversed(row: Any) -> str:
    return f"order {int(row['ref_id'])}: a match FAILED on chain and is undone: {_trade(row)}"


def _changed(row: Any) -> str | None:
    state, why = int(row["code_id"]), int(row["flags_mask"])
    ended = state in (OrderState.DONE, OrderState.REJECTED, OrderState.UNKNOWN)
    if not ended and state not in (OrderState.RESTING, OrderState.HELD):
        return None
    reason = f" ({worded(Reject, why)})" if why and (ended or why == Reject.NOT_CANCELLABLE) else ""
    open_ = int(row["amount_micros"])
    left = f", {shares(open_ / MICROS)} shares open" if open_ and not ended else ""
    return f"order {int(row['ref_id'])} {worded(OrderState, state)}{reason}{left}"


def _charged(row: Any) -> str:
    amount = int(row["amount_micros"]) / MICROS
    return f"order {int(row['ref_id'])} fee {'given back ' if amount < 0 else ''}${abs(amount):.5f}"


def _settled(row: Any) -> str:
    final = float(row["value_usd"])
    at = f", final price {usd(final)}" if final > 0.0 else ""
    return f"settled {worded(Token, int(row['code_id'])).upper()}{at}"


def _feed(row: Any) -> str:
    state = {
        FeedState.UP: "is up",
        FeedState.DOWN: "went away",
        FeedState.GAP: "lost something: invalid until a snapshot",
    }
    code = int(row["code_id"])
    words = state[FeedState(code)] if code in set(FeedState) else f"state {code}"
    return f"feed {worded(Source, int(row['source_code']))} {words} (connection {int(row['ref_id'])})"


def _said(row: Any) -> str:
    limit = f" up to {amount_usd(int(row['ref_id']) / MICROS)}" if int(row["code_id"]) == Word.ARM else ""
    return f"operator: {worded(Word, int(row['code_id']))}{limit}"


def _merged(row: Any) -> str:
    amount, why = int(row["amount_micros"]), int(row["flags_mask"])
    if not amount:
        return f"merge {int(row['ref_id'])} refused" + (f" ({worded(Reject, why)})" if why else "")
    return f"merged {shares(amount / MICROS)} complete sets into ${usd(amount / MICROS)}"


def _rebate(row: Any) -> str:
    return f"rebate paid ${int(row['amount_micros']) / MICROS:.5f}"


def _carried(row: Any) -> str | None:
    amount = int(row["amount_micros"])
    return f"other sessions of this wallet came to {signed_usd(amount / MICROS)} today" if amount else None


TELLERS: Final = {
    int(Kind.FEED_CHANGED): _feed,
    int(Kind.SETTLED): _settled,
    int(Kind.ORDER_CHANGED): _changed,
    int(Kind.FILLED): _filled,
    int(Kind.FEE_CHARGED): _charged,
    int(Kind.FILL_REVERSED): _reversed,
    int(Kind.REBATE_PAID): _rebate,
    int(Kind.OPERATOR_SAID): _said,
    int(Kind.MERGED): _merged,
    int(Kind.DAY_CARRIED): _carried,
}
NOT_OF_A_WINDOW: Final = tuple(
    int(kind) for kind in (Kind.FEED_CHANGED, Kind.REBATE_PAID, Kind.OPERATOR_SAID, Kind.DAY_CARRIED)
)
