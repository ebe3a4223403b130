"""Play events through the whole desk, fused: hot loop, desk runs with their delay, and the matching model as the venue.

Two cursors walk the same rows: the venue's by when things happened, the desk's by when it saw them, so that an order
meets the book as it then is and not as the desk last saw it.
"""

from typing import Any, Final

from numpy.typing import NDArray

from graph.fast import decide
from graph.heart import receive, receive_mandate
from graph.mandates import number_mandate, write_line
from graph.views import take_view
from state.compiled import compiled
from state.desk import DecisionLine
from state.events import Event, Kind
from state.exchange import NEVER_NS, Exchange
from state.orders import Act, Command
from state.records import Rows
from state.session import OUTBOX, Session, WindowLine
from state.units import NS_PER_S
from state.world import SLOTS, World
from tools.exchange import run_until, submit
from tools.parcels import poll

ROOM: Final = 256
"""Free rows that every ledger must have before another event is played."""


@compiled
def play(
    session: Session,
    world: World,
    exchange: Exchange,
    events: NDArray[Any],
    horizon_ns: int,
    rulebook: NDArray[Any],
    commands: Rows[Command],
    outbox: Rows[Event],
    lines: Rows[DecisionLine],
    orders: Rows[Command],
    messages: Rows[Event],
    windows: Rows[WindowLine],
) -> bool:
    """Play on from the session's cursors; stop at the end of the rows or when a ledger is nearly full.

    Args:
        session: cursors and the desk; changed in place.
        world: the core's memory; changed in place.
        exchange: the venue; changed in place.
        events: rows in the order they were seen.
        horizon_ns: how far the venue may look: the time of the last of these rows that is the market's, for a later row
            may tell what happened after it; `NEVER_NS` when no rows follow. So no cut of the stream changes a run.
        rulebook: dated rules.
        commands: scratch for one event's commands.
        outbox: scratch for the venue's messages.
        lines: ledger of desk runs.
        orders: ledger of commands sent.
        messages: ledger of what the venue answered.
        windows: ledger of settled windows.

    Returns whether a ledger is nearly full: empty them and call again.
    """
    count = len(events)
    while True:
        if _is_full(session, len(lines), len(orders), len(messages), len(windows)):
            return True
        at_end = session.desk_cursor_id >= count
        if at_end and horizon_ns != NEVER_NS:
            return False
        limit = NEVER_NS - 1 if at_end else int(events[session.desk_cursor_id].seen_ns)
        stop = min(limit, int(session.next_due_ns))
        if stop >= horizon_ns:
            return False
        session.venue_cursor_id = run_until(exchange, events, session.venue_cursor_id, stop)
        if exchange.next_parcel_ns <= stop:
            _hear(session, world, exchange, rulebook, commands, outbox, lines, orders, messages)
        elif session.next_due_ns <= limit:
            _deliver(session, world, exchange, commands, lines, orders)
        elif at_end:
            return False
        else:
            event = events[session.desk_cursor_id]
            session.desk_cursor_id += 1
            written = receive(world, event, rulebook, commands)
            if written > 0:
                _do(session, world, exchange, commands, written, lines, orders)
            if event.kind_code == Kind.SETTLED:
                _close_line(session, world, event, windows)


@compiled
def _is_full(session: Session, lines: int, orders: int, messages: int, windows: int) -> bool:
    return (
        session.lines_count + ROOM > lines
        or session.commands_count + ROOM > orders
        or session.messages_count + ROOM > messages
        or session.windows_count + ROOM > windows
    )


@compiled
def _hear(
    session: Session,
    world: World,
    exchange: Exchange,
    rulebook: NDArray[Any],
    commands: Rows[Command],
    outbox: Rows[Event],
    lines: Rows[DecisionLine],
    orders: Rows[Command],
    messages: Rows[Event],
) -> None:
    """Take in what the venue says, each message at its own time."""
    count = poll(exchange, int(exchange.next_parcel_ns), outbox, OUTBOX)
    for row in range(count):
        messages[session.messages_count] = outbox[row]
        session.messages_count += 1
        written = receive(world, outbox[row], rulebook, commands)
        _do(session, world, exchange, commands, written, lines, orders)


@compiled
def _deliver(
    session: Session,
    world: World,
    exchange: Exchange,
    commands: Rows[Command],
    lines: Rows[DecisionLine],
    orders: Rows[Command],
) -> None:
    """Hand the mandate that is due first to the core."""
    due = int(session.next_due_ns)
    for slot in range(SLOTS):
        if session.due_ns[slot] != due:
            continue
        session.due_ns[slot] = 0
        _plan(session)
        written = receive_mandate(world, session.waiting[slot], due, commands)
        _do(session, world, exchange, commands, written, lines, orders)
        return


@compiled
def _plan(session: Session) -> None:
    session.next_due_ns = NEVER_NS
    for slot in range(SLOTS):
        if session.due_ns[slot] != 0 and session.due_ns[slot] < session.next_due_ns:
            session.next_due_ns = session.due_ns[slot]


@compiled
def _do(
    session: Session,
    world: World,
    exchange: Exchange,
    commands: Rows[Command],
    count: int,
    lines: Rows[DecisionLine],
    orders: Rows[Command],
) -> None:
    """Do what the core wants: run the desk where it asks, send the rest to the venue."""
    for row in range(count):
        command = commands[row]
        if command.act_code == Act.ASK:
            run_desk(session, world, int(command.slot_id), lines)
            continue
        orders[session.commands_count] = command
        session.commands_count += 1
        if submit(exchange, command, world.now_ns) != 0:
            session.dropped_count += 1


@compiled
def run_desk(session: Session, world: World, slot: int, lines: Rows[DecisionLine]) -> None:
    """Run the desk on one market as it is now; its mandate is on its way for as long as a run takes."""
    session.decision = session.blank
    decision = session.decision
    take_view(world, slot, decision.market)
    decide(world.params, decision)
    mandate = decision.mandate
    number_mandate(world, decision.market, mandate)
    write_line(decision.market, mandate, int(decision.alpha.side_code), lines[session.lines_count])
    session.lines_count += 1
    session.runs_count += 1
    if mandate.mandate_id == session.wanted_mandate_id:
        session.wanted = decision
    session.waiting[slot] = mandate
    session.due_ns[slot] = world.now_ns + session.desk_delay_ns
    _plan(session)


@compiled
def _close_line(session: Session, world: World, event: Event, windows: Rows[WindowLine]) -> None:
    """Write a settled window's line."""
    if event.slot_id >= SLOTS:
        return
    market = world.markets[event.slot_id]
    line = windows[session.windows_count]
    session.windows_count += 1
    line.open_s = market.open_ns // NS_PER_S
    line.close_s = market.close_ns // NS_PER_S
    line.seen_ns = event.seen_ns
    line.strike_usd = market.strike_usd
    line.final_usd = market.final_usd
    line.strike_gap_bps = market.strike_gap_bps
    line.up_micros = market.position.up_micros
    line.down_micros = market.position.down_micros
    line.spent_micros = market.position.spent_micros
    line.fees_micros = market.position.fees_micros
    line.traded_micros = market.position.traded_micros
    line.fills_count = market.position.fills_count
    line.reversed_count = market.position.reversed_count
    line.realized_micros = market.position.realized_micros
    line.cash_micros = world.money.cash_micros
    line.samples_count = market.samples_count
    line.slot_id = event.slot_id
    line.asset_code = market.asset_code
    line.outcome_code = market.outcome_code
    line.settlement_code = market.rules.settlement_code
    line.strike_code = market.strike_code
    line.refused_code = market.rules.refused_code
