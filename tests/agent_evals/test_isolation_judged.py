"""The proof of isolation holds what is the same, and nothing else: judged on latencies and words of our own making."""

from typing import Any

import numpy as np
import pytest

from infra.proofs import llm_isolation
from infra.proofs.llm_isolation import Turn, judged
from infra.proofs.llm_talkers import ARMS
from infra.proofs.traces import Timed
from state.units import NS_PER_S

TURN_NS = 10 * NS_PER_S


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_isolation, "DRAWS", 60)


def played(slower: dict[str, float]) -> tuple[Timed, list[Turn]]:
    """Sixteen turns of 40 latencies each, of some 2 ms, longer by a factor in some manners."""
    rng = np.random.default_rng(1)
    turns, seen = [], Timed()
    for number in range(16):
        arm, began = ARMS[number % 4], number * TURN_NS
        turns.append(Turn(arm=arm, from_ns=began, until_ns=began + TURN_NS))
        for at in np.linspace(began + 2.5e9, began + 9.9e9, 40):
            ms = float(rng.lognormal(0.7, 0.1)) * slower.get(arm, 1.0)
            seen.desk.append((int(at), ms))
            seen.orders.append((int(at), ms))
    return seen, turns


def said(**other: Any) -> list[dict[str, Any]]:
    """Give what both say in each manner: as it should be, with something changed in all."""
    reasons = {"none": ("", "no model is set"), "dead": ("gone", "gone"), "slow": ("late", "late"), "hostile": ("", "")}
    return [
        {"arm": arm, "chat_by": "code", "chat_failed": chat, "lied": False, "supervisor_by": "search",
         "supervisor_failed": supervisor, "contained": True, "took_ms": 1.0} | other
        for arm, (chat, supervisor) in reasons.items()
    ]  # fmt: skip


SAME = dict.fromkeys(ARMS, "hash")


def failing(
    seen: Timed, turns: list[Turn], words: list[dict[str, Any]], hashes: dict[str, str], same: bool
) -> set[str]:
    return {figure.name for figure in judged(seen, turns, words, hashes, same).figures if not figure.holds}


def test_what_is_the_same_holds() -> None:
    assert failing(*played({}), said(), SAME, True) == set()


def test_a_slower_desk_is_seen() -> None:
    found = failing(*played({"slow": 1.4}), said(), SAME, True)
    assert found == {
        f"{what}, {part}: slow / none" for what in ("desk", "command to answer") for part in ("p50", "p99")
    }


@pytest.mark.parametrize(
    ("words", "hashes", "same", "name"),
    [
        (said(), SAME | {"hostile": "other"}, True, "one market, decided upon beside each manner"),
        (said(), SAME, False, "the session replayed with no model beside it"),
        (said(lied=True), SAME, True, "turns of chat and supervisor, hostile"),
        (said(contained=False), SAME, True, "turns of chat and supervisor, hostile"),
        (said(chat_failed=""), SAME, True, "turns of chat and supervisor, dead"),
        ([], SAME, True, "turns of chat and supervisor, slow"),
    ],
    ids=["another hash", "another replay", "a lie", "something applied", "silence", "nobody talked"],
)
def test_what_is_not_the_same_is_seen(
    words: list[dict[str, Any]], hashes: dict[str, str], same: bool, name: str
) -> None:
    assert name in failing(*played({}), words, hashes, same)
