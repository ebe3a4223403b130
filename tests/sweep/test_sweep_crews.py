import pytest
from sweep_players import deadly, echo

from infra.sweep.cluster import ClusterRefused, hold_address, played_there
from infra.sweep.local import DIED, played_here
from infra.sweep.player import answer, code_digest


def test_every_request_is_answered_once_whoever_plays_it() -> None:
    told = list(played_here(({"at": at} for at in range(9)), 2, echo))
    assert sorted(request["at"] for request, _ in told) == list(range(9))
    assert all(request["at"] == said["columns"]["at"][0] for request, said in told)


def test_a_cell_that_kills_its_process_fails_alone() -> None:
    told = {
        request["at"]: said for request, said in played_here(({"at": at, "deadly": 3} for at in range(8)), 2, deadly)
    }
    assert sorted(told) == list(range(8))
    assert [at for at, said in told.items() if said.get("failed") == DIED] == [3]


def test_whoever_stops_listening_leaves_no_process_behind() -> None:
    import multiprocessing

    for _, said in played_here(({"at": at} for at in range(1_000_000)), 2, echo):
        assert said["columns"]["pid"]
        break
    assert not multiprocessing.active_children()


def test_a_cell_that_cannot_be_played_says_why_in_a_line() -> None:
    request = {
        "code": code_digest(), "params": {"kelly_ratio": 9}, "seed": 1, "cash_micros": 1, "trades_known": True,
        "opens_s": [0], "rows": "/nowhere.npy",
    }  # fmt: skip
    assert answer(request) == {
        "failed": "the rows cannot be read (no such file or directory); remove the folder `rows` and sweep again"
    }
    assert answer({**request, "code": "0" * 32})["failed"].startswith("the worker runs other code (")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:8786", "no address of a scheduler"),
        ("http://127.0.0.1:8786", "no address of a scheduler"),
        ("tcp://127.0.0.1", "no address of a scheduler"),
        ("tcp://127.0.0.1:port", "no address of a scheduler"),
        ("tcp://10.0.0.7:8786", "plain tcp"),
    ],
)
def test_a_cluster_of_strangers_is_refused(address: str, why: str) -> None:
    with pytest.raises(ClusterRefused, match=why):
        hold_address(address)


def test_other_machines_are_reached_by_tls_and_tunnels() -> None:
    for address in ("tls://farm.example:8786", "tcp://localhost:8786", "tcp://[::1]:8786", "tcp://127.0.0.1:8786"):
        hold_address(address)


def test_a_cluster_that_does_not_answer_is_one_line() -> None:
    from infra.stack.program import free_port

    with pytest.raises(ClusterRefused, match="nobody answers"):
        list(played_there(iter(()), f"tcp://127.0.0.1:{free_port()}"))
