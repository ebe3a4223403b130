"""Tell the core a story by hand and write down, line by line, what it did: a world, a desk on call, and a clock."""

from typing import Any

from desk_views import DOLLAR, OPEN_NS, SHARE

from graph.fast import decide
from graph.heart import receive, receive_mandate
from graph.mandates import number_mandate
from graph.views import take_view
from graph.worlds import new_world
from state.desk import Decision, Mandate
from state.events import LAST_IN_FRAME, Event, FeedState, Kind, Side, Source, StrikeSource, Token, Word
from state.orders import ORDERS, Act, Command, Liquidity, OrderState, Reject, TimeInForce
from state.params import default_params
from state.reasons import Reason
from state.records import one, rows
from state.rulebook import REGISTRY
from state.units import NS_PER_S
from state.world import Phase

__all__ = [
    "DOLLAR", "OPEN_NS", "SHARE", "FeedState", "Kind", "Liquidity", "OrderState", "Phase", "Reason", "Reject", "Side",
    "Story",    "StrikeSource", "Token", "Word",
]  # fmt: skip

CASH = 100_000 * DOLLAR


class Story:
    """One world and its desk; `lines` is what happened, in words. The second counts from the window's open."""

    def __init__(self, **params: float) -> None:
        self.world: Any = new_world(default_params(params), CASH)
        self.commands: Any = rows(Command, 64)
        self.lines: list[str] = []
        self.asked: list[int] = []
        self.sent: list[Any] = []
        self.answers = True
        """Whether the desk runs when the core asks for it, its mandate standing at once."""

    def tell(self, second: float, kind: Kind, slot: int = 0, source: Source = Source.GAMMA, **columns: Any) -> int:
        event: Any = one(Event)
        event.kind_code = kind
        event.source_code = source
        event.slot_id = slot
        event.at_ns = event.seen_ns = OPEN_NS + round(second * 1_000) * (NS_PER_S // 1_000)
        event.flags_mask = LAST_IN_FRAME
        for name, value in columns.items():
            event[name] = value
        return self._heard(receive(self.world, event, REGISTRY, self.commands))

    def list_market(self, slot: int = 0, opens_s: int = 0, asset: int = 0, second: float = -200.0) -> None:
        begins = OPEN_NS + opens_s * NS_PER_S
        self.tell(
            second, Kind.MARKET_LISTED, slot, code_id=asset, ref_id=begins, span_s=300, price_bps=100,
            amount_micros=5 * SHARE,
        )  # fmt: skip

    def price(self, second: float, usd: float, asset: int = 0, source: Source = Source.CHAINLINK) -> int:
        return self.tell(second, Kind.PRICE_SEEN, 0, source, code_id=asset, value_usd=usd, other_usd=usd)

    def prices(self, first_s: int, last_s: int, usd: float, step_usd: float = 20.0, asset: int = 0) -> None:
        """A price a second that goes to and fro by a step, so that there is a volatility."""
        for second in range(first_s, last_s):
            self.price(second, usd + step_usd * (second % 2), asset)

    def book(self, second: float, bid: int, ask: int, shares: int = 6_000, slot: int = 0) -> int:
        """A whole new book of UP with three levels a side; DOWN's is empty, for its mirror says the same."""
        for token in (Token.DOWN, Token.UP):
            self.tell(second, Kind.BOOK_CLEARED, slot, Source.POLYMARKET_BOOK, token_code=token, flags_mask=0)
        count = 0
        for depth in (2, 1, 0):
            for side, price in ((Side.BUY, bid - 100 * depth), (Side.SELL, ask + 100 * depth)):
                last = LAST_IN_FRAME if depth == 0 and side == Side.SELL else 0
                count = self.tell(
                    second, Kind.LEVEL_SET, slot, Source.POLYMARKET_BOOK, side_code=side, price_bps=price,
                    amount_micros=shares * SHARE, flags_mask=last,
                )  # fmt: skip
        return count

    def level(self, second: float, side: Side, price: int, shares: int, slot: int = 0) -> int:
        columns = {"side_code": side, "price_bps": price, "amount_micros": shares * SHARE}
        return self.tell(second, Kind.LEVEL_SET, slot, Source.POLYMARKET_BOOK, **columns)

    def trade(self, second: float, side: Side, price: int, shares: float, slot: int = 0) -> int:
        """A taker's trade in UP's book: a sale meets the bids."""
        columns = {"side_code": side, "price_bps": price, "amount_micros": round(shares * SHARE)}
        return self.tell(second, Kind.TRADE_SEEN, slot, Source.POLYMARKET_BOOK, **columns)

    def strike(self, second: float, usd: float, slot: int = 0, source: StrikeSource = StrikeSource.STREAM) -> int:
        return self.tell(second, Kind.STRIKE_SEEN, slot, value_usd=usd, code_id=source)

    def fill(self, second: float, order: Any, shares: float, liquidity: Liquidity = Liquidity.TAKER) -> int:
        return self._of_order(second, Kind.FILLED, order, round(shares * SHARE), code_id=liquidity)

    def reverse(self, second: float, order: Any, shares: float) -> int:
        return self._of_order(second, Kind.FILL_REVERSED, order, round(shares * SHARE))

    def _of_order(self, second: float, kind: Kind, order: Any, micros: int, **columns: Any) -> int:
        return self.tell(
            second, kind, int(order.slot_id), Source.POLYMARKET_USER, ref_id=int(order.order_id), amount_micros=micros,
            price_bps=int(order.price_bps), token_code=int(order.token_code), **columns,
        )  # fmt: skip

    def fee(self, second: float, order: Any, micros: int) -> int:
        columns = {"ref_id": int(order.order_id), "amount_micros": micros}
        return self.tell(second, Kind.FEE_CHARGED, int(order.slot_id), Source.POLYMARKET_USER, **columns)

    def becomes(self, second: float, order: Any, state: int, why: Reject = Reject.NONE) -> int:
        slot, columns = int(order.slot_id), {"ref_id": int(order.order_id), "code_id": state, "flags_mask": why}
        return self.tell(second, Kind.ORDER_CHANGED, slot, Source.POLYMARKET_USER, **columns)

    def merged(self, second: float, merge_id: int, shares: float, why: Reject = Reject.NONE, slot: int = 0) -> int:
        columns = {"ref_id": merge_id, "amount_micros": round(shares * SHARE), "flags_mask": why}
        return self.tell(second, Kind.MERGED, slot, Source.OURSELVES, **columns)

    def settle(self, second: float, outcome: Token, usd: float = 0.0, slot: int = 0) -> int:
        return self.tell(second, Kind.SETTLED, slot, code_id=outcome, value_usd=usd)

    def say(self, second: float, word: Word, limit_micros: int = 0) -> int:
        return self.tell(second, Kind.OPERATOR_SAID, 0, Source.OPERATOR, code_id=word, ref_id=limit_micros)

    def give(self, mandate: Any, second: float | None = None) -> int:
        at = int(self.world.now_ns) if second is None else OPEN_NS + round(second * NS_PER_S)
        return self._heard(receive_mandate(self.world, mandate, at, self.commands))

    def desk(self, slot: int = 0) -> Any:
        """Run the desk on a market as it is now and give its numbered mandate."""
        decision: Any = one(Decision)
        take_view(self.world, slot, decision.market)
        decide(self.world.params, decision)
        number_mandate(self.world, decision.market, decision.mandate)
        return decision.mandate

    @property
    def clock(self) -> str:
        return f"{(int(self.world.now_ns) - OPEN_NS) / NS_PER_S:g} s"

    def note(self, text: str) -> None:
        self.lines.append(f"{self.clock}: {text}")

    def state(self, order: Any) -> OrderState:
        """The state of one order in the core's table; NONE when it stands there no more."""
        rows = [self.world.orders[row] for row in range(ORDERS)]
        found = [row.state_code for row in rows if row.order_id == order.order_id]
        return OrderState(int(found[0])) if found else OrderState.NONE

    def placed(self) -> list[Any]:
        return [command for command in self.sent if command.act_code == Act.PLACE]

    def market(self, slot: int = 0) -> Any:
        return self.world.markets[slot]

    def cost_micros(self) -> int:
        return sum(int(row.position.spent_micros) + int(row.position.fees_micros) for row in self.world.markets)

    def _heard(self, count: int) -> int:
        commands = [command for command in self.commands[:count].copy()]
        for command in commands:
            self._do(command)
        return count

    def _do(self, command: Any) -> None:
        slot = int(command.slot_id)
        if command.act_code == Act.ASK:
            self.asked.append(slot)
            if self.answers:
                mandate = self.desk(slot)
                self.note(told(mandate))
                self.give(mandate)
            return
        self.sent.append(command)
        if command.act_code == Act.MERGE:
            self.note(f"merge {command.amount_micros / SHARE:g} complete sets, {Reason(command.reason_code).name}")
            return
        what = "place" if command.act_code == Act.PLACE else "cancel"
        how = f" {TimeInForce(command.tif_code).name}" if what == "place" else ""
        self.note(
            f"{what} order {command.order_id}: {command.amount_micros / SHARE:g} {Token(command.token_code).name} at "
            f"{command.price_bps / 10_000:.2f}{how}, {Reason(command.reason_code).name}"
        )


def told(mandate: Mandate) -> str:
    reason = Reason(mandate.reason_code)
    if reason is not Reason.NONE:
        return f"desk stands aside: {reason.name}"
    names = {0: "-", 1: "UP", 2: "DOWN", 3: "both"}
    leaving = f", exit by {names[int(mandate.exit_mask)]}" if mandate.exit_mask else ""
    why = f" only, {Reason(mandate.reduce_code).name}" if mandate.reduce_code else ""
    return f"desk allows take {names[int(mandate.take_mask)]}, quote {names[int(mandate.quote_mask)]}{leaving}{why}"


def trading(**params: float) -> Story:
    """A story that has come to the window's 30th second: strike at 100,000, book at 49/51, a desk that stands aside."""
    story = Story(**params)
    story.list_market()
    story.prices(-120, 0, 99_990.0)
    story.strike(1, 100_000.0)
    story.prices(1, 30, 99_990.0)
    story.book(29.9, 4_900, 5_100)
    return story
