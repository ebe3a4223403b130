"""The record of a backtest run: its ledgers as they lie there, and its decisions made again when they are asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from evals.step import decision_at
from infra.plain_memory import window_slug
from infra.record.record import SIDES, Missing, ParamsInForce, Record, Trades, Window
from infra.record.session_record import follow, order_of, trades_of
from infra.runs import Run, read_ledgers, read_run, run_tape
from state.events import EVENT, Kind
from state.orders import Act
from state.units import NS_PER_S

MODE: Final = "backtest"


def run_record(folder: Path, progress: Callable[[int, int], None]) -> Record:
    """Open a run's folder.

    Raises:
        RunMissing, RunDamaged: there is none, or it cannot be read.
    """
    run = read_run(folder)
    ledgers = read_ledgers(run)
    remade = _Remade(run, progress)
    record = Record(
        folder=folder, name=run.title, mode=MODE, code=str(run.about["code"].get("commit", "")),
        cash_micros=int(run.about["terms"]["cash_micros"]), whole=remade.whole, trades=remade.trades,
        params=[ParamsInForce(0, run.params, ())],
    )  # fmt: skip
    slots: dict[int, list[Window]] = {}
    for line in ledgers["windows"]:
        window = _window(line)
        record.windows[window.slug] = window
        record.assets[int(line["slot_id"]), int(line["open_s"])] = int(line["asset_code"])
        slots.setdefault(int(line["slot_id"]), []).append(window)
    record.add_lines(ledgers["lines"])
    by_open = {int(line["mandate_id"]): line for line in ledgers["lines"]}
    for command in ledgers["orders"]:
        if int(command["act_code"]) == Act.PLACE and (line := by_open.get(int(command["mandate_id"]))) is not None:
            record.add_order(order_of(command, record.slug_of(line)))
    for event in ledgers["messages"]:
        order = record.orders.get(int(event["ref_id"]))
        if order is not None and int(event["kind_code"]) in _OF_ORDERS:
            follow(order, event)
    if len(ledgers["lines"]):
        record.now_ns = int(ledgers["lines"]["at_ns"][-1])
    remade.record = record
    return record


_OF_ORDERS: Final = (Kind.ORDER_CHANGED, Kind.FILLED, Kind.FEE_CHARGED, Kind.FILL_REVERSED)


def _window(line: Any) -> Window:
    open_ns, close_ns = int(line["open_s"]) * NS_PER_S, int(line["close_s"]) * NS_PER_S
    slug = window_slug(int(line["asset_code"]), open_ns, (close_ns - open_ns) // NS_PER_S)
    return Window(
        slug=slug, open_ns=open_ns, close_ns=close_ns, strike_usd=float(line["strike_usd"]),
        final_usd=float(line["final_usd"]), outcome=SIDES.get(int(line["outcome_code"]), ""),
        up_micros=int(line["up_micros"]), down_micros=int(line["down_micros"]),
        spent_micros=int(line["spent_micros"]), fees_micros=int(line["fees_micros"]),
        realised_micros=int(line["realized_micros"]), fills_count=int(line["fills_count"]),
    )  # fmt: skip


class _Remade:
    """What a run did not keep, made again from the rows that it was run over."""

    def __init__(self, run: Run, progress: Callable[[int, int], None]) -> None:
        self._run, self._progress = run, progress
        self._tape: Any = None
        self._kept: dict[int, Any] = {}
        self._trades: dict[str, Any] | None = None
        self.record: Record | None = None

    def _rows(self) -> Any:
        if self._tape is None:
            self._tape = run_tape(self._run, self._progress)
        return self._tape.chunks()

    def whole(self, number: int) -> Any | Missing:
        """Play the run again up to a decision; asked for twice it is there."""
        if number not in self._kept:
            found = decision_at(self._rows(), self._run.params, self._run.terms, number)
            if found is None:
                return Missing(f"decision {number} does not come again: `updown replay {self._run.folder}` says why")
            self._kept[number] = found[0]
        return self._kept[number]

    def trades(self, slug: str) -> Trades | Missing:
        """Give a window's trades; the rows are read through once, for all windows."""
        if self._trades is None:
            self._trades = self._read_trades()
        rows = self._trades.get(slug)
        return trades_of(rows) if rows is not None and len(rows) else Missing(f"no trades of {slug} are recorded")

    def _read_trades(self) -> dict[str, Any]:
        pages = [chunk[chunk["kind_code"] == Kind.TRADE_SEEN] for chunk in self._rows()]
        rows = np.concatenate(pages) if pages else np.zeros(0, EVENT)
        assert self.record is not None
        slots: dict[int, set[int]] = {}
        for slot, open_s in self.record.assets:
            slots.setdefault(open_s, set()).add(slot)
        found = {}
        for window in self.record.windows.values():
            mine = np.isin(rows["slot_id"], list(slots.get(window.open_ns // NS_PER_S, ())))
            inside = (rows["seen_ns"] >= window.open_ns) & (rows["seen_ns"] < window.close_ns)
            found[window.slug] = rows[mine & inside]
        return found
