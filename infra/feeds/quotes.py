"""Quotes: the rows that prices and trades become, for exchanges and for the settlement stream alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from infra.feeds import binance, bybit, coinbase, okx, polybolt, polygon, rtds
from infra.feeds.figures import at_ns_of, micros_of, ns_of_iso, usd_of
from infra.feeds.frames import Offbeat, Tally, Wire, offbeat
from infra.feeds.rows import Rows
from state.events import Asset, Kind, Side, Source
from state.units import NS_PER_MS

SYMBOLS: Final[dict[tuple[Wire, str], Asset]] = {
    (wire, form.format(low=asset.name.lower(), up=asset.name)): asset
    for asset in Asset
    for wire, forms in {
        Wire.POLYBOLT: ("{low}usd",),
        Wire.RTDS: ("{low}/usd", "{low}usdt"),
        Wire.BINANCE_SPOT: ("{up}USDT",),
        Wire.BINANCE_USDM: ("{up}USDT",),
        Wire.BINANCE_COINM: ("{up}USD_PERP",),
        Wire.BYBIT: ("{up}USDT",),
        Wire.OKX: ("{up}-USDT",),
        Wire.COINBASE: ("{up}-USD",),
        Wire.COINBASE_EXCHANGE: ("{up}-USD",),
    }.items()
    for form in forms
}
"""What each wire calls the assets that we know: one symbol a wire, for a source has one price of an asset."""

CONTRACT_USD: Final = {Asset.BTC: 100.0}
"""Dollars in one COIN-M perpetual contract; ten for every other coin (Binance contract specifications, from memory)."""

SOURCES: Final = {
    Wire.POLYMARKET_MARKET: Source.POLYMARKET_BOOK,
    Wire.POLYMARKET_USER: Source.POLYMARKET_USER,
    Wire.POLYBOLT: Source.CHAINLINK,
    Wire.RTDS: Source.CHAINLINK,
    Wire.GAMMA: Source.GAMMA,
    Wire.CLOB_REST: Source.POLYMARKET_BOOK,
    Wire.BINANCE_SPOT: Source.BINANCE,
    Wire.BINANCE_USDM: Source.BINANCE_PERP,
    Wire.BINANCE_COINM: Source.BINANCE_PERP,
    Wire.BYBIT: Source.BYBIT,
    Wire.OKX: Source.OKX,
    Wire.COINBASE: Source.COINBASE,
    Wire.COINBASE_EXCHANGE: Source.COINBASE,
    Wire.POLYGON: Source.POLYGON,
}
"""As whom a wire speaks in the world; the live-data sockets name the source of a price in the message."""

_OBSERVERS: Final = {"chainlink": Source.CHAINLINK, "pyth": Source.PYTH}


@dataclass(slots=True)
class Desk:
    """What turning a message into rows needs to know besides the message."""

    wire: Wire
    seen_ns: int
    rows: Rows
    symbols: dict[tuple[Wire, str], Asset]
    tally: Tally

    def asset(self, symbol: str) -> Asset | None:
        """Look a symbol up; one that nobody listed is counted and passed over."""
        asset = self.symbols.get((self.wire, symbol))
        if asset is None:
            self.tally.add(self.wire.name, "symbol not listed", symbol[:40])
        return asset

    def price(self, symbol: str, at_ns: int, bid: float | None, ask: float | None) -> None:
        """Write a PRICE_SEEN of the wire's own source; a quote that lacks a side says nothing."""
        if bid is None or ask is None or (asset := self.asset(symbol)) is None:
            return
        self.rows.write(
            Kind.PRICE_SEEN, SOURCES[self.wire], at_ns, self.seen_ns,
            value_usd=usd_of(bid), other_usd=usd_of(ask), code=asset,
        )  # fmt: skip

    def trade(self, symbol: str, at_ns: int, price: float, size: float, taker: Side) -> None:
        """Write a CEX_TRADED; amounts of a coin-margined contract are brought from contracts to coins."""
        if (asset := self.asset(symbol)) is None:
            return
        if self.wire is Wire.BINANCE_COINM:
            size *= CONTRACT_USD.get(asset, 10.0) / usd_of(price)
        self.rows.write(
            Kind.CEX_TRADED, SOURCES[self.wire], at_ns, self.seen_ns,
            value_usd=usd_of(price), amount_micros=micros_of(size), code=asset, side=taker,
        )  # fmt: skip


def _ms(count: int) -> int:
    """Give milliseconds as ns; the zero of a message without a time stays the zero that says so."""
    return at_ns_of(count, NS_PER_MS)


def _binance_ticker(message: binance.BookTicker, desk: Desk) -> None:
    desk.price(message.symbol, _ms(message.trade_ms or message.event_ms), message.bid, message.ask)


def _binance_trade(message: binance.Trade | binance.AggTrade, desk: Desk) -> None:
    if isinstance(message, binance.Trade) and message.origin not in ("", "MARKET"):
        return
    taker = Side.SELL if message.buyer_is_maker else Side.BUY
    desk.trade(message.symbol, _ms(message.trade_ms or message.event_ms), message.price, message.size, taker)


def _bybit_book(message: bybit.OrderBook, desk: Desk) -> None:
    # `orderbook.1` sends whole snapshots; of deeper books only the snapshot shows a touch without a book of our own.
    book = message.data
    if message.type == "snapshot" and book.bids and book.asks:
        desk.price(book.symbol, _ms(message.cts or message.ts), book.bids[0][0], book.asks[0][0])


