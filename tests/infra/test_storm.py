"""The storm in small: some seeds played, the same twice, and what the proof says when a law is broken."""

from pathlib import Path

import pytest

from infra.proofs.storm import judged, played
from infra.proofs.storm_run import Told, play


@pytest.mark.rehearsal
def test_no_law_breaks_in_the_first_seeds() -> None:
    told = played(range(1, 13))
    assert [(each.seed, each.broken) for each in told if each.broken] == []
    assert sum(each.orders for each in told) > 50 and any(each.doubts for each in told)


@pytest.mark.rehearsal
def test_a_seed_gives_the_same_run_again(tmp_path: Path) -> None:
    first, again = play(7, tmp_path / "first"), play(7, tmp_path / "again")
    assert first == again and first.orders > 0


def test_a_broken_law_fails_the_proof_and_is_named_with_its_seed() -> None:
    whole = [Told(seed, "demo", orders=3, fills=2, reversed=1, doubts=1, halts=1) for seed in range(1, 2_001)]
    assert judged(whole).holds
    whole[41].broken.append("order 3 was sent while halted")
    proof = judged(whole)
    assert not proof.holds
    assert proof.tables["broken"] == [{"seed": 42, "law": "order 3 was sent while halted"}]
    assert not judged(whole[:41]).holds, "too few runs prove nothing"
