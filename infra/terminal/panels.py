"""The panels of the live screen: each takes a glance and gives a title and lines; where they stand is the view's."""

from dataclasses import dataclass
from typing import Final

from rich.text import Text

from infra.terminal.glance import DepthShown, Glance, LimitShown, PositionShown, StageLatency, WindowShown
from infra.terminal.marks import (
    BAD,
    DOWN,
    LABEL,
    STRONG,
    UP,
    Cell,
    Letters,
    Part,
    bar,
    line,
    named,
    ruler,
    signed_style,
    table,
)
from infra.terminal.plain import WELL, feeds_words
from infra.terminal.wording import (
    amount_usd,
    cents,
    clock,
    count,
    countdown,
    file_size,
    share_of,
    shares,
    signed_usd,
    span_ms,
    speed,
    usd,
)
from state.units import BPS, NS_PER_S

GOOD: Final = ("good", *WELL)


@dataclass(frozen=True, slots=True)
class Block:
    """A panel's title and its lines, the most important first: what does not fit below is cut off."""

    title: str
    lines: list[Text]


def header(glance: Glance, width: int, letters: Letters) -> list[Text]:
    """Say what session this is and how far its window has come."""
    mode = glance.mode
    money = (f"{mode.money} money", BAD if mode.money == "real" else UP)
    venue = f" at {mode.venue}" if mode.venue and width >= 100 else ""
    params = f"  params {glance.params[:8]}" if glance.params and width >= 120 else ""
    first = line(
        ("updown ", STRONG), (f"{mode.name} {speed(mode.speed_ratio)}", STRONG), venue, "  ", money, "  ",
        (f"{clock(glance.now_ns)} UTC", LABEL), (params, LABEL),
    )  # fmt: skip
    lines = [first, _window_line(glance.window, width, letters)]
    if glance.stopped or glance.faults:
        stopped = f"NO NEW RISK: {glance.stopped}  " if glance.stopped else ""
        faults = f"faults on: {', '.join(glance.faults)}" if glance.faults else ""
        lines.append(line((f"{stopped}{faults}", BAD)))
    return lines


def _window_line(window: WindowShown | None, width: int, letters: Letters) -> Text:
    if window is None:
        return line(("no window yet: waiting for the venue to list one", LABEL))
    if window.phase == "listed":
        return line((window.slug, STRONG), f"  opens in {countdown(window.open_ns - window.now_ns)}")
    if window.phase == "settled":
        return line((window.slug, STRONG), "  settled ", (window.outcome, _side_style(window.outcome)))
    words = f"  closes in {countdown(window.left_ns)} " if window.left_ns > 0 else "  closed, waits for its outcome "
    room = max(width - len(window.slug) - len(words) - 1, 0)
    return line((window.slug, STRONG), words, bar(window.gone_ratio, min(room, 60), letters))


def _side_style(token: str) -> str:
    return {"UP": UP, "DOWN": DOWN}.get(token, "")


def price_block(glance: Glance, *, brief: bool = False) -> Block:
    """Show the coin by feed and as the nowcast, the strike, and the average that settles so far."""
    window = glance.window
    sure = f" +- {usd(glance.nowcast_sd_usd)}" if glance.nowcast_sd_usd is not None else ""
    lines = [named("BTC now", (usd(glance.nowcast_usd), STRONG), sure, (" USD", LABEL))]
    if window is not None:
        lines += _average_lines(window, brief=brief)
    rows: list[list[Cell]] = [
        [
            feed.name,
            usd(feed.mid_usd),
            f"{feed.basis_bps:+.2f} bps" if feed.basis_bps is not None and not brief else "",
            span_ms(feed.age_ms) if feed.age_ms is not None else "",
            feed.quality if feed.quality in GOOD else (feed.quality.upper(), BAD),
        ]
        for feed in glance.feeds[: 3 if brief else None]
    ]
    lines += table(rows, "lrrrl", gap=1 if brief else 2) or [line(("no price feed has spoken yet", LABEL))]
    if glance.volatility_bps is not None:
        apart = f", feeds {glance.disagreement_bps:.2f} bps apart" if glance.disagreement_bps is not None else ""
        lines.append(named("moves", f"{glance.volatility_bps:.2f} bps per root second{apart}"))
    return Block("price", lines)


