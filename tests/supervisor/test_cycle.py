"""The supervisor's cycle over a real run: every way ends in a receipt, also those that fail, wait, or die half way."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_run import small_run
from traced_sessions import traded_session

from evals.promotion import Because, LiveWindow, Ruling, Verdict
from infra.language_model.budget import Budget
from infra.language_model.client import LanguageModel
from infra.language_model.settings import ModelSettings
from infra.lock_file import LockTaken, take_lock
from infra.model_next_door.script import Fault, Say, Script, lines
from infra.model_next_door.server import ModelNextDoor
from infra.shell.kill import KILL_FILE
from infra.shell.params_request import REQUEST_FILE
from infra.supervisor.cycle import LOCK, RECEIPTS, Ended, Supervisor, Waiting
from infra.supervisor.marks import begun, mark
from infra.supervisor.receipts import ReceiptsDamaged, append_receipt, read_receipts
from infra.supervisor.watch import follow_promotions, settle_half_done
from infra.venues.credentials import Secret
from state.units import NS_PER_S

pytestmark = pytest.mark.rehearsal


@pytest.fixture(scope="module")
def rehearsals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where rehearsed scores are kept, so that the same question is reckoned once for all tests."""
    return tmp_path_factory.mktemp("supervisor")


class Desk:
    """A supervisor of a run, with a model that follows a script or none."""

    def __init__(self, home: Path, rehearsals: Path, script: Script | None = None, **more: Any) -> None:
        self.home, self.script, self.more = home, script, more
        home.mkdir(exist_ok=True)
        if not (home / "rehearsals").exists():
            (home / "rehearsals").symlink_to(rehearsals, target_is_directory=True)
        self.journal = more.pop("journal", small_run())

    def do(self, act: Any = None) -> Any:
        """Run a cycle, or another act of the supervisor, in a life of its own."""

        async def story() -> Any:
            if self.script is None:
                return await self._act(act, None)
            async with ModelNextDoor(self.script) as door:
                settings = ModelSettings(
                    model="next-door", base_url=door.base_url, key=Secret("k"), timeout_s=1.0, retries=0,
                    usd_per_million_in=1.0,
                )  # fmt: skip
                return await self._act(act, LanguageModel(settings, Budget(None, 5.0, 10**7, lambda: 0)))

        return asyncio.run(story())

    async def _act(self, act: Any, model: LanguageModel | None) -> Any:
        supervisor = Supervisor(journal=self.journal, folder=self.home, model=model, rehearsals=2, **self.more)
        return await (supervisor.cycle() if act is None else act(supervisor))

    @property
    def receipts(self) -> list[dict[str, Any]]:
        return [receipt.told for receipt in read_receipts(self.home / RECEIPTS)]


def proposing(name: str, value: float, halt: bool = False) -> Say:
    told = {
        "halt": halt,
        "changes": [{"name": name, "value": value}],
        "hypothesis": "less is safer",
        "metric": "pnl_usd",
    }
    return Say(json.dumps(told))


def test_without_a_model_the_search_has_the_seat(tmp_path: Path, rehearsals: Path) -> None:
    ended = Desk(tmp_path / "s", rehearsals).do()
    assert isinstance(ended, Ended) and ended.cycle == "cycle-1"
    told = ended.receipt.told
    assert (told["proposed"]["by"], told["proposed"]["failed"], told["model"]) == ("search", "no model is set", None)
    assert not told["failed"] and (told["checked"]["ok"] or told["checked"]["reason"] == "it changes nothing")


def test_a_proposal_is_rehearsed_ruled_on_and_its_receipt_names_what_was_asked_and_answered(
    tmp_path: Path, rehearsals: Path
) -> None:
    ended = Desk(tmp_path / "s", rehearsals, lines(proposing("kelly_ratio", 0.1))).do()
    told = ended.receipt.told
    assert told["proposed"]["by"] == "model" and told["checked"]["changes"] == {"kelly_ratio": [0.2, 0.1]}
    assert told["rehearsed"]["windows_count"] + told["rehearsed"]["fit_windows_count"] == 4
    assert (told["verdict"]["ruling"], told["verdict"]["number"]) == ("wait", 1)
    assert told["verdict"]["because"] == "too few windows before the cut to fix the scale of the bets"
    assert len(told["model"]["prompt_sha256"]) == len(told["model"]["answer_sha256"]) == 64
    assert told["model"]["usd"] > 0 and "applied" not in told


