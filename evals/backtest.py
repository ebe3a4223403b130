"""Backtest: feed rows through the whole desk and keep its ledgers, with a hash that proves two runs the same."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.play import play
from graph.worlds import new_world
from state.desk import DecisionLine
from state.events import EVENT, Event, Kind
from state.exchange import NEVER_NS, Exchange
from state.orders import COMMANDS, Command
from state.params import Params
from state.records import one, rows
from state.rulebook import REGISTRY
from state.session import OUTBOX, Session, WindowLine
from state.units import NS_PER_MS
from tools.exchange import open_exchange

LEDGER_ROWS: Final = 16_384

MARKET_KINDS: Final = tuple(int(kind) for kind in (Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.SETTLED, Kind.MARKET_LISTED))
"""Rows by which the venue's clock is known to have moved."""

DESK_DELAY_NS: Final = 10 * NS_PER_MS
"""What a run of the LangGraph desk is taken to cost: its measured median, rounded up (see `updown bench`)."""

Rows = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a run assumes beyond the parameters."""

    seed: int = 1
    """Seeds the venue's draws: latencies, losses, failures."""
    cash_micros: int = 100_000_000_000
    desk_delay_ns: int = DESK_DELAY_NS
    trades_known: bool = True
    """False for books without trade prints: maker fills are then inferred, and are illustrations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledgers:
    """Everything a run wrote down, as record arrays."""

    lines: Rows
    """Runs of the desk (`DecisionLine`)."""
    orders: Rows
    """Commands sent (`Command`)."""
    messages: Rows
    """What the venue answered (`Event`)."""
    windows: Rows
    """Settled windows (`WindowLine`)."""
    events_count: int
    run_hash: str
    world: Any
    exchange: Any
    params: Params
    terms: Terms = field(default_factory=Terms)


LEDGERS: Final = {"lines": DecisionLine, "orders": Command, "messages": Event, "windows": WindowLine}


class Backtest:
    """One run over rows that come in chunks: feed them in order, the last with `final`, then ask for the ledgers."""

    def __init__(self, params: Params, terms: Terms | None = None) -> None:
        """Begin with an empty world, a venue without markets, and empty ledgers."""
        self.terms = terms or Terms()
        self.params = params
        self.world: Any = new_world(params, self.terms.cash_micros)
        self.exchange: Any = one(Exchange)
        open_exchange(self.exchange, self.terms.seed, self.terms.cash_micros, REGISTRY)
        self.exchange.terms.trades_known = self.terms.trades_known
        self.session: Any = one(Session)
        self.session.next_due_ns = NEVER_NS
        self.session.desk_delay_ns = self.terms.desk_delay_ns
        self.events_count = 0
        self.kept: dict[str, list[Rows]] = {name: [] for name in LEDGERS}
        self._rest: Rows = np.zeros(0, EVENT)
        self._pages = {name: rows(record, LEDGER_ROWS) for name, record in LEDGERS.items()}
        self._commands = rows(Command, COMMANDS)
        self._outbox = rows(Event, OUTBOX)

    def feed(self, chunk: Rows, final: bool = False) -> None:
        """Play more rows; what the venue would need to look beyond is kept for the next call."""
        at = int(self.session.desk_cursor_id)
        held = np.concatenate([self._rest[at:], chunk]) if len(self._rest) > at else chunk
        self.session.venue_cursor_id -= at
        self.session.desk_cursor_id = 0
        self._rest = held
        self.events_count += len(chunk)
        horizon_ns = NEVER_NS if final else _horizon_ns(held)
        pages = self._pages
        more = True
        while more:
            more = play(
                self.session,
                self.world,
                self.exchange,
                held,
                horizon_ns,
                REGISTRY,
                self._commands,  # type: ignore[arg-type]
                self._outbox,  # type: ignore[arg-type]
                pages["lines"],  # type: ignore[arg-type]
                pages["orders"],  # type: ignore[arg-type]
                pages["messages"],  # type: ignore[arg-type]
                pages["windows"],  # type: ignore[arg-type]
            )
            self._keep()

    def _keep(self) -> None:
        session = self.session
        counts = {
            "lines": session.lines_count,
            "orders": session.commands_count,
            "messages": session.messages_count,
            "windows": session.windows_count,
        }
        for name, count in counts.items():
            if count:
                page = self._pages[name][: int(count)].copy()
                self.kept[name].append(page)
        session.lines_count = session.commands_count = session.messages_count = session.windows_count = 0

    def ledgers(self) -> Ledgers:
        """Give what was written down so far. The hash covers every row of every ledger, the world and the venue."""
        whole = {
            name: np.concatenate(self.kept[name]) if self.kept[name] else rows(record, 0)
            for name, record in LEDGERS.items()
        }
        return Ledgers(
            **whole,
            events_count=self.events_count,
            run_hash=run_hash(whole, self.world, self.exchange),
            world=self.world,
            exchange=self.exchange,
            params=self.params,
            terms=self.terms,
        )


def _horizon_ns(held: Rows) -> int:
    """Give the venue's time of the last row that is the market's: no later row can change what came before it there."""
    told = np.flatnonzero(np.isin(held["kind_code"], MARKET_KINDS))
    return int(held["at_ns"][told[-1]]) if len(told) else 0


def run_hash(ledgers: dict[str, Rows], world: Any, exchange: Any) -> str:
    """Hash every ledger's rows in a fixed order, then the world's and the venue's memory, to the last bit."""
    total = hashlib.sha256()
    for name in LEDGERS:
        total.update(hashlib.sha256(ledgers[name].tobytes()).digest())
    total.update(world.tobytes())
    total.update(exchange.tobytes())
    return total.hexdigest()


def run_backtest(chunks: Iterable[Rows], params: Params, terms: Terms | None = None) -> Ledgers:
    """Run the whole desk over rows in chunks and give its ledgers."""
    backtest = Backtest(params, terms)
    for chunk in chunks:
        backtest.feed(chunk)
    backtest.feed(np.zeros(0, EVENT), final=True)
    return backtest.ledgers()
