"""Money on the screen: what we hold and what it would fetch, profit after fees, and how much of each limit is used."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from infra.terminal.glance import DepthShown, LimitShown, MoneyShown, PositionShown
from infra.terminal.memory import bid_over_both
from state.events import Token
from state.units import BPS, MICROS
from state.world import Phase

HELD: Final = (int(Phase.LISTED), int(Phase.OPEN), int(Phase.CLOSED))


def positions_of(
    markets: NDArray[Any], names: Mapping[int, str], depths: Sequence[tuple[DepthShown, DepthShown]]
) -> list[tuple[int, PositionShown]]:
    """Give slot and position of every window that has not settled and in which we hold or have ordered something."""
    found = []
    for slot, market in enumerate(markets):
        position = market["position"]
        if int(market["phase_code"]) not in HELD:
            continue
        pending = int(market["pending_cost_micros"])
        if int(position["fills_count"]) == 0 and pending == 0 and int(market["orders_count"]) == 0:
            continue
        held = (int(position["up_micros"]), int(position["down_micros"]))
        worth, unbid = worth_of(held, depths[slot])
        shown = PositionShown(
            slug=names[slot],
            up_shares=held[Token.UP] / MICROS,
            down_shares=held[Token.DOWN] / MICROS,
            spent_usd=int(position["spent_micros"]) / MICROS,
            fees_usd=int(position["fees_micros"]) / MICROS,
            pending_usd=pending / MICROS,
            worth_usd=worth / MICROS,
            unbid_shares=unbid / MICROS,
            fills=int(position["fills_count"]),
            reversed=int(position["reversed_count"]),
        )
        found.append((slot, shown))
    return found


def worth_of(held_micros: tuple[int, int], depths: tuple[DepthShown, DepthShown]) -> tuple[int, int]:
    """Give what shares would fetch, and how many nobody bids for, both in micros.

    A pair of UP and DOWN is a dollar whatever happens; the rest counts at the bid, as if it were all bid for there.
    """
    pairs = max(min(held_micros), 0)
    worth, unbid = pairs, 0
    for token in (Token.UP, Token.DOWN):
        rest = held_micros[token] - pairs
        bid = bid_over_both(depths, token)
        if bid is None:
            unbid += max(rest, 0)
        else:
            worth += rest * bid // BPS
    return worth, unbid


def money_of(money: Any, positions: Sequence[tuple[int, PositionShown]], began_micros: int | None) -> MoneyShown:
    """Read cash and profit; the session's is only known when somebody says what it began with."""
    cash = int(money["cash_micros"])
    marked = sum(position.marked_usd for _, position in positions)
    worth = sum(position.worth_usd for _, position in positions)
    return MoneyShown(
        cash_usd=cash / MICROS,
        day_realized_usd=int(money["day_realized_micros"]) / MICROS,
        open_marked_usd=marked,
        session_usd=None if began_micros is None else (cash - began_micros) / MICROS + worth,
        fees_usd=int(money["fees_micros"]) / MICROS,
        rebates_usd=int(money["rebates_micros"]) / MICROS,
        settled_count=int(money["settled_count"]),
    )


def losses_of(world: Any, slot: int, position: Any) -> tuple[int, int]:
    """Give what a window loses at most if UP wins, and if DOWN does, in micros; fees to come are left out."""
    paid = int(position["spent_micros"] + position["fees_micros"])
    if_up, if_down = paid - int(position["up_micros"]), paid - int(position["down_micros"])
    orders = world["orders"]
    for order in orders[(orders["state_code"] != 0) & (orders["slot_id"] == slot)]:
        cost = int(order["open_micros"]) * int(order["price_bps"]) // BPS
        if order["token_code"] == Token.UP:  # it costs no more than it pays, should its own token win
            if_down += cost
        else:
            if_up += cost
    return if_up, if_down


def limits_of(world: Any, money: MoneyShown, markets: NDArray[Any], book: float | None) -> tuple[LimitShown, ...]:
    """Give how much of each of the mission's limits is used, and of the strategy's own pause."""
    params = world["params"]
    costs, risky, lose_up, lose_down = [0.0], 0, 0, 0
    for slot, market in enumerate(markets):
        if int(market["phase_code"]) not in HELD:
            continue
        position = market["position"]
        if_up, if_down = losses_of(world, slot, position)
        costs.append(max(if_up, if_down) / MICROS)
        risky += int(position["spent_micros"] + position["fees_micros"]) != 0 or int(market["orders_count"]) > 0
        lose_down += max(if_up, 0)
        lose_up += max(if_down, 0)
    elsewhere = int(world["money"]["day_carried_micros"]) / MICROS
    lost = max(0.0, -(money.day_realized_usd + elsewhere + money.open_marked_usd))
    tail = max(lose_up, lose_down) / MICROS
    limits = [
        LimitShown(name="position", used=max(costs), most=int(params["position_micros"]) / MICROS, unit="$"),
        LimitShown(name="windows at risk", used=risky, most=int(params["concurrent_count"]), unit="windows"),
        LimitShown(name="day's loss", used=lost, most=int(params["daily_loss_micros"]) / MICROS, unit="$"),
    ]
    if book is not None:
        least = int(params["liquidity_micros"]) / MICROS
        limits.append(LimitShown(name="book rests on", used=book, most=least, unit="$", is_floor=True))
    limits.append(LimitShown(name="loss in a jump", used=tail, most=int(params["tail_loss_micros"]) / MICROS, unit="$"))
    against = max(float(world["track"]["evidence"]["against_log"]), 0.0)
    pause = float(params["pause_e_log"])
    limits.append(LimitShown(name="evidence against", used=against, most=pause, unit="log e"))
    return tuple(limits)
