"""Play on the matching model from tests: a venue with one market, rows and commands in few words, messages as text."""

from typing import Any

from state.events import LAST_IN_FRAME, Event, Kind, Side, Source, Token
from state.exchange import Exchange, VenueOrderState
from state.orders import Act, Command, Liquidity, OrderState, Reject, TimeInForce
from state.records import one, rows
from state.units import NS_PER_MS, NS_PER_S
from tools.delays import set_no_delays
from tools.exchange import advance_to, apply_event, open_exchange, poll, submit

OPEN_NS = 1_792_638_000 * NS_PER_S
"""A window of 2026-10-22: TWAP-60, fee 0.07, hold 150 ms."""
SHARE = DOLLAR = 1_000_000
BUY, SELL = int(Side.BUY), int(Side.SELL)
UP, DOWN = int(Token.UP), int(Token.DOWN)
GTC, GTD, FOK, FAK = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.FOK, TimeInForce.FAK
Level = tuple[int, int, float]
BOOK: tuple[Level, ...] = ((BUY, 4_900, 100), (BUY, 4_800, 200), (SELL, 5_100, 50), (SELL, 5_200, 80))


def at(ms: float) -> int:
    return OPEN_NS + round(ms * NS_PER_MS)


def row(kind: Kind, ms: float, **columns: Any) -> Any:
    event: Any = one(Event)
    event.kind_code = kind
    event.at_ns = at(ms)
    event.seen_ns = at(ms)
    event.source_code = Source.POLYMARKET_BOOK
    event.flags_mask = LAST_IN_FRAME
    for name, value in columns.items():
        event[name] = value
    return event


def frame_rows(ms: float, levels: tuple[Level, ...], token: int = UP, snapshot_first: bool = False) -> list[Any]:
    made = [row(Kind.BOOK_CLEARED, ms, token_code=token, flags_mask=0)] if snapshot_first else []
    for side, price, shares in levels:
        columns = {"token_code": token, "side_code": side, "price_bps": price, "amount_micros": round(shares * SHARE)}
        made.append(row(Kind.LEVEL_SET, ms, flags_mask=0, **columns))
    made[-1].flags_mask = LAST_IN_FRAME
    return made


def frame(exchange: Exchange, ms: float, *levels: Level, token: int = UP) -> None:
    for event in frame_rows(ms, levels, token):
        apply_event(exchange, event)


def trade(exchange: Exchange, ms: float, side: int, price: int, shares: float, token: int = UP) -> None:
    amount = round(shares * SHARE)
    apply_event(
        exchange, row(Kind.TRADE_SEEN, ms, token_code=token, side_code=side, price_bps=price, amount_micros=amount)
    )


def venue(levels: tuple[Level, ...] = BOOK, cash: int = 1_000, **terms: Any) -> Exchange:
    """Open a venue without delays, with one listed market and its first snapshot."""
    exchange = one(Exchange)
    open_exchange(exchange, 11, cash * DOLLAR)
    set_no_delays(exchange.terms)
    for name, value in terms.items():
        exchange.terms[name] = value  # type: ignore[index]
    listed = {"ref_id": OPEN_NS, "span_s": 300, "price_bps": 100, "amount_micros": 5 * SHARE}
    apply_event(exchange, row(Kind.MARKET_LISTED, -5_000, source_code=Source.GAMMA, **listed))
    for event in frame_rows(-1_000, levels, snapshot_first=True):
        apply_event(exchange, event)
    return exchange


def order(order_id: int, side: int, price: int, shares: float, tif: int = GTC, **more: Any) -> Command:
    command: Any = one(Command)
    command.act_code = Act.PLACE
    command.order_id = order_id
    command.side_code = side
    command.price_bps = price
    command.amount_micros = round(shares * SHARE)
    command.tif_code = tif
    for name, value in more.items():
        command[name] = value
    return command  # type: ignore[no-any-return]


