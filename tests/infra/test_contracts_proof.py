"""The proof of contracts reads reports as they are: a suite that was skipped or never ran is not held."""

import pytest

from infra.proofs.contracts import SUITES, judged, read_report
from infra.version import ROOT


def report(*cases: str) -> str:
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"


def case(name: str, inside: str = "") -> str:
    return f'<testcase classname="t" name="{name}">{inside}</testcase>'


WHOLE = report(
    case("test_a[in-process]"),
    case("test_a[kafka]"),
    case("test_a[mock]"),
    case("test_b[in-process-5]"),
    case("test_c"),
)


def test_tests_are_counted_by_the_kind_that_they_ran_with() -> None:
    counts, why = read_report(WHOLE)
    assert {kind: told["passed"] for kind, told in counts.items()} == {
        "in-process": 2, "kafka": 1, "mock": 1, "both": 1,
    }  # fmt: skip
    assert why == {}
    assert all(figure.holds for figure in judged("bus", SUITES["bus"][1], counts))


@pytest.mark.parametrize(
    "inside",
    ['<skipped message="kafka is not on this machine"/>', "<failure/>", "<error/>"],
    ids=["skipped", "failed", "error"],
)
def test_one_that_was_skipped_or_failed_is_not_held_and_the_others_are(inside: str) -> None:
    counts, why = read_report(report(case("test_a[in-process]"), case("test_a[mock]"), case("test_a[kafka]", inside)))
    assert [figure.holds for figure in judged("bus", SUITES["bus"][1], counts)] == [True, True, False]
    assert why == ({"kafka": "kafka is not on this machine"} if "skipped" in inside else {})


def test_a_kind_that_never_ran_is_not_held() -> None:
    counts, _ = read_report(report(case("test_a[in-process]"), case("test_a[mock]")))
    assert [figure.holds for figure in judged("bus", SUITES["bus"][1], counts)] == [True, True, False]


def test_timescale_alone_may_be_skipped_and_must_pass_where_it_runs() -> None:
    skip = '<skipped message="UPDOWN_TIMESCALE_DSN names no TimescaleDB"/>'
    for inside, holds in ((skip, True), ("", True), ("<failure/>", False)):
        counts, _ = read_report(report(case("test_a[timescale]", inside)))
        assert judged("time series", ["timescale"], counts)[0].holds is holds


def test_every_suite_is_there() -> None:
    assert all((ROOT / file).is_file() for file, _ in SUITES.values())