def test_a_receipt_names_the_trace_under_which_its_cycle_is_found(tmp_path: Path, rehearsals: Path) -> None:
    async def cycle(supervisor: Supervisor) -> Any:
        ended = await supervisor.cycle()
        return ended, supervisor.trees

    ended, trees = Desk(tmp_path / "s", rehearsals, lines(proposing("kelly_ratio", 0.1))).do(cycle)
    assert ended.receipt.told["trace_id"] == str(trees[-1][0].trace_id) != ""


@pytest.mark.parametrize(
    ("say", "failed"),
    [
        (Say(fault=Fault.CUTS), "the model's server cannot be reached"),
        (Say("{}", fault=Fault.SLOW, after_s=30.0), "the model did not answer in time"),
        (Say("buy everything"), "the model's answer is not what was asked for"),
        (Say(fault=Fault.REFUSAL), "the model refused to answer"),
    ],
    ids=["dead", "slow", "hostile", "refusing"],
)
def test_a_model_that_fails_gives_its_seat_to_the_search_and_the_receipt_says_why(
    tmp_path: Path, rehearsals: Path, say: Say, failed: str
) -> None:
    told = Desk(tmp_path / "s", rehearsals, lines(say)).do().receipt.told
    assert (told["proposed"]["by"], told["proposed"]["failed"]) == ("search", failed)
    assert "buy everything" not in json.dumps(told)


def test_what_raises_a_limit_or_goes_too_far_is_refused_and_never_rehearsed(tmp_path: Path, rehearsals: Path) -> None:
    desk = Desk(tmp_path / "s", rehearsals, lines(proposing("kelly_ratio", 1.0)))
    told = desk.do().receipt.told
    assert told["checked"]["reason"] == "the step is too large for one round" and "rehearsed" not in told


def test_a_halt_is_a_kill_file_in_the_sessions_folder_and_nothing_else(tmp_path: Path, rehearsals: Path) -> None:
    journal = tmp_path / "journal"
    shutil.copytree(traded_session(), journal)
    (journal / "lock").write_text("process 999999999\n")  # who wrote it is gone
    desk = Desk(tmp_path / "s", rehearsals, lines(proposing("kelly_ratio", 0.1, halt=True)), journal=journal)
    told = desk.do().receipt.told
    assert (journal / KILL_FILE).exists() and "rehearsed" not in told
    assert not told["applied"]["taken"] and "no session runs here now, and none will start" in told["applied"]["words"]
    assert [receipt.kind for receipt in read_receipts(desk.home / RECEIPTS)] == ["intended", "done"]


def test_a_run_has_no_session_to_halt(tmp_path: Path, rehearsals: Path) -> None:
    told = Desk(tmp_path / "s", rehearsals, lines(proposing("kelly_ratio", 0.1, halt=True))).do().receipt.told
    assert not told["applied"]["taken"] and not (small_run() / KILL_FILE).exists()


