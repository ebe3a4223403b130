"""The proof of Studio: `langgraph dev` serves three graphs offline, and its desk decides as the compiled core does.

The server is a child on loopback without a key, driven by LangGraph's own client: threads, streams, an interrupt and
its answer, the history of states, a fork. The desk is given recorded views and decisions of a run made up for the
purpose, and its mandates are held field by field against the core's.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from evals.proof import Figure, Proof
from graph.stages import STAGES
from infra.agent_evals.evidence import evidence_run
from infra.proofs.rehearsals import Progress, RehearsalFailed
from infra.record.opening import open_record
from infra.version import ROOT
from state.desk import Decision, View
from state.params import default_params
from state.records import as_dict, from_dict, one

NAME: Final = "studio"
CLAIM: Final = "langgraph dev serves desk, supervisor and chat offline, and its desk decides as the compiled core does"
DECISIONS: Final = 200
READY_S: Final = 90.0
GRAPHS: Final = {"desk", "supervisor", "chat"}
SWITCHES: Final = {
    "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true", "LANGSMITH_TRACING": "false",
}  # fmt: skip
KEPT_OUT: Final = ("OPENAI_", "UPDOWN_", "LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_")
"""Variables of whoever runs the proof that the server is not given."""


def prove_studio(_: Path | None, progress: Progress, *, decisions: int = DECISIONS) -> Proof:
    """Start the server, drive it, and hold what it does."""
    with evidence_run() as folder, served(folder) as (client, ready_s):
        figures = [
            _is("graphs served", sorted(each["graph_id"] for each in client.assistants.search()), sorted(GRAPHS)),
            *_views(client),
            *_decisions(client, folder, decisions, progress),
            *_streams(client),
            *_fork(client),
            *_approval(client),
            *_talk(client),
        ]
    notes = (f"the server was ready after {ready_s:.1f} s, with no key among its variables",)
    return Proof(name=NAME, claim=CLAIM, figures=tuple(figures), notes=notes)


@contextmanager
def served(record: Path) -> Iterator[tuple[Any, float]]:
    """Serve the three graphs while the block lasts; gives a client, and after how many seconds the server was ready.

    Raises:
        RehearsalFailed: it did not come up.
    """
    from langgraph_sdk import get_sync_client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="updown-studio-") as scratch:
        said = Path(scratch) / "said"
        words = ["-m", "langgraph_cli", "dev", "--host", "127.0.0.1", "--port", str(port), "--no-browser"]
        words += ["--no-reload", "--n-jobs-per-worker", "4", "--allow-blocking"]
        own = {"UPDOWN_STUDIO_RECORD": str(record), "UPDOWN_STUDIO_HOME": scratch, "PYTHONPATH": str(ROOT)}
        plain = {name: value for name, value in os.environ.items() if not name.startswith(KEPT_OUT)}
        began = time.monotonic()
        with said.open("wb") as out:
            child = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env=plain | SWITCHES | own,
            )  # fmt: skip
        try:
            _wait(child, port, said)
            yield get_sync_client(url=f"http://127.0.0.1:{port}"), time.monotonic() - began
        finally:
            child.terminate()
            try:
                child.wait(20.0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _wait(child: "subprocess.Popen[bytes]", port: int, said: Path) -> None:
    import httpx

    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if child.poll() is not None:
            break
        try:
            if httpx.get(f"http://127.0.0.1:{port}/ok", timeout=2.0).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.25)
    lines = said.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    raise RehearsalFailed(f"langgraph dev did not come up in {READY_S:.0f} s: {lines[-1][:300]}")


def core_decision(market: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Give the compiled core's whole decision on a view, stage by stage, as plain values."""
    from graph.fast import decide

    decision: Any = one(Decision)
    decision.market = from_dict(View, market)
    decide(default_params(params), decision)
    return as_dict(decision)


