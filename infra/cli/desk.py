"""The commands `graph` and `step`: the desk as a picture, and one of its decisions stage by stage."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.cli.core import get_ready, hold_run
from infra.cli.failures import Misuse
from infra.cli.speech import AsJson, answer, progress, records, say, table


def graph(
    mermaid: Annotated[bool, typer.Option("--mermaid", help="The text that LangGraph draws itself by.")] = False,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Also as a picture; needs pygraphviz.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw the desk.

    Its stages, the agents side by side, and the gates with their way out.

    Example: updown graph --mermaid > desk.mmd
    """
    get_ready(whole=False)
    from graph.stages import AGENTS, STAGES

    if as_json or mermaid or png:
        from graph.desk import compile_desk

        drawn = compile_desk().get_graph()
        if png is not None:
            _write_png(drawn, png)
        if as_json:
            nodes = [
                {
                    "stage": s.name,
                    "reads": list(s.reads),
                    "writes": s.writes,
                    "gate": s.gate.name.lower(),
                    "agent": s.name in AGENTS,
                }
                for s in STAGES
            ]
            edges = [{"from": e.source, "to": e.target, "conditional": e.conditional} for e in drawn.edges]
            answer({"stages": nodes, "edges": edges, "mermaid": drawn.draw_mermaid(), "png": str(png) if png else None})
            return
        if mermaid:
            say(drawn.draw_mermaid().rstrip())
            return
    say("\n".join(picture()))


def _write_png(drawn: Any, file: Path) -> None:
    try:
        drawn.draw_png(str(file))
    except ImportError:
        raise Misuse(
            "a PNG needs pygraphviz (pip install pygraphviz); `updown graph --mermaid` draws without it"
        ) from None


def picture() -> list[str]:
    """Draw the desk from its stage table in lines of text: agents side by side, a way out behind every gate."""
    from graph.stages import AGENTS, STAGES
    from state.reasons import Gate

    boxes = [f"┤ {name} ├" for name in AGENTS]
    width = sum(len(box) for box in boxes) + 2 * (len(boxes) - 1)
    middle = width // 2
    lines = ["view of one market".center(width).rstrip(), "│".center(width).rstrip()]
    for stage in STAGES:
        if stage.name in AGENTS:
            if stage.name == AGENTS[0]:
                lines += _fan(boxes)
            continue
        name = f"[ {stage.name} ]"
        left = middle - len(name) // 2
        line = " " * left + name
        if stage.gate is not Gate.NONE:
            line = line.ljust(width + 2) + f"── gate {stage.gate.name.lower()} closed ──▶ stand aside"
        lines.append(line)
        if stage is not STAGES[-1] and stage is not STAGES[0]:
            lines.append(" " * middle + "│")
    lines += [" " * middle + "│", "mandate: what may trade, until when".center(width).rstrip()]
    return lines


