"""The model's budget: set aside before, written down after, shared by processes, anew each day."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from infra.language_model.budget import Budget, Spent
from state.units import NS_PER_S

NOON_NS = 1_792_584_000 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S


def budget(folder: Path | None, now_ns: int = NOON_NS, tokens: int = 1_000) -> Budget:
    return Budget(folder, 1.0, tokens, lambda: now_ns)


def test_a_call_is_paid_before_it_is_made_and_costs_what_it_did_cost(tmp_path: Path) -> None:
    one = budget(tmp_path)
    ticket = one.ask(0.5, 600)
    assert ticket and one.spent() == Spent(0.5, 600, 1)
    assert one.ask(0.1, 600) == "", "not so many tokens are left"
    one.spend(ticket, 0.01, 40)
    assert one.spent() == Spent(0.01, 40, 1) and one.ask(0.1, 600)


def test_who_dies_over_a_call_has_spent_the_most_it_might_have_cost(tmp_path: Path) -> None:
    budget(tmp_path).ask(0.9, 900)
    reborn = budget(tmp_path)
    assert reborn.spent() == Spent(0.9, 900, 1) and not reborn.ask(0.2, 10)


def test_a_torn_line_was_never_acted_upon(tmp_path: Path) -> None:
    one = budget(tmp_path)
    one.spend(one.ask(0.1, 10), 0.05, 5)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() + b'{"ticket": "to')
    assert one.spent() == Spent(0.05, 5, 1)
    assert one.ask(0.1, 10) and one.spent() == Spent(0.15000000000000002, 15, 2)
    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_a_new_day_begins_anew() -> None:
    days = [NOON_NS]
    one = Budget(None, 1.0, 1_000, lambda: days[0])
    assert one.ask(1.0, 1_000) and not one.left()
    days[0] += DAY_NS
    assert one.left() and one.spent() == Spent()


def spend_some(folder: Path) -> int:
    mine = budget(folder, tokens=500)
    return sum(bool(mine.ask(0.0, 10)) for _ in range(40))


def test_two_processes_share_one_budget(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2) as pool:
        assert sum(pool.map(spend_some, [tmp_path, tmp_path])) == 50


@given(st.lists(st.tuples(st.floats(0, 0.6), st.integers(0, 600), st.floats(0, 1)), max_size=30))
def test_no_order_of_calls_spends_more_than_the_budget(calls: list[tuple[float, int, float]]) -> None:
    one = budget(None)
    for usd, tokens, share in calls:
        ticket = one.ask(usd, tokens)
        if ticket and share < 0.8:
            one.spend(ticket, usd * share, int(tokens * share))
        assert one.spent().usd <= 1.0 + 1e-9 and one.spent().tokens <= 1_000