def _average_lines(window: WindowShown, *, brief: bool) -> list[Text]:
    strike = [named("strike", ("not known yet", DOWN))]
    if window.strike_usd is not None:
        doubt = "" if window.strike_known else " (provisional)"
        word = (f"  {window.strike_source}{doubt}", LABEL if window.strike_known else DOWN)
        strike = [named("strike", usd(window.strike_usd), word)]
    called = f"TWAP{window.lookback_s}" if window.lookback_s > 1 else "price"
    lines = [*strike, named(f"{called} now", _against(window.rolling_usd, window.strike_usd))]
    if window.known_s:
        known = f"  {window.known_s}/{window.lookback_s} s{'' if brief else ' known'}"
        lines.append(named("so far", _against(window.known_usd, window.strike_usd), known))
    elif window.lookback_s > 1 and window.phase == "open":
        begins = window.left_ns - window.lookback_s * NS_PER_S
        lines.append(named("so far", (f"begins in {countdown(begins)}", LABEL)))
    if window.expected_usd is not None:
        sd = f" +- {usd(window.expected_sd_usd)}" if window.expected_sd_usd is not None and not brief else ""
        lines.append(named("expected", _against(window.expected_usd, window.strike_usd), sd))
    return lines


def _against(value: float | None, strike: float | None) -> Text:
    if value is None or strike is None:
        return line(usd(value))
    gap = value - strike
    return line(usd(value), "  ", (f"{gap:+,.2f}", signed_style(gap)))


def fair_block(glance: Glance, width: int, letters: Letters, *, brief: bool = False) -> Block:
    """Show what the desk believes beside what the book says, and both sides' depth."""
    window = glance.window
    if window is None:
        return Block("fair against book", [line(("no window yet", LABEL))])
    interval = f" [{share_of(window.p_low)} .. {share_of(window.p_high)}]" if window.p_low is not None else ""
    mid = window.mid_bps
    lines = [
        named("desk UP", (share_of(window.p_up), STRONG), interval),
        named("fair UP", share_of(window.p_fair), ("  without the book and the agents", LABEL) if not brief else None),
        named("book UP", _book_words(window, brief=brief)),
    ]
    room = max(width - 11, 10)
    bid, ask = (_p(window.bid_bps), _p(window.ask_bps))
    lines.append(named("desk", ruler(room, letters, window.p_low, window.p_high, window.p_up)))
    lines.append(named("book", ruler(room, letters, bid, ask, _p(mid), ("(", ")"), DOWN, letters.point_of_price)))
    if brief:
        lines.append(named("mandate", *_mandate_words(window)))
    lines += _depth_lines(window, brief=brief)
    age = span_ms(window.book_age_ms)
    lines.append(named("rests", f"{amount_usd(window.book_usd)}, tick {cents(window.tick_bps)}, book {age} old"))
    if window.refused:
        lines.append(named("rules", (window.refused, BAD)))
    if not brief:
        lines.append(named("mandate", *_mandate_words(window)))
    return Block("fair against book", lines)


def _p(bps: float | None) -> float | None:
    return None if bps is None else bps / BPS


def _book_words(window: WindowShown, *, brief: bool) -> Text:
    if window.bid_bps is None and window.ask_bps is None:
        return line((f"no prices ({window.depths[0].state})", DOWN))
    spread = ""
    if window.bid_bps is not None and window.ask_bps is not None:
        spread = f"  spread {cents(window.ask_bps - window.bid_bps)}"
        spread = spread if brief else f"  mid {cents(window.mid_bps)}{spread}"
    return line((f"{cents(window.bid_bps)} / {cents(window.ask_bps)}", STRONG), spread)


def _depth_lines(window: WindowShown, *, brief: bool) -> list[Text]:
    def cells(name: str, depth: DepthShown, style: str) -> list[Cell]:
        near = f"{shares(depth.bid_near_shares)} / {shares(depth.ask_near_shares)}"
        return [
            (name, style),
            f"{shares(depth.bid_shares)} at {cents(depth.bid_bps)}" if depth.bid_bps is not None else "none",
            f"{shares(depth.ask_shares)} at {cents(depth.ask_bps)}" if depth.ask_bps is not None else "none",
            "" if brief else near,
            "" if brief else depth.state if depth.state == "whole" else (depth.state, DOWN),
        ]

    head: list[Cell] = [(word, LABEL) for word in ("shares", "bid", "offered", "" if brief else "within 4c", "")]
    up, down = window.depths
    return table([head, cells("UP", up, UP), cells("DOWN", down, DOWN)], "lrrrl")