def _bybit_trades(message: bybit.Trades, desk: Desk) -> None:
    for trade in message.data:
        if not trade.block:
            taker = Side.BUY if trade.side == "Buy" else Side.SELL
            desk.trade(trade.symbol, _ms(trade.trade_ms), trade.price, trade.size, taker)


def _bybit_ticker(message: bybit.Ticker, desk: Desk) -> None:
    desk.price(message.data.symbol, _ms(message.ts), message.data.bid, message.data.ask)


def _okx_books(message: okx.Books, desk: Desk) -> None:
    if message.arg.channel not in ("bbo-tbt", "books5"):
        return
    for book in message.data:
        if book.bids and book.asks:
            desk.price(message.arg.inst_id, _ms(book.ts), book.bids[0][0], book.asks[0][0])


def _okx_tickers(message: okx.Tickers, desk: Desk) -> None:
    for ticker in message.data:
        if ticker.bid_px and ticker.ask_px:
            desk.price(ticker.inst_id, _ms(ticker.ts), _number(ticker.bid_px), _number(ticker.ask_px))


def _okx_trades(message: okx.Trades, desk: Desk) -> None:
    for trade in message.data:
        taker = Side.BUY if trade.side == "buy" else Side.SELL
        desk.trade(trade.inst_id, _ms(trade.ts), trade.px, trade.sz, taker)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return offbeat(f"{text[:40]!r} is no number")


def _coinbase_tickers(message: coinbase.Tickers, desk: Desk) -> None:
    at_ns = ns_of_iso(message.timestamp)
    for event in message.events:
        for ticker in event.tickers:
            desk.price(ticker.product_id, at_ns, ticker.best_bid, ticker.best_ask)


def _coinbase_trades(message: coinbase.Trades, desk: Desk) -> None:
    for event in message.events:
        if event.type == "snapshot":
            continue  # history from before we listened, newest first
        for trade in event.trades:
            taker = Side.SELL if trade.side == "BUY" else Side.BUY
            desk.trade(trade.product_id, ns_of_iso(trade.time), trade.price, trade.size, taker)


def _exchange_ticker(message: coinbase.ExchangeTicker, desk: Desk) -> None:
    at_ns = ns_of_iso(message.time) if message.time else 0
    desk.price(message.product_id, at_ns, message.best_bid, message.best_ask)


def _exchange_match(message: coinbase.ExchangeMatch, desk: Desk) -> None:
    if message.type == "match":
        taker = Side.SELL if message.side == "buy" else Side.BUY
        desk.trade(message.product_id, ns_of_iso(message.time), message.price, message.size, taker)


def _rtds(message: rtds.Update, desk: Desk) -> None:
    points = rtds.points_of(message)
    if message.topic in rtds.AVERAGE_S:
        _averages(points, message.payload.symbol, rtds.AVERAGE_S[message.topic], desk)
    elif message.topic == rtds.CHAINLINK:
        _prints(points, message.payload.symbol, Source.CHAINLINK, desk)
    else:
        # Binance by way of the venue, 0.8 s late: of a replay only the last point is news of any kind.
        _prints(points[-1:], message.payload.symbol, Source.BINANCE, desk)


def _polybolt(message: polybolt.Update, desk: Desk) -> None:
    points = polybolt.points_of(message)
    payload = message.payload
    if message.channel == polybolt.AVERAGE:
        if payload.source not in ("", "chainlink"):
            offbeat(f"an average by {payload.source[:40]}")
        _averages(points, payload.symbol, payload.window_seconds, desk)
        return
    source = _OBSERVERS.get(payload.source)
    if source is None:
        raise Offbeat(f"a price by {payload.source[:40] or 'nobody'}")
    _prints(points, payload.symbol, source, desk)


def _prints(points: list[tuple[int, float]], symbol: str, source: Source, desk: Desk) -> None:
    asset = desk.asset(symbol)
    for at_ns, usd in points if asset is not None else ():
        desk.rows.write(Kind.PRICE_SEEN, source, at_ns, desk.seen_ns, value_usd=usd, other_usd=usd, code=asset or 0)


def _averages(points: list[tuple[int, float]], symbol: str, span_s: int, desk: Desk) -> None:
    asset = desk.asset(symbol)
    if not 0 < span_s < 1 << 16:
        offbeat(f"look-back of {span_s} s")
    for at_ns, usd in points if asset is not None else ():
        desk.rows.write(
            Kind.AVERAGE_SEEN, Source.CHAINLINK, at_ns, desk.seen_ns, value_usd=usd, span_s=span_s, code=asset or 0
        )


def _block(message: polygon.Block, desk: Desk) -> None:
    desk.rows.write(
        Kind.CHAIN_SEEN, Source.POLYGON, message.at_ns, desk.seen_ns,
        value_usd=message.base_fee_gwei, ref_id=message.at_ns,
    )  # fmt: skip


WAYS: Final[dict[type, Callable[[Any, Desk], None]]] = {
    binance.BookTicker: _binance_ticker,
    binance.Trade: _binance_trade,
    binance.AggTrade: _binance_trade,
    bybit.OrderBook: _bybit_book,
    bybit.Trades: _bybit_trades,
    bybit.Ticker: _bybit_ticker,
    okx.Books: _okx_books,
    okx.Tickers: _okx_tickers,
    okx.Trades: _okx_trades,
    coinbase.Tickers: _coinbase_tickers,
    coinbase.Trades: _coinbase_trades,
    coinbase.ExchangeTicker: _exchange_ticker,
    coinbase.ExchangeMatch: _exchange_match,
    rtds.Update: _rtds,
    polybolt.Update: _polybolt,
    polygon.Block: _block,
}
"""Message type -> the rows it becomes; types that are not here become none."""
