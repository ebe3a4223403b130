"""Order speed: the proof holds what was measured against its bars; makers and orders are the real ones."""

import msgspec
import pytest

from evals.proof import Proof
from infra.proofs.order_clients import Wish
from infra.proofs.order_roads import Trip
from infra.proofs.order_sockets import Timed
from infra.proofs.order_speed import SLOW, judged, makers, prove_order_speed, time_hashes, time_makers


def proof_of(made_us: float, safe_ms: float, orders: int = 500) -> Proof:
    timed = Timed(safe_ms=[safe_ms] * orders, unsafe_ms=[0.5], disk_ms=[0.1], resting_count=2 * orders)
    made = {"ours, deposit wallet": [made_us], "polymarket-client": [10 * made_us]}
    trips = {"our lines": Trip([100.0], [50.0], {200})}
    return judged(made, timed, trips, [0.1], {"safe-pysha3": [3.0]}, [], least=500)


def test_it_holds_when_an_order_is_made_and_sent_in_time() -> None:
    proof = proof_of(79.0, 0.9)
    assert proof.holds
    assert proof.tables["one order, by maker"][1]["times ours"] == 10.0


@pytest.mark.parametrize(("made_us", "safe_ms", "orders"), [(81.0, 0.9, 500), (79.0, 1.1, 500), (79.0, 0.9, 499)])
def test_it_does_not_when_one_of_them_is_late_or_too_few_were_timed(
    made_us: float, safe_ms: float, orders: int
) -> None:
    assert not proof_of(made_us, safe_ms, orders).holds


def test_all_makers_make_the_same_order() -> None:
    found, missing = makers()
    assert missing == [] and SLOW in found
    told = {name: msgspec.json.decode(make(Wish(salt=7)))["order"] for name, make in found.items()}
    terms = {(each["makerAmount"], each["takerAmount"], each["tokenId"], each["side"]) for each in told.values()}
    assert len(terms) == 1
    slow, quick = told[SLOW], told["py-clob-client-v2"]
    assert slow == quick, "without coincurve it takes longer, and comes to the same"


def test_makers_and_hashes_are_timed_in_turn() -> None:
    times, _ = time_makers(rounds=2)
    assert {name: len(values) for name, values in times.items()} == {
        "ours, deposit wallet": 40, "ours, own account": 40, "polymarket-client": 4, "py-clob-client-v2": 4, SLOW: 2,
    }  # fmt: skip
    assert all(len(values) == 5 for values in time_hashes(count=5).values())


@pytest.mark.rehearsal
def test_orders_are_timed_at_a_real_venue() -> None:
    proof = prove_order_speed(None, lambda _done, _all: None, orders=40, rounds=2)
    figures = {figure.name: figure for figure in proof.figures}
    assert figures["orders timed that waited for the disk"].measured == 20
    assert figures["orders that the venue took"].measured == 40
    assert {row["answered"] for row in proof.tables["one POST, by road"]} == {"200"}
