"""The record of a session: its journal played once, and played on as it grows."""

from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graph.mandates import write_line
from infra.journal.reader import read_title_of
from infra.plain_memory import slug_of
from infra.record.playback import Playback
from infra.record.record import MARKOUT_S, SIDES, Fill, Missing, Order, ParamsInForce, Record, Trades, Window
from infra.terminal.order_story import steps_of, told_step
from state.desk import Decision, DecisionLine
from state.events import Kind, Side, Token, Word
from state.orders import Act, Liquidity, OrderState, Reject
from state.params import default_params, difference
from state.reasons import WORDS, Reason
from state.records import layout, one
from state.units import BPS, NS_PER_S

Rows = NDArray[Any]

KEPT: Final = 50_000
"""Decisions that are kept whole, some 100 MB; of older ones the line is left."""
_MACHINES: Final = frozenset({"session", "mark", "hash"})
"""Notes for machines begin with one of these."""


def session_record(folder: Path) -> Record:
    """Open a session's journal and play it to where it is written.

    Raises:
        JournalForeign, JournalMissing, JournalDamaged: it cannot be played by this code.
    """
    return _Listener(folder).record


class _Listener:
    """Hears a playback and fills a record."""

    def __init__(self, folder: Path) -> None:
        self.playback = Playback(folder, self)
        first, about = self.playback.first, self.playback.first["about"]
        title = read_title_of(folder)
        self._whole: dict[int, bytes] = {}
        self._fresh: list[Any] = []
        self._trades: dict[str, list[Rows]] = {}
        self._stories: dict[int, list[str]] = {}
        """By order; the steps of all orders of one row are told when the first of them is."""
        self._steps = 0
        """Steps of orders that have been told."""
        self.record = Record(
            folder=folder, name=folder.name, mode=str(about.get("mode", "?")), code=title.code,
            cash_micros=int(first["cash_micros"]), whole=self.whole, trades=self.trades, refresh=self.refresh,
            params=[ParamsInForce(0, default_params(first["params"]), ())],
        )  # fmt: skip
        self.refresh()

    def refresh(self) -> int:
        """Play on."""
        rows = self.playback.refresh()
        if self._fresh:
            self.record.add_lines(np.concatenate([each.reshape(1) for each in self._fresh]))
            self._fresh = []
        return rows

    def whole(self, number: int) -> Any | Missing:
        """Give a decision whole."""
        packed = self._whole.get(number)
        if packed is None:
            return Missing(f"decision {number} is too old to be kept whole: the last {KEPT:,} are")
        return np.frombuffer(bytearray(packed), layout(Decision))[0]

    def trades(self, slug: str) -> Trades | Missing:
        """Give a window's trades."""
        pages = self._trades.get(slug)
        if not pages:
            return Missing(f"no trade was heard of in {slug}")
        return trades_of(np.concatenate(pages))

    # What is heard.

    def rows(self, events: Rows) -> None:
        """Keep the trades and the time."""
        self.record.now_ns = max(self.record.now_ns, int(events["seen_ns"][-1]))
        sold = events[events["kind_code"] == Kind.TRADE_SEEN]
        for slot in np.unique(sold["slot_id"]).tolist():
            self._trades.setdefault(self._slug(slot), []).append(sold[sold["slot_id"] == slot])

    def decided(self, seq: int, decision: Any, seen_ns: int) -> None:
        """Keep a decision, whole and in a line."""
        del seq
        mandate, market = decision["mandate"], decision["market"]
        number = int(mandate["mandate_id"])
        line: Any = one(DecisionLine)
        write_line(decision.market, decision.mandate, int(decision["alpha"]["side_code"]), line)
        line.open_s = int(market["open_ns"]) // NS_PER_S
        self._fresh.append(np.asarray(line))
        self._whole[number] = decision.tobytes()
        if len(self._whole) > KEPT:
            self._whole.pop(next(iter(self._whole)))
        self.record.view = market
        self.record.now_ns = max(self.record.now_ns, seen_ns)
        self.record.assets[int(market["slot_id"]), int(line.open_s)] = int(market["asset_code"])
        self._window(int(market["slot_id"]))

    def commanded(self, command: Any) -> None:
        """Keep an order."""
        if int(command["act_code"]) == Act.PLACE:
            slug = self._slug(int(command["slot_id"]))
            order = order_of(command, slug)
            order.story = self._stories.setdefault(order.number, order.story)
            self.record.add_order(order)
        self._tell_steps()

    def told(self, event: Any) -> None:
        """Keep what became of an order, and an operator's word."""
        kind = int(event["kind_code"])
        if kind == Kind.OPERATOR_SAID:
            code = int(event["code_id"])
            word = Word(code).name.lower().replace("_", " ") if code in set(Word) else f"word {code}"
            self.record.words.append((int(event["seen_ns"]), word))
            return
        self._tell_steps()
        order = self.record.orders.get(int(event["ref_id"]))
        if order is None:
            return
        fill = follow(order, event)
        if fill is not None:
            slot = int(event["slot_id"])
            for seconds in MARKOUT_S:
                self.playback.later(fill.at_ns + seconds * NS_PER_S, partial(self._mark, fill, seconds, slot, order))

    def _mark(self, fill: Fill, seconds: int, slot: int, order: Order) -> None:
        market = self.playback.core.worlds["markets"][0][slot]
        bid, ask = (int(each) for each in market["touch_bps"])
        if bid >= 0 and ask >= 0 and slug_of(market) == order.window:
            middle = (bid + ask) / 2.0
            worth = middle if fill.token == Token.UP.name else BPS - middle
            fill.markouts_bps[seconds] = worth - fill.price_bps

    def settled(self, event: Any, market: Any) -> None:
        """Keep how a window ended."""
        self.record.now_ns = max(self.record.now_ns, int(event["seen_ns"]))
        self._tell_steps()
        window = self._window(int(event["slot_id"]))
        if window is None:
            return
        position = market["position"]
        window.outcome = SIDES.get(int(market["outcome_code"]), "")
        window.strike_usd, window.final_usd = float(market["strike_usd"]), float(market["final_usd"])
        window.up_micros, window.down_micros = int(position["up_micros"]), int(position["down_micros"])
        window.spent_micros, window.fees_micros = int(position["spent_micros"]), int(position["fees_micros"])
        window.realised_micros, window.fills_count = int(position["realized_micros"]), int(position["fills_count"])

    def changed(self, params: Any, seen_ns: int) -> None:
        """Keep other parameters."""
        before = self.record.params[-1].params
        self.record.params.append(ParamsInForce(seen_ns, params.copy(), difference(before, params)))

    def noted(self, note: dict[str, Any], seen_ns: int) -> None:
        """Keep a note that is for people, and of the session's pulse the last."""
        if "pulse" in note:
            self.record.pulse = note["pulse"]
        elif not _MACHINES.intersection(note):
            self.record.notes.append((seen_ns, note))

    def _tell_steps(self) -> None:
        """Tell the steps that orders have made since the last look, each to its own order."""
        worlds = self.playback.core.worlds
        fresh = int(worlds["steps_count"][0]) - self._steps
        if fresh <= 0:
            return
        self._steps += fresh
        for step in steps_of(worlds)[-fresh:]:
            self._stories.setdefault(int(step["order_id"]), []).append(told_step(step))

    def _slug(self, slot: int) -> str:
        market = self.playback.core.worlds["markets"][0][slot]
        return slug_of(market)

    def _window(self, slot: int) -> Window | None:
        market = self.playback.core.worlds["markets"][0][slot]
        if not int(market["open_ns"]):
            return None
        slug = slug_of(market)
        window = self.record.windows.get(slug)
        if window is None:
            window = self.record.windows[slug] = Window(slug, int(market["open_ns"]), int(market["close_ns"]))
        if not window.outcome:
            position = market["position"]
            window.strike_usd = float(market["strike_usd"])
            window.up_micros, window.down_micros = int(position["up_micros"]), int(position["down_micros"])
            window.spent_micros, window.fees_micros = int(position["spent_micros"]), int(position["fees_micros"])
            window.fills_count = int(position["fills_count"])
        return window