@pytest.fixture
def enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the rule have seen enough windows; everything behind the rule is the real thing."""
    verdict = Verdict(ruling=Ruling.PROMOTE, because=Because.SHRINKS)
    monkeypatch.setattr("infra.supervisor.cycle.promote", lambda *_: verdict)


@pytest.mark.usefixtures("enough")
def test_a_promotion_waits_for_a_person_over_a_restart_and_a_session_that_is_gone_takes_nothing(
    tmp_path: Path, rehearsals: Path
) -> None:
    async def yes(supervisor: Supervisor) -> Any:
        return await supervisor.answer("cycle-1", approve=True, by="ann", why="agreed")

    desk = Desk(tmp_path / "s", rehearsals, lines(proposing("kelly_ratio", 0.1)), asking="always")
    waiting = desk.do()
    assert isinstance(waiting, Waiting) and waiting.asked["verdict"]["ruling"] == "promote"
    again = desk.do()
    assert isinstance(again, Waiting) and again.cycle == "cycle-1", "nothing new is begun while one waits"
    told = desk.do(yes).receipt.told
    assert told["approval"] == {"approve": True, "by": "ann", "why": "agreed"}
    assert told["model"]["tokens_out"] > 0, "what the model took is known after the restart, too"
    assert not told["applied"]["taken"] and "no session runs here" in told["applied"]["words"]
    assert desk.do().cycle == "cycle-2"


@pytest.mark.usefixtures("enough")
def test_what_is_rejected_is_not_applied(tmp_path: Path, rehearsals: Path) -> None:
    async def no(supervisor: Supervisor) -> Any:
        return await supervisor.answer("cycle-1", approve=False, by="ann", why="no")

    desk = Desk(tmp_path / "s", rehearsals, lines(proposing("kelly_ratio", 0.1)), asking="always")
    assert isinstance(desk.do(), Waiting)
    told = desk.do(no).receipt.told
    assert told["approval"]["approve"] is False and "applied" not in told


@pytest.mark.usefixtures("enough")
def test_nobody_can_approve_what_was_asked_too_long_ago(tmp_path: Path, rehearsals: Path) -> None:
    async def yes(supervisor: Supervisor) -> Any:
        return await supervisor.answer("cycle-1", approve=True, by="ann", why="agreed")

    desk = Desk(tmp_path / "s", rehearsals, lines(proposing("kelly_ratio", 0.1)), asking="always")
    assert isinstance(desk.do(), Waiting)
    asked = begun(desk.home, "cycle-1")
    seven_hours_ns = 7 * 3600 * NS_PER_S
    mark(desk.home, "cycle-1", asked["journal"], asked["usage"], asked["asked_ns"] - seven_hours_ns)
    told = desk.do(yes).receipt.told
    assert told["approval"] == {
        "approve": False, "by": "the rule of age", "why": "asked 7.0 h ago, most 6 h: run another cycle",
    }  # fmt: skip
    assert "applied" not in told


def test_the_digest_tells_drift_regime_and_costs_or_why_it_cannot(tmp_path: Path, rehearsals: Path) -> None:
    async def observe(supervisor: Supervisor) -> Any:
        return await supervisor.doors("cycle-1").observe()

    digest = Desk(tmp_path / "s", rehearsals).do(observe)
    drift, regime = digest["figures"]["drift"], digest["figures"]["regime"]
    assert drift["windows_count"] == regime["of_late"]["windows_count"] + regime["before"]["windows_count"] > 0
    assert drift["log_loss"]["mean"] == pytest.approx(0.0, abs=1e-12), (
        "a backtest's run forecasts as its rehearsal does"
    )
    assert regime["of_late"]["move_rms_bps"] > 0 and regime["before"]["move_rms_bps"] is None
    assert digest["figures"]["costs"]["models_usd"] == 0.0
    assert digest["unknown"]["lag"] == "this record has no pulse of a live session"
    session = Desk(tmp_path / "t", rehearsals, journal=traded_session()).do(observe)
    assert session["figures"]["drift"]["windows_count"] == 1


def intended(desk: Desk, journal: Path, **more: Any) -> None:
    checked = {"ok": True, "changes": {"kelly_ratio": [0.2, 0.1]}, "halt": False, "riskier": False}
    told = {"checked": checked | more, "journal": str(journal.resolve()), "rehearsed": {"promise": {}}}
    append_receipt(desk.home / RECEIPTS, "cycle-1", "intended", told)


def test_a_crash_between_intention_and_receipt_is_found_and_said(tmp_path: Path, rehearsals: Path) -> None:
    desk = Desk(tmp_path / "s", rehearsals)
    mark(desk.home, "cycle-1", str(small_run()), None)  # as a cycle does that is killed there
    intended(desk, small_run())
    assert desk.do().cycle == "cycle-2"
    kept = read_receipts(desk.home / RECEIPTS)
    assert [(each.cycle, each.kind) for each in kept] == [
        ("cycle-1", "intended"), ("cycle-1", "done"), ("cycle-2", "done")
    ]  # fmt: skip
    found = desk.receipts[1]
    assert found["applied"] == {"taken": False, "words": "found after a crash: the session made no change for it"}
    assert "rehearsed" in found, "what was promised goes with it"


def test_while_the_request_may_still_be_heard_nobody_says_what_became_of_it(tmp_path: Path, rehearsals: Path) -> None:
    journal = tmp_path / "journal"
    shutil.copytree(traded_session(), journal)
    desk = Desk(tmp_path / "s", rehearsals, journal=journal)
    intended(desk, journal)
    (journal / REQUEST_FILE).write_text("{}")
    (journal / "lock").write_text(f"process {os.getpid()}\n")  # the session lives
    assert settle_half_done(desk.home / RECEIPTS, journal) == []
    (journal / REQUEST_FILE).unlink()
    (found,) = settle_half_done(desk.home / RECEIPTS, journal)
    assert found.told["applied"] == {"taken": False, "words": "found after a crash: the session made no change for it"}


def test_a_roll_back_that_is_refused_is_asked_for_three_times_and_left_to_a_person(
    tmp_path: Path, rehearsals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path / "s", rehearsals, journal=tmp_path / "nobody")
    promoted = append_receipt(desk.home / RECEIPTS, "cycle-1", "done", {
        "rehearsed": {"promise": {"mean_micros": 0.0, "sd_micros": 1.0, "windows_count": 10, "bound_micros": 1.0}},
    })  # fmt: skip
    lost = LiveWindow(open_s=0, live_micros=-5e6, replayed_micros=-5e6)
    monkeypatch.setattr("infra.supervisor.watch.standing", lambda *_: [promoted])  # the session never takes it back
    monkeypatch.setattr("infra.supervisor.watch.live_windows", lambda *_: [lost])
    written = [asyncio.run(follow_promotions(desk.home / RECEIPTS, desk.journal)) for _ in range(5)]
    assert [len(each) for each in written] == [1, 1, 1, 0, 0]
    told = [each.told for (each,) in written[:3]]
    assert [each["try"] for each in told] == [1, 2, 3] and not any(each["rolled_back"]["taken"] for each in told)
    assert ["last_try" in each for each in told] == [False, False, True]


def test_what_became_of_another_session_is_left_to_who_looks_there(tmp_path: Path, rehearsals: Path) -> None:
    desk = Desk(tmp_path / "s", rehearsals)
    intended(desk, tmp_path / "elsewhere")
    assert desk.do().cycle == "cycle-2" and len(desk.receipts) == 2


def test_a_cycle_that_was_killed_on_its_way_gets_its_receipt_and_its_name_is_not_used_again(
    tmp_path: Path, rehearsals: Path
) -> None:
    desk = Desk(tmp_path / "s", rehearsals)
    mark(desk.home, "cycle-1", str(small_run()), None)
    assert desk.do().cycle == "cycle-2"
    assert desk.receipts[0]["failed"] == "it was killed on its way"


def test_two_supervisors_do_not_work_in_one_folder(tmp_path: Path, rehearsals: Path) -> None:
    desk = Desk(tmp_path / "s", rehearsals)
    handle = take_lock(desk.home / LOCK)
    try:
        with pytest.raises(LockTaken):
            desk.do()
    finally:
        os.close(handle)


def test_without_receipts_that_hold_nothing_is_done(tmp_path: Path, rehearsals: Path) -> None:
    desk = Desk(tmp_path / "s", rehearsals)
    append_receipt(desk.home / RECEIPTS, "cycle-1", "done", {})
    file = desk.home / RECEIPTS
    file.write_text(file.read_text().replace("cycle-1", "cycle-9"))
    with pytest.raises(ReceiptsDamaged):
        desk.do()


def test_what_cannot_be_observed_ends_in_a_receipt_that_says_so(tmp_path: Path, rehearsals: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    desk = Desk(tmp_path / "s", rehearsals, journal=empty)
    told = desk.do().receipt.told
    assert "neither a session's journal nor a run" in told["failed"] and "proposed" not in told
