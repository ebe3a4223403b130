"""The readout: a glance read out of the core's memory and the shell's counters, in less than a millisecond."""

from collections.abc import Mapping, Sequence
from math import exp, sqrt
from typing import Any, Final

from numpy.typing import NDArray

from infra.plain_memory import plain, slug_of
from infra.terminal.decisions import allowed_words
from infra.terminal.glance import (
    ComingShown,
    Counts,
    DecisionShown,
    DepthShown,
    FeedHealth,
    FeedPrice,
    Glance,
    MandateShown,
    Mode,
    OrderShown,
    StageLatency,
    WindowShown,
)
from infra.terminal.memory import (
    ask_over_both,
    average_of,
    bid_over_both,
    book_usd,
    depth_of,
    finite,
    positive,
    worded,
)
from infra.terminal.money import HELD, limits_of, money_of, positions_of
from state.events import ASSETS, FEEDS, Asset, FeedState, Side, Source, StrikeSource, Token, Word
from state.orders import OrderState, TimeInForce
from state.rules import FOREIGN, UNSTATED, Rule
from state.units import BPS, MICROS, NS_PER_MS, NS_PER_S
from state.world import CLOSE, SLOTS, Phase

EMPTY: Final = (DepthShown(), DepthShown())
STRIKE_WORDS: Final = {
    StrikeSource.UNKNOWN: "not known yet",
    StrikeSource.OWN_AVERAGE: "our average",
    StrikeSource.STREAM: "by the stream",
    StrikeSource.VENUE: "by the venue",
}


def glance_of(
    worlds: NDArray[Any],
    now_ns: int,
    *,
    mode: Mode,
    health: Sequence[FeedHealth] = (),
    latency: Sequence[StageLatency] = (),
    decisions: Sequence[DecisionShown] = (),
    counts: Counts = Counts(),  # noqa: B008 - frozen
    faults: Sequence[str] = (),
    told: Sequence[str] = (),
    slugs: Mapping[int, str] | None = None,
    slot: int | None = None,
) -> Glance:
    """Read a glance; nothing is written.

    Args:
        worlds: The core's world, shape (1,).
        now_ns: The session's time.
        mode: What session this is.
        health: One entry a connection, counted by the streams.
        latency: One entry a stage; `stages_of` makes them from the shell's.
        decisions: The last ones, newest last.
        told: The last plain lines, newest last.
        counts: What the shell has counted.
        faults: Names of faults that are switched on at the venue next door.
        slugs: Slot to the venue's name of its window; else it is made from what the core knows.
        slot: Which window to show; None: the open one that closes first, else the next to open, else the last.
    """
    world = plain(worlds)[0]
    markets = world["markets"]
    names = {row: (slugs or {}).get(row) or slug_of(markets[row]) for row in range(SLOTS)}
    shown = _front(markets, now_ns) if slot is None else slot
    depths = [
        _depths(row) if at == shown or int(row["phase_code"]) in HELD else EMPTY for at, row in enumerate(markets)
    ]
    state = _asset_state(world, markets[shown] if shown is not None else None)
    positions = positions_of(markets, names, depths)
    money = money_of(world["money"], positions, mode.began_cash_micros)
    return Glance(
        now_ns=now_ns,
        mode=mode,
        window=None if shown is None else _window(markets[shown], names[shown], depths[shown], state, now_ns),
        **_nowcast(state),
        feeds=_feeds(state["prices"]["feeds"], now_ns),
        money=money,
        positions=tuple(position for _, position in positions),
        orders=_orders(world["orders"], names, now_ns),
        limits=limits_of(world, money, markets, None if shown is None else book_usd(markets[shown])),
        coming=_coming(markets, names, depths, now_ns),
        decisions=tuple(decisions),
        latency=tuple(latency),
        health=tuple(health),
        counts=counts,
        faults=tuple(faults),
        told=tuple(told),
        **_of_world(world),
    )


def _of_world(world: Any) -> dict[str, Any]:
    return {
        "stopped": _stopped(world),
        "core_refused": int(world["refused_count"]),
        "params": f"{int(world['params_hash']):015x}",
    }


def _asset_state(world: Any, market: Any) -> Any:
    asset = int(market["asset_code"]) if market is not None else int(Asset.BTC)
    return world["assets"][asset if 0 <= asset < ASSETS else int(Asset.BTC)]