def _mandate_words(window: WindowShown) -> list[Cell]:
    mandate = window.mandate
    if mandate is None:
        return [("none yet: nothing may trade", LABEL)]
    if mandate.left_ms <= 0:
        return [(f"ended {span_ms(-mandate.left_ms)} ago; it {_past(mandate.words)}", LABEL)]
    return [mandate.words, (f"  for {span_ms(mandate.left_ms)} more", LABEL)]


def _past(words: str) -> str:
    return words.replace("stands aside", "stood aside").replace("may ", "allowed: ").replace("allows", "allowed")


def money_block(glance: Glance) -> Block:
    """Show profit and cash, whose money it is, and what is held in which window."""
    money = glance.money
    real = money.day_realized_usd
    opened = money.open_marked_usd
    lines = [_held_line(held, named_too=len(glance.positions) > 1) for held in glance.positions]
    lines = lines or [named("holds", ("nothing", LABEL))]
    lines += [
        named("open", (signed_usd(opened), signed_style(opened)), ("  marked at the bid", LABEL)),
        named("settled", (signed_usd(real), signed_style(real)), (f"  today, {money.settled_count} windows", LABEL)),
        named("cash", f"${usd(money.cash_usd)}"),
        named("fees", f"${usd(money.fees_usd)}", (f"  rebates ${usd(money.rebates_usd)}", LABEL)),
    ]
    if money.session_usd is not None:
        whole = (signed_usd(money.session_usd), signed_style(money.session_usd))
        lines.insert(0, named("session", whole, ("  after fees", LABEL)))
    return Block(f"{glance.mode.money} money", lines)


def _held_line(held: PositionShown, *, named_too: bool) -> Text:
    odd = f", {shares(held.unbid_shares)} nobody bids for" if held.unbid_shares else ""
    undone = f", {held.reversed} FAILED" if held.reversed else ""
    ordered = f" + ${usd(held.pending_usd)} ordered" if held.pending_usd else ""
    both = [(f"{shares(held.up_shares)} UP", UP), (f"{shares(held.down_shares)} DOWN", DOWN)]
    kept = [word for word, amount in zip(both, (held.up_shares, held.down_shares), strict=True) if amount]
    parts: list[Part] = []
    for word in kept:
        parts += [" " if parts else "", word]
    words = f" for ${usd(held.spent_usd + held.fees_usd)}{ordered}{odd}{undone}"
    return named("holds", *(parts or ["no shares"]), words, (f"  {held.slug}", LABEL) if named_too else None)


def limits_block(glance: Glance, width: int, letters: Letters) -> Block:
    """Show how much of each limit is used."""
    return Block("limits", [_limit_line(limit, width, letters) for limit in glance.limits])


def _limit_line(limit: LimitShown, width: int, letters: Letters) -> Text:
    def said(value: float) -> str:
        if limit.unit == "$":
            return amount_usd(value)
        return f"{value:.0f}" if limit.unit == "windows" else f"{value:.2f}"

    full = limit.ratio >= 1.0
    words = f"{said(limit.used)} {'>=' if limit.is_floor and not full else 'of'} {said(limit.most)}"
    room = min(max(width - 17 - 16, 3), 30)
    if full:
        shown = line(((" BELOW" if limit.is_floor else " FULL").ljust(max(room, 6)), BAD))
    else:
        shown = bar(limit.ratio, room, letters)
    return line((f"{limit.name:<16} ", LABEL), shown, f" {words}")


def orders_block(glance: Glance) -> Block:
    """Show the orders that are not over, with their state."""
    rows: list[list[Cell]] = [
        [
            str(order.order_id),
            f"{order.side} {shares(order.shares)} {order.token}",
            (order.state, BAD if order.state == "unknown" else ""),
            cents(order.price_bps),
            f"filled {shares(order.filled_shares)}",
            f"{order.tif}{' post-only' if order.post_only else ''}",
            span_ms(order.age_s * 1000.0),
        ]
        for order in glance.orders
    ]
    return Block("open orders", table(rows, "llrrllr") or [line(("none", LABEL))])


def decisions_block(glance: Glance, most: int) -> Block:
    """Show the last decisions with their reasons, newest first."""
    lines = []
    for told in reversed(glance.decisions[-most:] if most > 0 else ()):
        gate = f" at {told.gate}" if told.gate else ""
        edge = f"  edge {cents(told.edge_bps)}" if told.edge_bps is not None else ""
        p_up = f"  UP {share_of(told.p_up)}" if told.p_up is not None else ""
        lines.append(
            line(
                (f"{clock(told.at_ns)} ", LABEL), (f"#{told.mandate_id} ", LABEL), (f"{told.what}{gate}", STRONG),
                f"{p_up}{edge}", f"  {told.reason}" if told.reason else "",
            )
        )  # fmt: skip
    return Block("last decisions", lines or [line(("none yet", LABEL))])