def order_of(command: Any, window: str) -> Order:
    """Give the order that a PLACE command became."""
    code = int(command["reason_code"])
    return Order(
        number=int(command["order_id"]), decision=int(command["mandate_id"]), window=window,
        at_ns=int(command["at_ns"]), token=SIDES[int(command["token_code"])], price_bps=int(command["price_bps"]),
        shares_micros=int(command["amount_micros"]), way="quote" if command["post_only"] else "take",
        reason=WORDS[Reason(code)] if code in set(Reason) else f"reason {code}",
        edge_bps=float(command["edge_bps"]), p_up=float(command["p_up"]),
    )  # fmt: skip


def follow(order: Order, event: Any) -> Fill | None:
    """Let an order follow what was told of it; gives the fill, when it was one."""
    kind, amount = int(event["kind_code"]), int(event["amount_micros"])
    if kind == Kind.ORDER_CHANGED:
        code, reject = int(event["code_id"]), int(event["flags_mask"])
        order.state = OrderState(code).name.lower() if code in set(OrderState) else f"state {code}"
        if reject and reject in set(Reject):
            order.why_ended = Reject(reject).name.lower().replace("_", " ")
    elif kind == Kind.FEE_CHARGED:
        order.fees_micros += amount
    elif kind == Kind.FILLED:
        token = SIDES[int(event["token_code"])]
        is_maker = int(event["code_id"]) == Liquidity.MAKER
        fill = Fill(int(event["seen_ns"]), token, int(event["price_bps"]), amount, is_maker)
        order.fills.append(fill)
        return fill
    elif kind == Kind.FILL_REVERSED:
        _reverse(order, int(event["price_bps"]), amount)
    return None


def _reverse(order: Order, price_bps: int, amount_micros: int) -> None:
    """Take back the fill that fits: a failed trade is told with the price and the shares that it had."""
    for fill in order.fills:
        if not fill.is_reversed and fill.price_bps == price_bps and fill.shares_micros == amount_micros:
            fill.is_reversed = True
            return


def trades_of(rows: Rows) -> Trades:
    """Give TRADE_SEEN rows as columns."""
    return Trades(
        rows["seen_ns"].astype(np.int64), rows["token_code"].astype(np.int64), rows["side_code"] == Side.SELL,
        rows["price_bps"].astype(np.int64), rows["amount_micros"].astype(np.int64),
    )  # fmt: skip
