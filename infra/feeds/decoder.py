"""The decoder: frames of every wire in, rows of events out, whatever the frame; nothing that comes in can raise.

It knows which tokens and symbols mean what and where each numbered channel stands; books it leaves to the world. A
frame that is refused leaves no row behind. Rows of one frame belong together: the last carries `LAST_IN_FRAME`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from infra.feeds import clob_rest, gamma, polybolt
from infra.feeds import polymarket_market as market
from infra.feeds.figures import AT_NS_MAX, LEVEL_BPS, SHARES_MAX, at_ns_of, bps_of, micros_of, tick_bps_of, touch_bps_of
from infra.feeds.frames import READ_ERRORS, Offbeat, Refused, Tally, Wire, offbeat, refusal
from infra.feeds.listings import Listing, listing_of, rules_of_short
from infra.feeds.polymarket_market import QUICK_TAIL
from infra.feeds.quotes import SOURCES, SYMBOLS, WAYS, Desk
from infra.feeds.readers import PARSERS as PARSERS
from infra.feeds.rows import FLAGS_FROM_END, LEVEL, ROW_BYTES, Rows, RowsFull, tail_of
from state.events import LAST_IN_FRAME, Asset, FeedState, Kind, Side, Source, StrikeSource, Token
from state.units import NS_PER_MS

_READERS: Final = PARSERS | {Wire.POLYMARKET_MARKET: market.read}

Resting = market.Level | market.Change

BOOK: Final = Source.POLYMARKET_BOOK
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_MARKET: Final = Wire.POLYMARKET_MARKET
_read_moves: Final = market.QUICK.decode
_pack_level: Final = LEVEL.pack_into


@dataclass(slots=True)
class Coin:
    """One listed token: where its rows go, and what packing them can take ready-made."""

    slot: int
    token: Token
    tick_bps: int
    buy_tail: int
    sell_tail: int
    """Last eight bytes of a LEVEL_SET on either side."""


class Decoder:
    """Turns frames into rows of events.

    Args:
        carried: Also write the best prices that the market channel carries (TOUCH_CARRIED), for proofs and audits; it
            makes a `price_change` about a third dearer.
    """

    def __init__(self, *, carried: bool = False) -> None:
        self.carried = carried
        self.coins: dict[str, Coin] = {}
        self.slots: dict[str, int] = {}
        """Condition id -> slot."""
        self.listings: dict[str, Listing] = {}
        """What Gamma said last of each listed condition."""
        self.symbols = dict(SYMBOLS)
        self.generations: dict[Wire, int] = {}
        self.refusals = Tally()
        """Refused frames and messages: wire, type, reason."""
        self.strangers = Tally()
        """Tokens, markets and symbols that nobody listed: wire, what, which."""
        self.last_refusal: Refused | None = None
        self._up: set[Wire] = set()
        self._windows: dict[tuple[Asset, int], int] = {}
        self._told: set[tuple[Kind, int, float]] = set()
        self._seqs: dict[str, int] = {}
        self._rows = Rows()

    # What is listed.

    def list_market(self, slot: int, condition_id: str, up_token: str, down_token: str, tick_bps: int = 100) -> None:
        """Let a window's tokens and condition stand for a slot of the world."""
        self.slots[condition_id] = slot
        for name, token in ((up_token, Token.UP), (down_token, Token.DOWN)):
            buy_tail, sell_tail = (tail_of(0, Kind.LEVEL_SET, BOOK, token, side) for side in (Side.BUY, Side.SELL))
            self.coins[name] = Coin(slot, token, tick_bps, buy_tail, sell_tail)

    def list_window(self, slot: int, listing: Listing, seen_ns: int, out: NDArray[Any], start: int = 0) -> int:
        """Do as `list_market` for a window of Gamma's, and write MARKET_LISTED and its RULE_GIVEN rows."""
        self.list_market(slot, listing.condition_id, listing.up_token, listing.down_token, listing.tick_bps)
        self.listings[listing.condition_id] = listing
        self._windows[listing.asset, listing.open_ns] = slot
        rows = self._rows
        rows.aim(out, start)
        rows.write(
            Kind.MARKET_LISTED, Source.GAMMA, seen_ns, seen_ns, slot=slot, code=listing.asset, ref_id=listing.open_ns,
            span_s=listing.span_s, price_bps=listing.tick_bps, amount_micros=listing.min_micros,
        )  # fmt: skip
        for rule, value in listing.rules.items():
            rows.write(Kind.RULE_GIVEN, Source.GAMMA, seen_ns, seen_ns, slot=slot, code=rule, ref_id=value)
        return rows.end_frame()

    def unlist_market(self, slot: int) -> None:
        """Forget a slot's window, so that the slot can be given to another."""
        self.coins = {name: coin for name, coin in self.coins.items() if coin.slot != slot}
        for condition_id in [each for each, its in self.slots.items() if its == slot]:
            del self.slots[condition_id]
            self.listings.pop(condition_id, None)
        self._windows = {window: its for window, its in self._windows.items() if its != slot}
        self._told = {fact for fact in self._told if fact[1] != slot}

    # Connections.

    def connected(self, wire: Wire, seen_ns: int, out: NDArray[Any], start: int = 0) -> int:
        """Write FEED_CHANGED UP with a new generation: sequences begin anew, books wait for a snapshot."""
        self.generations[wire] = self.generations.get(wire, 0) + 1
        self._up.add(wire)
        if wire is Wire.POLYBOLT:
            self._seqs.clear()
        return self._feed_changed(wire, FeedState.UP, seen_ns, out, start)

    def disconnected(self, wire: Wire, seen_ns: int, out: NDArray[Any], start: int = 0) -> int:
        """Write FEED_CHANGED DOWN with the generation that ended; nothing while another wire speaks for the source."""
        self._up.discard(wire)
        if any(SOURCES[other] is SOURCES[wire] for other in self._up):
            return 0
        return self._feed_changed(wire, FeedState.DOWN, seen_ns, out, start)

    def _feed_changed(self, wire: Wire, state: FeedState, seen_ns: int, out: NDArray[Any], start: int) -> int:
        self._rows.aim(out, start)
        generation = self.generations.get(wire, 0)
        self._rows.write(Kind.FEED_CHANGED, SOURCES[wire], seen_ns, seen_ns, code=state, ref_id=generation)
        return self._rows.end_frame()

    # Frames.

    def decode(self, wire: Wire, raw: bytes, seen_ns: int, out: NDArray[Any], start: int = 0) -> int:
        """Write what a frame says into `out` from row `start` on.

        Args:
            wire: Whose frame it is.
            raw: The frame's bytes.
            seen_ns: When we saw it, by our clock.
            out: An array of `EVENT`.
            start: Row to begin at.

        Returns:
            Rows written: 0 for a frame that says nothing to the world, and for one that was refused (`last_refusal`).

        Raises:
            RowsFull: `out` is too short; nothing of the frame counts, so hand it in again with more room.
        """
        if wire == _MARKET and not self.carried and raw.endswith(QUICK_TAIL):
            count = self._decode_quick(raw, seen_ns, out, start)
            if count >= 0:
                return count
        return self._decode_any(wire, raw, seen_ns, out, start)

    def _decode_quick(self, raw: bytes, seen_ns: int, out: NDArray[Any], start: int) -> int:
        """Write the levels of a compact `price_change`; -1 hands the frame to the full way, which tells why."""
        rows = self._rows
        if out is not rows.array:
            rows.aim(out, start)
        buffer, coins = rows.buffer, self.coins
        first = offset = start * ROW_BYTES
        try:
            moves = _read_moves(raw)
            at_ns = moves.timestamp * NS_PER_MS
            if not 0 <= at_ns < AT_NS_MAX:
                return -1
            for move in moves.price_changes:
                coin = coins[move.asset_id]
                size = move.size
                if not 0.0 <= size <= SHARES_MAX:
                    return -1
                _pack_level(
                    buffer,
                    offset,
                    at_ns,
                    seen_ns,
                    round(size * 1e6),
                    LEVEL_BPS[move.price],
                    coin.slot,
                    coin.buy_tail if move.side == "BUY" else coin.sell_tail,
                )
                offset += ROW_BYTES
        except (*READ_ERRORS, KeyError, struct.error):
            return -1
        if offset == first:
            return 0
        buffer[offset - FLAGS_FROM_END] = LAST_IN_FRAME
        return (offset - first) // ROW_BYTES

    def _decode_any(self, wire: Wire, raw: bytes, seen_ns: int, out: NDArray[Any], start: int) -> int:
        parsed = _READERS[wire](raw)
        if isinstance(parsed, Refused):
            self._refuse(wire, parsed)
            return 0
        for refused in parsed.refused:
            self._refuse(wire, refused)
        rows = self._rows
        rows.aim(out, start)
        desk = Desk(wire, seen_ns, rows, self.symbols, self.strangers)
        for message in parsed.messages:
            if isinstance(message, polybolt.Update):
                self._follow(message, desk)  # a gap is told even when the message that showed it is refused
            offset, count = rows.offset, rows.count
            try:
                self._tell(message, desk)
            except (Offbeat, struct.error) as error:
                rows.offset, rows.count = offset, count
                reason = error if isinstance(error, Offbeat) else Offbeat(f"a figure that no row can hold: {error}")
                self._refuse(wire, refusal(reason, type(message).__name__))
        return rows.end_frame()

    def _refuse(self, wire: Wire, refused: Refused) -> None:
        self.last_refusal = refused
        self.refusals.add(wire.name, refused.kind, refused.reason)

    def _tell(self, message: Any, desk: Desk) -> None:
        way = WAYS.get(type(message))
        if way is not None:
            way(message, desk)
        elif isinstance(message, market.PriceChange):
            self._price_change(message, desk)
        elif isinstance(message, market.Book):
            self._book(message, desk)
        elif isinstance(message, market.LastTradePrice | market.TickSizeChange | market.BestBidAsk):
            self._token_news(message, desk)
        elif isinstance(message, market.MarketResolved):
            self._resolved(message, desk)
        elif isinstance(message, gamma.Market | gamma.Event | gamma.Page):
            for pair in gamma.windows_in(message):
                self._window(*pair, desk)
        elif isinstance(message, clob_rest.ShortMarket):
            self._rules(message, desk)

    # The market channel.

    def _coin(self, asset_id: str, desk: Desk) -> Coin | None:
        coin = self.coins.get(asset_id)
        if coin is None:
            self.strangers.add(desk.wire.name, "token not listed", asset_id[:80])
        return coin

    def _price_change(self, message: market.PriceChange, desk: Desk) -> None:
        at_ns = at_ns_of(message.timestamp, NS_PER_MS)
        last: dict[str, market.Change] = {}
        for change in message.price_changes:
            if (coin := self._coin(change.asset_id, desk)) is not None:
                tail = coin.buy_tail if change.side == "BUY" else coin.sell_tail
                self._levels(coin, at_ns, tail, (change,), desk)
                last[change.asset_id] = change
        if self.carried:
            for change in last.values():
                if change.best_bid or change.best_ask:
                    self._touch(self.coins[change.asset_id], at_ns, change.best_bid, change.best_ask, desk)

    def _levels(self, coin: Coin, at_ns: int, tail: int, levels: Sequence[Resting], desk: Desk) -> None:
        """Write one LEVEL_SET for each level; the loop is as flat as it is because a snapshot has a hundred of them."""
        rows = desk.rows
        buffer, offset, seen_ns, slot = rows.buffer, rows.offset, desk.seen_ns, coin.slot
        if offset + len(levels) * ROW_BYTES > rows.room:
            raise RowsFull
        for level in levels:
            size = level.size
            if not 0.0 <= size <= SHARES_MAX:
                micros_of(size)
            try:
                bps = LEVEL_BPS[level.price]
            except KeyError:
                bps = bps_of(level.price)
            _pack_level(buffer, offset, at_ns, seen_ns, round(size * 1e6), bps, slot, tail)
            offset += ROW_BYTES
        rows.count += len(levels)
        rows.offset = offset

    def _touch(self, coin: Coin, at_ns: int, bid: str, ask: str, desk: Desk) -> None:
        desk.rows.write(
            Kind.TOUCH_CARRIED, BOOK, at_ns, desk.seen_ns,
            slot=coin.slot, token=coin.token, price_bps=touch_bps_of(bid), span_s=touch_bps_of(ask),
        )  # fmt: skip

    def _book(self, message: market.Book, desk: Desk) -> None:
        coin = self._coin(message.asset_id, desk)
        if coin is None:
            return
        at_ns = at_ns_of(message.timestamp, NS_PER_MS)
        if message.tick_size is not None and (tick_bps := tick_bps_of(message.tick_size)) != coin.tick_bps:
            self._tick(coin, at_ns, tick_bps, desk)
        desk.rows.write(Kind.BOOK_CLEARED, BOOK, at_ns, desk.seen_ns, slot=coin.slot, token=coin.token)
        self._levels(coin, at_ns, coin.buy_tail, message.bids, desk)
        self._levels(coin, at_ns, coin.sell_tail, message.asks, desk)

    def _tick(self, coin: Coin, at_ns: int, tick_bps: int, desk: Desk) -> None:
        coin.tick_bps = tick_bps
        desk.rows.write(
            Kind.TICK_CHANGED, BOOK, at_ns, desk.seen_ns, slot=coin.slot, token=coin.token, price_bps=tick_bps
        )

    def _token_news(
        self, message: market.LastTradePrice | market.TickSizeChange | market.BestBidAsk, desk: Desk
    ) -> None:
        coin = self._coin(message.asset_id, desk)
        if coin is None:
            return
        at_ns = at_ns_of(message.timestamp, NS_PER_MS)
        if isinstance(message, market.TickSizeChange):
            self._tick(coin, at_ns, tick_bps_of(message.new_tick_size), desk)
        elif isinstance(message, market.BestBidAsk):
            if self.carried:
                self._touch(coin, at_ns, message.best_bid, message.best_ask, desk)
        else:
            desk.rows.write(
                Kind.TRADE_SEEN, BOOK, at_ns, desk.seen_ns, slot=coin.slot, token=coin.token,
                side=_SIDES[message.side], price_bps=bps_of(message.price), amount_micros=micros_of(message.size),
            )  # fmt: skip

    def _resolved(self, message: market.MarketResolved, desk: Desk) -> None:
        slot = self.slots.get(message.market)
        winner = self.coins.get(message.winning_asset_id)
        if slot is None:
            self.strangers.add(desk.wire.name, "market not listed", "")
            return
        if winner is None or winner.slot != slot:
            offbeat("the winner is no token of that market")
        at_ns = at_ns_of(message.timestamp, NS_PER_MS)
        desk.rows.write(Kind.SETTLED, BOOK, at_ns, desk.seen_ns, slot=slot, code=winner.token)

    # The catalogue.

    def _window(self, its: gamma.Market, event: gamma.Event | None, desk: Desk) -> None:
        slot = self.slots.get(its.condition_id)
        if slot is None:
            self.strangers.add(desk.wire.name, "market not listed", "")
            return
        listing = listing_of(its, event)
        if isinstance(listing, Refused):
            offbeat(listing.reason)
        for name, token in ((listing.up_token, Token.UP), (listing.down_token, Token.DOWN)):
            if (coin := self.coins.get(name)) is None or coin.token is not token or coin.slot != slot:
                offbeat("the tokens are not those that the market was listed with")
        self.listings[listing.condition_id] = listing
        self._strike(slot, listing.open_ns, listing.price_to_beat_usd, desk)
        # What one window ends with, the next has to beat: the same number in every sample (venue reference 2.5).
        following = self._windows.get((listing.asset, listing.close_ns))
        if following is not None:
            self._strike(following, listing.close_ns, listing.final_price_usd, desk)
        if listing.outcome is not None and self._is_news(Kind.SETTLED, slot, listing.final_price_usd):
            desk.rows.write(
                Kind.SETTLED, Source.GAMMA, listing.closed_ns or desk.seen_ns, desk.seen_ns,
                slot=slot, code=listing.outcome, value_usd=listing.final_price_usd,
            )  # fmt: skip

    def _rules(self, short: clob_rest.ShortMarket, desk: Desk) -> None:
        slot = self.slots.get(short.condition_id)
        if slot is None:
            self.strangers.add(desk.wire.name, "market not listed", "")
            return
        for rule, value in rules_of_short(short).items():
            desk.rows.write(
                Kind.RULE_GIVEN, SOURCES[desk.wire], desk.seen_ns, desk.seen_ns, slot=slot, code=rule, ref_id=value
            )

    def _strike(self, slot: int, open_ns: int, usd: float, desk: Desk) -> None:
        if usd and self._is_news(Kind.STRIKE_SEEN, slot, usd):
            desk.rows.write(
                Kind.STRIKE_SEEN, Source.GAMMA, open_ns, desk.seen_ns,
                slot=slot, value_usd=usd, code=StrikeSource.VENUE,
            )  # fmt: skip

    def _is_news(self, kind: Kind, slot: int, usd: float) -> bool:
        """Say whether a polled fact is new; the catalogue repeats it with every answer."""
        fact = (kind, slot, usd)
        known = fact in self._told
        self._told.add(fact)
        return not known

    # Numbered channels.

    def _follow(self, message: polybolt.Update, desk: Desk) -> None:
        key = f"{message.channel} {message.payload.symbol} {message.payload.window_seconds}"
        before = self._seqs.get(message.channel)
        self._seqs[message.channel] = message.seq
        if message.dropped > 0 or (before is not None and message.seq != before + 1):
            self.strangers.add(desk.wire.name, "gap in the sequence", key[:80])
            source = Source.PYTH if message.payload.source == "pyth" else Source.CHAINLINK
            desk.rows.write(
                Kind.FEED_CHANGED, source, at_ns_of(message.ts, NS_PER_MS), desk.seen_ns,
                code=FeedState.GAP, ref_id=self.generations.get(desk.wire, 0),
            )  # fmt: skip