def told_block(glance: Glance, most: int) -> Block:
    """Show the last things that happened, newest first."""
    lines = [line(words) for words in reversed(glance.told[-most:] if most > 0 else ())]
    return Block("what happened", lines or [line(("nothing yet", LABEL))])


def latency_block(glance: Glance) -> Block:
    """Show each stage's latency beside its budget."""
    if not glance.latency:
        return Block("latency, real time", [line(("nothing measured yet", LABEL))])
    head: list[Cell] = [(word, LABEL) for word in ("stage", "p50", "p99", "budget", "n")]
    rows = [head]
    for stage in glance.latency:
        over = is_over(stage)
        budget = f"{stage.budget_ms:.0f} ms" if stage.budget_ms is not None else ""
        worst: Cell = (f"{span_ms(stage.p99_ms)} OVER", BAD) if over else span_ms(stage.p99_ms)
        rows.append([stage.name, span_ms(stage.p50_ms), worst, budget, count(stage.count)])
    return Block("latency, real time", table(rows, "lrrrr"))


def is_over(stage: StageLatency) -> bool:
    """Say whether a stage's 99th percentile is over its budget."""
    return stage.budget_ms is not None and stage.p99_ms is not None and stage.p99_ms > stage.budget_ms


def health_block(glance: Glance) -> Block:
    """Show how each connection does, those in trouble first."""
    rows: list[list[Cell]] = []
    for feed in sorted(glance.health, key=lambda each: each.state in GOOD):
        rate = f"{feed.per_s:,.0f}/s" if feed.per_s is not None else count(feed.frames)
        again = f"{feed.reconnects} reconnects" if feed.reconnects else ""
        lost = f" lost {feed.lost}" if feed.lost else ""
        state: Cell = feed.state if feed.state in GOOD else (feed.state.upper(), BAD)
        rows.append(
            [
                feed.wire,
                state,
                span_ms(feed.age_ms),
                rate,
                f"{again}{lost}",
                ("" if feed.state in GOOD else feed.reason),
            ]
        )
    return Block("feeds", table(rows, "llrrll") or [line(("none connected yet", LABEL))])


def coming_block(glance: Glance) -> Block:
    """Show the windows that are ready before they open."""
    rows: list[list[Cell]] = [
        [each.slug, f"in {countdown(int(each.opens_in_s * NS_PER_S))}", f"book {each.books}"] for each in glance.coming
    ]
    return Block("next windows", table(rows, "lrl") or [line(("none listed yet", LABEL))])


def footer(glance: Glance, width: int) -> list[Text]:
    """Say counts in one line, and on small screens latency and feeds in another."""
    counts = glance.counts
    dropped = BAD if counts.lost else ""
    parts: list[Part] = [
        ("journal ", LABEL), f"{count(counts.journal_rows)} rows",
        f" {file_size(counts.journal_bytes)}" if counts.journal_bytes else "",
        ("  frames ", LABEL), count(counts.frames), ("  conflated ", LABEL), count(counts.conflated),
        ("  lost ", LABEL), (count(counts.lost), dropped),
        ("  refused ", LABEL), count(counts.refused + glance.core_refused),
        f"  cpu {share_of(counts.cpu_ratio, 0)} of a core" if counts.cpu_ratio is not None else "",
        f"  memory {file_size(counts.rss_bytes)}" if counts.rss_bytes is not None else "",
        ("  Ctrl-C ends it well", LABEL) if width >= 110 else None,
    ]  # fmt: skip
    return [line(*parts)]


def small_footer(glance: Glance, width: int) -> list[Text]:
    """Say latency and feeds in one line, counts in another."""
    stages = [
        f"{stage.name} {span_ms(stage.p50_ms)}/{span_ms(stage.p99_ms)}{' OVER' if is_over(stage) else ''}"
        for stage in glance.latency
        if stage.budget_ms is not None or is_over(stage)
    ]
    words = feeds_words(glance.health)
    first = line((words, BAD if "(" in words else ""), ("  p50/p99 ", LABEL), ", ".join(stages) or "not measured yet")
    return [first, *footer(glance, width)]