def cancel(order_id: int, act: Act = Act.CANCEL) -> Command:
    command: Any = one(Command)
    command.act_code = act
    command.order_id = order_id
    return command  # type: ignore[no-any-return]


def words(event: Any) -> str:
    ms = (event.seen_ns - OPEN_NS) / NS_PER_MS
    kind, shares = Kind(event.kind_code), f"{event.amount_micros / SHARE:g}"
    if kind == Kind.ORDER_CHANGED:
        why = f" {Reject(event.flags_mask).name}" if event.flags_mask else ""
        return f"{ms:g} #{event.ref_id} {OrderState(event.code_id).name} open {shares}{why}"
    if kind in (Kind.FILLED, Kind.FILL_REVERSED):
        side, token = Side(event.side_code).name, Token(event.token_code).name
        as_whom = f" {Liquidity(event.code_id).name}" if kind == Kind.FILLED else ""
        return f"{ms:g} #{event.ref_id} {kind.name} {side} {token} {shares} @ {event.price_bps / 10_000:g}{as_whom}"
    if kind == Kind.MERGED:
        why = f" {Reject(event.flags_mask).name}" if event.flags_mask else ""
        return f"{ms:g} #{event.ref_id} {kind.name} {shares}{why}"
    return f"{ms:g} #{event.ref_id} {kind.name} {event.amount_micros / DOLLAR:g}"


def messages(exchange: Exchange, ms: float) -> list[Any]:
    """Give what has reached the desk by a time, after the venue has done what is due by then."""
    advance_to(exchange, at(ms))
    out = rows(Event, 64)
    return [event.copy() for event in out[: poll(exchange, at(ms), out, 64)]]


def said(exchange: Exchange, ms: float) -> list[str]:
    return [words(event) for event in messages(exchange, ms)]


def conserve(exchange: Exchange) -> None:
    """Nothing is made or lost, and no table ran over."""
    account = exchange.account
    paid = account.bought_micros + account.fees_micros
    got = account.sold_micros + account.payouts_micros + account.rebates_micros
    assert account.cash_micros == account.deposited_micros - paid + got
    assert exchange.tally.overflow_count == 0
    busy = [row for row in exchange.orders if row.state_code != VenueOrderState.FREE]
    assert len(busy) == exchange.orders_count == sum(market.orders_count for market in exchange.markets)
    for each in busy:
        assert each.open_micros + each.filled_micros == each.amount_micros
        assert each.open_micros > 0


def play(exchange: Exchange, script: list[tuple[str, int, int, int]]) -> list[Any]:
    """Play a random script on the venue, checking its laws at every step; answers all messages."""
    told: list[Any] = []
    ahead: dict[int, int] = {}
    for step, (what, a, b, c) in enumerate(script):
        ms = 40 * step
        if what == "level":
            frame(exchange, ms, (a, 5_000 - 100 * b if a == BUY else 5_000 + 100 * b, c))
        elif what == "trade":
            trade(exchange, ms, a, 5_000 + 100 * b, c / 100)
        elif what == "order":
            side, token, post = a & 1, a >> 1 & 1, a >> 4 & 1
            tif = (GTC, FAK, GTC, FOK)[a >> 2 & 3]
            submit(exchange, order(step + 1, side, 5_000 + 100 * b, c, tif, token_code=token, post_only=post), at(ms))
        else:
            submit(exchange, cancel(a), at(ms))
        told += messages(exchange, ms + 20)
        conserve(exchange)
        resting = {int(o.order_id): o for o in exchange.orders if o.state_code == VenueOrderState.RESTING}
        for order_id, each in resting.items():
            assert 0 <= each.ahead_micros <= max(ahead.get(order_id, 10**15), 0), "a queue only ever gets shorter"
        ahead = {order_id: int(each.ahead_micros) for order_id, each in resting.items()}
    told += messages(exchange, 40 * len(script) + 10_000)
    return told