def _nowcast(state: Any) -> dict[str, Any]:
    nowcast = state["prices"]["nowcast"]
    usd = positive(nowcast["usd"])
    return {
        "nowcast_usd": usd,
        "nowcast_sd_usd": usd * sqrt(max(float(nowcast["value_var"]), 0.0)) if usd else None,
        "disagreement_bps": sqrt(max(float(nowcast["spread_var"]), 0.0)) * BPS if usd else None,
        "volatility_bps": _root_bps(state["variance_per_s"]),
    }


def _depths(market: Any) -> tuple[DepthShown, DepthShown]:
    return depth_of(market["books"][0]), depth_of(market["books"][1])


def _front(markets: NDArray[Any], now_ns: int) -> int | None:
    """Choose the window to show."""
    rows = [
        (int(row["phase_code"]), int(row["open_ns"]), int(row["close_ns"]), at)
        for at, row in enumerate(markets)
        if int(row["phase_code"]) != Phase.NONE
    ]
    opened = [(close, at) for phase, begin, close, at in rows if phase == Phase.OPEN and begin <= now_ns < close]
    if opened:
        return min(opened)[1]
    waiting = [(close, at) for phase, _, close, at in rows if phase in (Phase.OPEN, Phase.CLOSED)]
    coming = [(begin, at) for phase, begin, _, at in rows if phase == Phase.LISTED]
    if waiting and not (coming and min(coming)[0] <= now_ns):
        return max(waiting)[1]
    if coming:
        return min(coming)[1]
    return max(((close, at) for _, _, close, at in rows), default=(0, None))[1]


def _window(market: Any, slug: str, depths: tuple[DepthShown, DepthShown], state: Any, now_ns: int) -> WindowShown:
    close = market["averages"][CLOSE]
    lookback_s = max(int(close["lookback_s"]), 0)
    observations = state["observations"]
    known_usd, known_s = average_of(observations, int(close["ends_s"]), lookback_s)
    code = int(market["strike_code"])
    fair, outcome = market["fair"], int(market["outcome_code"])
    p_up, p_low, p_high = _posterior(market)
    seen_ns = int(market["book_seen_ns"])
    phase = int(market["phase_code"])
    return WindowShown(
        slug=slug,
        phase=worded(Phase, phase),
        open_ns=int(market["open_ns"]),
        close_ns=int(market["close_ns"]),
        now_ns=now_ns,
        strike_usd=positive(market["strike_usd"]) if code else None,
        strike_source=STRIKE_WORDS.get(StrikeSource(code), "") if code in set(StrikeSource) else f"code {code}",
        strike_known=code > StrikeSource.OWN_AVERAGE,
        strike_gap_bps=finite(market["strike_gap_bps"]) if code > StrikeSource.OWN_AVERAGE else None,
        lookback_s=lookback_s,
        rolling_usd=average_of(observations, int(observations["newest_s"]), max(lookback_s, 1))[0],
        known_usd=known_usd,
        known_s=known_s,
        expected_usd=positive(fair["mean_usd"]),
        expected_sd_usd=positive(fair["sd_usd"]),
        p_fair=finite(market["p_fair"]) if market["has_fair"] else None,
        p_up=p_up,
        p_low=p_low,
        p_high=p_high,
        bid_bps=bid_over_both(depths, Token.UP),
        ask_bps=ask_over_both(depths, Token.UP),
        depths=depths,
        book_usd=book_usd(market),
        book_age_ms=(now_ns - seen_ns) / NS_PER_MS if seen_ns > 0 else None,
        tick_bps=int(market["books"][0]["tick_bps"]),
        mandate=_mandate(market["mandate"], now_ns),
        outcome=worded(Token, outcome).upper() if phase == Phase.SETTLED and outcome in set(Token) else "",
        final_usd=positive(market["final_usd"]),
        refused=_refusal(int(market["rules"]["refused_code"])) if phase else "",
    )