def _fan(boxes: list[str]) -> list[str]:
    """Draw the agents' row between what fans out to them and what joins them again."""
    centres, at = [], 0
    for box in boxes:
        centres.append(at + len(box) // 2)
        at += len(box) + 2
    middle = (sum(len(box) for box in boxes) + 2 * (len(boxes) - 1)) // 2

    def rail(first: str, last: str, branch: str, trunk: str) -> str:
        line = [" "] * centres[0] + ["─"] * (centres[-1] - centres[0] + 1)
        for centre in centres:
            line[centre] = branch
        line[centres[0]], line[centres[-1]] = first, last
        line[middle] = "┼" if middle in centres else trunk
        return "".join(line)

    names = "  ".join(f"[ {box[2:-2]} ]" for box in boxes)
    return [" " * middle + "│", rail("┌", "┐", "┬", "┴"), names, rail("└", "┘", "┴", "┬"), " " * middle + "│"]


def step(
    decision: Annotated[int | None, typer.Argument(metavar="[DECISION]", help="Its mandate's number.")] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="RUN_DIR", help="The run; the newest in var/ if not said.")
    ] = None,
    at_once: Annotated[bool, typer.Option("--all", help="Every stage at once, without waiting for Enter.")] = False,
    as_json: AsJson = False,
) -> None:
    """Step through one decision, stage by stage.

    What each stage read, what it wrote, and why. The run is played again up to that decision, so nothing of it had
    to be kept. Without a number the decisions are listed.

    Example: updown step 17 --run var/runs/april-1a2b3c4d
    """
    hold_run(run)
    get_ready()
    from infra.runs import newest_run, read_ledgers, read_run, run_tape

    told = read_run(run or newest_run(Path("var")))
    lines = read_ledgers(told)["lines"]
    if decision is None:
        _list(lines, as_json)
        return
    if decision not in set(lines["mandate_id"].tolist()):
        some = f"it has {len(lines):,}, from {lines['mandate_id'].min()}" if len(lines) else "it has none"
        raise Misuse(f"no decision {decision} in {told.folder}; {some} (updown step --run {told.folder} lists them)")
    from evals.step import decision_at, stage_trace

    with progress("importing") as share:
        tape = run_tape(told, share)
    line = lines[lines["mandate_id"] == decision][0]
    found = decision_at(tape.chunks(), told.params, told.terms, decision)
    if found is None or int(found[0].mandate.given_ns) != int(line["at_ns"]):
        raise Misuse(f"decision {decision} does not come again: first `updown replay {told.folder}` shows what differs")
    trace = stage_trace(found[0])
    if as_json:
        answer({"decision": decision, "run": str(told.folder), "rows": found[1], "stages": trace})
        return
    _walk(trace, decision, found[0], wait=not at_once and sys.stdin.isatty() and sys.stdout.isatty())


def _list(lines: Any, as_json: bool) -> None:
    from datetime import UTC, datetime

    from state.events import Token
    from state.reasons import WORDS, Gate, Reason
    from state.units import NS_PER_S

    rows = [
        {
            "decision": int(line["mandate_id"]),
            "window": f"{datetime.fromtimestamp(int(line['open_s']), UTC):%Y-%m-%d %H:%M}",
            "left_s": int(line["left_ns"]) // NS_PER_S,
            "p_up": round(float(line["p_up"]), 4),
            "side": Token(int(line["side_code"])).name if int(line["side_code"]) in set(Token) else "-",
            "gate": Gate(int(line["gate_code"])).name.lower(),
            "why": WORDS[Reason(int(line["reason_code"]))] if line["reason_code"] else "a mandate",
        }
        for line in lines
    ]
    if as_json:
        answer({"decisions": rows})
        return
    shown, seen = [], set()
    for row in rows:  # a run has thousands; one of each kind is where to begin
        if (row["gate"], row["why"], row["side"]) not in seen:
            seen.add((row["gate"], row["why"], row["side"]))
            shown.append(row | {"alike": sum(r["why"] == row["why"] and r["side"] == row["side"] for r in rows)})
    records(shown, f"{len(rows):,} decisions; the first of each kind (all of them: --json)")


def _walk(trace: list[dict[str, Any]], decision: int, record: Any, *, wait: bool) -> None:
    from state.reasons import WORDS, Reason
    from state.records import as_dict

    say(f"decision {decision}: {len(trace)} stages")
    table(("what the desk saw", "value"), list(_flat(as_dict(record.market))))
    for number, stage in enumerate(trace, 1):
        if wait:
            try:
                input("Enter for the next stage, Ctrl-D to stop ")
            except EOFError:
                say()
                return
        say(f"\n{number}. {stage['stage']}  reads {', '.join(stage['reads'])}  writes {stage['writes']}")
        if stage["gate"]:
            say(f"   gate {stage['gate']}")
        if stage["why"]:
            say(f"   {stage['why']}")
        if stage["record"]:
            table((stage["writes"], "value"), list(_flat(stage["record"])))
    mandate = record.mandate
    reason = int(mandate.reason_code)
    say(f"\n{'stood aside: ' + WORDS[Reason(reason)] if reason else 'gave a mandate'}")


def _flat(record: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Give a record's fields with their values, lists in one cell; whole numbers keep every digit."""
    rows: list[tuple[str, str]] = []
    for name, value in record.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            rows.append((prefix + name, "  ".join(_said(each) for each in value)))
        else:
            rows.append((prefix + name, _said(value)))
    return rows


def _said(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(_said(each) for each in value)})"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