def core_mandate(market: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Give the compiled core's mandate on a view, as plain values."""
    mandate: dict[str, Any] = core_decision(market, params)["mandate"]
    return mandate


def _views(client: Any) -> list[Figure]:
    from infra.studio import RECORDED

    same = 0
    for name, market in RECORDED.items():
        same += client.runs.wait(None, "desk", input={"recorded": name})["mandate"] == core_mandate(market, {})
    return [_all("recorded views decided alike", same, len(RECORDED))]


def _decisions(client: Any, folder: Path, count: int, progress: Progress) -> list[Figure]:
    record = open_record(folder)
    numbers = record.lines["mandate_id"]
    chosen = [int(number) for number in numbers[:: max(len(numbers) // count, 1)][:count]]
    same = kept = stages = 0
    for at, number in enumerate(chosen, 1):
        answer = client.runs.wait(None, "desk", input={"recorded": f"decision {number}"})
        line: Any = record.line(number)
        whole: Any = record.decision(number)
        market, params = as_dict(whole["market"]), as_dict(record.params_at(int(line["at_ns"])))
        core = core_decision(market, params)
        wrote = [stage.writes for stage in STAGES if stage.writes in answer]
        stages += len(wrote)
        same += answer["market"] == market and all(answer[name] == core[name] for name in wrote)
        kept += int(answer["mandate"]["reason_code"]) == int(line["reason_code"])
        progress(at, len(chosen))
    return [
        _all("recorded decisions decided alike: view, and every stage's record field by field", same, len(chosen)),
        _all("of them for the reason in the record", kept, len(chosen)),
        Figure(name="stages compared", measured=stages, bar="> 3 a decision", holds=stages > 3 * len(chosen)),
    ]


def _streams(client: Any) -> list[Figure]:
    steps = [
        name
        for part in client.runs.stream(None, "desk", input={"recorded": "fires"}, stream_mode="updates")
        if part.event == "updates"
        for name in part.data
    ]
    values = sum(
        part.event == "values"
        for part in client.runs.stream(None, "desk", input={"recorded": "fires"}, stream_mode="values")
    )
    wanted = {
        "recall",
        "look",
        "spread",
        "lead_lag",
        "flow",
        "liquidity",
        "fuse",
        "signal",
        "validate",
        "risk",
        "size",
        "execute",
    }
    return [
        _is("steps streamed by name", sorted(steps), sorted(wanted)),
        Figure(name="values streamed", measured=values, bar=">= 8", holds=values >= 8),
    ]


def _fork(client: Any) -> list[Figure]:
    """Edit a view in a past state, run on from there, and find both ways kept."""
    thread = client.threads.create()["thread_id"]
    first = client.runs.wait(thread, "desk", input={"recorded": "fires"})
    before = next(state for state in client.threads.get_history(thread, limit=30) if state["next"] == ["look"])
    halted = {**before["values"]["market"], "halted_code": 1}
    fork = client.threads.update_state(thread, {"market": halted}, as_node="recall", checkpoint=before["checkpoint"])
    second = client.runs.wait(thread, "desk", input=None, checkpoint=fork["checkpoint"])
    history = client.threads.get_history(thread, limit=60)
    mandates = [state["values"]["mandate"] for state in history if state["values"].get("mandate")]
    return [
        _is("a fork decides as the core on the edited view", second["mandate"] == core_mandate(halted, {}), True),
        _is("both ways are in the history", first["mandate"] in mandates and second["mandate"] in mandates, True),
    ]


def _approval(client: Any) -> list[Figure]:
    """Run a cycle of the supervisor, let its rule promote in a fork, answer the interrupt, and read the receipt."""
    thread = client.threads.create()["thread_id"]
    proposal = {
        "halt": False,
        "changes": [{"name": "kelly_ratio", "value": 0.1}],
        "hypothesis": "h",
        "metric": "pnl_usd",
    }
    ended = client.runs.wait(thread, "supervisor", input={})
    propose = next(state for state in client.threads.get_history(thread, limit=30) if state["next"] == ["check"])
    proposed = {"by": "search", "failed": "typed in Studio", "said": proposal}
    fork = client.threads.update_state(
        thread, {"proposed": proposed}, as_node="propose", checkpoint=propose["checkpoint"]
    )
    client.runs.wait(thread, "supervisor", input=None, checkpoint=fork["checkpoint"])
    decided = next(
        state for state in client.threads.get_history(thread, limit=60)
        if state["values"].get("verdict") and state["values"]["proposed"]["failed"] == "typed in Studio"
    )  # fmt: skip
    verdict = {"ruling": "promote", "because": "an edit in Studio"}
    fork = client.threads.update_state(thread, {"verdict": verdict}, as_node="decide", checkpoint=decided["checkpoint"])
    client.runs.wait(thread, "supervisor", input=None, checkpoint=fork["checkpoint"])
    waits = client.threads.get_state(thread)
    asked = [each for task in waits["tasks"] for each in task.get("interrupts", [])]
    answer = {"approve": True, "by": "the proof", "why": "to see it go on"}
    end = client.runs.wait(thread, "supervisor", command={"resume": answer})
    return [
        _is("a cycle ends in a receipt", bool((ended.get("receipt") or {}).get("hash")), True),
        _is("a promotion waits for a person", [each["value"]["verdict"]["ruling"] for each in asked], ["promote"]),
        _is("the answer is on its receipt", end["receipt"]["told"]["approval"]["by"], "the proof"),
        _is("nobody runs there, and it says so", end["receipt"]["told"]["applied"]["taken"], False),
    ]


def _talk(client: Any) -> list[Figure]:
    thread = client.threads.create()["thread_id"]
    said = {"messages": [{"role": "user", "content": "why did you last trade?"}]}
    parts = list(client.runs.stream(thread, "chat", input=said, stream_mode=["messages-tuple", "custom", "values"]))
    asks = [part.data["asks"] for part in parts if part.event == "custom" and "asks" in part.data]
    last = [part.data for part in parts if part.event == "values"][-1]["messages"][-1]
    then = {"messages": [{"role": "user", "content": "and would it be so without spread?"}]}
    second = client.runs.wait(thread, "chat", input=then)["messages"][-1]
    spoken = last["additional_kwargs"]["spoken"]
    return [
        _is("the chat asks the record", asks, ["find_decisions", "get_decision"]),
        Figure(name="figures and names of its answer, checked", measured=spoken["checked"], bar="> 5",
               holds=spoken["checked"] > 5),
        _is("its answer comes as a message", any(part.event.startswith("messages") for part in parts), True),
        _is("it remembers the thread", "run again with" in second["content"], True),
    ]  # fmt: skip


def _is(name: str, measured: Any, wanted: Any) -> Figure:
    shown = str(measured) if not isinstance(measured, list) else ", ".join(str(each) for each in measured)
    return Figure(name=name, measured=shown, bar="as it should be", holds=measured == wanted)


def _all(name: str, count: int, of: int) -> Figure:
    return Figure(name=name, measured=f"{count} of {of}", bar="all", holds=count == of > 0)