def _posterior(market: Any) -> tuple[float | None, float | None, float | None]:
    """Give the posterior and its interval; before the first mandate it is only the book's middle, so there is none."""
    mandate = market["mandate"]
    middle, half = finite(market["posterior_logodds"]), finite(mandate["half_width_logodds"])
    if int(mandate["mandate_id"]) == 0 or middle is None or half is None:
        return None, None, None
    return _p(middle), _p(middle - abs(half)), _p(middle + abs(half))


def _p(logodds: float) -> float:
    return 1.0 / (1.0 + exp(-min(max(logodds, -60.0), 60.0)))


def _mandate(mandate: Any, now_ns: int) -> MandateShown | None:
    number = int(mandate["mandate_id"])
    if number == 0:
        return None
    left_ms = (int(mandate["until_ns"]) - now_ns) / NS_PER_MS
    return MandateShown(mandate_id=number, left_ms=left_ms, words=allowed_words(mandate))


def _refusal(code: int) -> str:
    if code == 0:
        return ""
    if code == FOREIGN:
        return "not traded: it has a rule that we do not know"
    rule = worded(Rule, code - UNSTATED if code > UNSTATED else code)
    return f"not traded: rule {rule} is {'not stated' if code > UNSTATED else 'not supported'}"


def _feeds(feeds: NDArray[Any], now_ns: int) -> tuple[FeedPrice, ...]:
    shown = []
    for row in range(1, FEEDS):
        feed = feeds[row]
        if int(feed["count"]) == 0 and int(feed["generation_count"]) == 0:
            continue
        stamped = int(feed["clock"]["stamps_count"]) > 0
        heard = int(feed["count"]) > 0
        shown.append(
            FeedPrice(
                name=worded(Source, row),
                quality=_quality(feed, now_ns),
                mid_usd=positive(feed["mid_usd"]),
                age_ms=(now_ns - int(feed["seen_ns"])) / NS_PER_MS if heard else None,
                basis_bps=finite(float(feed["basis_log"]) * BPS) if int(feed["basis_count"]) else None,
                offset_ms=int(feed["clock"]["offset_ns"]) / NS_PER_MS if stamped else None,
            )
        )
    return tuple(shown)


def _quality(feed: Any, now_ns: int) -> str:
    """Say what a feed is worth, as `tools.feed.quality` has it."""
    if int(feed["count"]) == 0:
        return "silent"
    if int(feed["state_code"]) == FeedState.DOWN:
        return "down"
    if now_ns > int(feed["fresh_until_ns"]):
        return "stale"
    return "odd" if feed["odd"] else "good"


def _orders(orders: NDArray[Any], names: Mapping[int, str], now_ns: int) -> tuple[OrderShown, ...]:
    live = orders[orders["state_code"] != OrderState.NONE]
    return tuple(
        OrderShown(
            order_id=int(row["order_id"]),
            mandate_id=int(row["mandate_id"]),
            slug=names.get(int(row["slot_id"]), f"slot {int(row['slot_id'])}"),
            token=worded(Token, int(row["token_code"])).upper(),
            side=worded(Side, int(row["side_code"])),
            price_bps=int(row["price_bps"]),
            shares=int(row["amount_micros"]) / MICROS,
            filled_shares=int(row["filled_micros"]) / MICROS,
            state=worded(OrderState, int(row["state_code"])),
            tif=worded(TimeInForce, int(row["tif_code"])).upper(),
            post_only=bool(row["post_only"]),
            age_s=(now_ns - int(row["placed_ns"])) / NS_PER_S,
        )
        for row in live
    )


def _coming(
    markets: NDArray[Any], names: Mapping[int, str], depths: Sequence[tuple[DepthShown, DepthShown]], now_ns: int
) -> tuple[ComingShown, ...]:
    opens = [(int(row["open_ns"]), at) for at, row in enumerate(markets) if int(row["phase_code"]) == Phase.LISTED]
    return tuple(
        ComingShown(slug=names[at], opens_in_s=(begin - now_ns) / NS_PER_S, books=depths[at][0].state)
        for begin, at in sorted(opens)
    )


def _stopped(world: Any) -> str:
    halted = int(world["halted_code"])
    if halted:
        return f"the core was told: {worded(Word, halted)}"
    return "the platform is not sound enough for new risk" if int(world["platform_code"]) else ""


def _root_bps(variance_per_s: Any) -> float | None:
    told = positive(variance_per_s)
    return sqrt(told) * BPS if told else None
