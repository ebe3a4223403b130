"""Venue figures come out exactly, or not at all."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.feeds.figures import (
    LEVEL_BPS,
    SHARES_MAX,
    accurate_usd,
    at_ns_of,
    bps_of,
    micros_of,
    ns_of_iso,
    ns_of_stamp,
    tick_bps_of,
    touch_bps_of,
    usd_of,
)
from infra.feeds.frames import Offbeat

AS_FLOAT = msgspec.json.Decoder(float, strict=False)


def read(text: str) -> float:
    return AS_FLOAT.decode(f'"{text}"'.encode())


@given(st.integers(1, 999), st.integers(0, 4))
def test_every_mill_is_exact_however_many_noughts_it_is_written_with(mills: int, noughts: int) -> None:
    plain = str(Decimal(mills) / 1000)
    assert bps_of(read(plain)) == mills * 10
    assert bps_of(read(plain + ("" if "." in plain else ".") + "0" * noughts)) == mills * 10


@given(st.decimals(0, 1, places=7, allow_nan=False))
def test_a_price_that_is_no_whole_mill_is_refused_and_never_rounded(price: Decimal) -> None:
    mills = price * 1000
    if mills == mills.to_integral_value() and 0 < mills < 1000:
        assert bps_of(read(str(price))) == int(mills) * 10
    else:
        with pytest.raises(Offbeat, match="whole mill"):
            bps_of(read(str(price)))


@given(st.decimals(0, int(SHARES_MAX), places=6, allow_nan=False))
def test_amounts_of_six_decimals_are_exact(shares: Decimal) -> None:
    assert micros_of(read(f"{shares:f}")) == int(shares * 1_000_000)


@given(st.integers(0, 2_000_000_000_000_000))
def test_every_whole_micro_is_exact(micros: int) -> None:
    assert micros_of(read(f"{Decimal(micros) / 1_000_000:f}")) == micros


@given(st.decimals(0, 1_000_000, places=8, allow_nan=False))
def test_finer_amounts_are_rounded_to_the_nearest_micro(shares: Decimal) -> None:
    nearest = (shares * 1_000_000).to_integral_value(ROUND_HALF_EVEN)
    got = micros_of(read(f"{shares:f}"))
    tie = (shares * 1_000_000) % 1 == Decimal("0.5")
    assert abs(got - nearest) <= (1 if tie else 0)


@pytest.mark.parametrize("shares", [-0.000001, 2.1e9, float("nan"), float("inf")])
def test_amounts_that_cannot_be_exact_are_refused(shares: float) -> None:
    with pytest.raises(Offbeat):
        micros_of(shares)


@pytest.mark.parametrize(
    ("text", "bps"), [("0.5", 5000), ("0.001", 10), ("", 0), ("0", 0), ("1", 0), ("1.00", 0), (".48", 4800)]
)
def test_a_carried_best_price_is_in_bps_and_zero_for_an_empty_side(text: str, bps: int) -> None:
    assert touch_bps_of(text) == bps


@pytest.mark.parametrize("text", ["0.5005", "-0.5", "nan", "half"])
def test_a_carried_best_price_off_the_grid_is_refused(text: str) -> None:
    with pytest.raises(Offbeat):
        touch_bps_of(text)


def test_ticks_are_whole_mills() -> None:
    assert [tick_bps_of(tick) for tick in (0.1, 0.01, 0.001, 0.005)] == [1000, 100, 10, 50]
    for tick in (0.0001, 0.0025, 0.0, 1.0, -0.01, float("nan")):
        with pytest.raises(Offbeat):
            tick_bps_of(tick)


def test_the_grid_of_prices_has_every_mill_inside_a_dollar_once() -> None:
    assert sorted(LEVEL_BPS.values()) == list(range(10, 10_000, 10))


@pytest.mark.parametrize("usd", [0.0, -1.0, 1e12, float("nan"), float("inf")])
def test_what_is_no_price_is_refused(usd: float) -> None:
    with pytest.raises(Offbeat):
        usd_of(usd)


@given(st.integers(10**15, 10**24))
def test_scaled_values_are_the_nearest_double(scaled: int) -> None:
    nearest = float(Decimal(scaled) / 10**18)
    assert accurate_usd(nearest, str(scaled), scaled=True) == nearest


def test_two_values_that_disagree_are_refused() -> None:
    with pytest.raises(Offbeat, match="disagree"):
        accurate_usd(64_000.0, "64000", scaled=True)  # a decimal taken for a scaled integer
    with pytest.raises(Offbeat, match="no number"):
        accurate_usd(64_000.0, "sixty-four thousand", scaled=False)
    assert accurate_usd(64_000.0, "64000", scaled=False) == 64_000.0
    assert accurate_usd(64_000.5, "", scaled=True) == 64_000.5


@given(st.integers(0, 4_102_444_799_999_999), st.integers(0, 999))
def test_iso_times_are_exact_to_the_nanosecond(micros: int, nanos: int) -> None:
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    text = f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond:06}{nanos:03}"
    for form in (f"{text}Z", f"{text}+00:00", f"{text}+00", text.replace("T", " ") + "+00:00"):
        assert ns_of_iso(form) == micros * 1_000 + nanos


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-04-07T14:30", "2026-04-07T14:30:02+02:00", "2026-13-07T14:30:02Z",
             "2026-04-07T25:00:00Z", "2026-04-07T14:30:02.1234567890Z", "2026-04-07T14:30:xxZ", "x" * 5000]
)  # fmt: skip
def test_times_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(Offbeat):
        ns_of_iso(text)


def test_stamps_of_any_unit_are_the_same_moment() -> None:
    moment = 1_792_638_003 * 10**9
    for text in ("1792638003", "1792638003000", "1792638003000000", str(moment), "2026-10-22T03:00:03Z"):
        assert ns_of_stamp(text) == moment
    assert ns_of_stamp("") == 0
    for text in ("17926380", "17926380030", "soon"):
        with pytest.raises(Offbeat):
            ns_of_stamp(text)


def test_times_out_of_this_century_are_refused() -> None:
    assert at_ns_of(0, 10**6) == 0
    for count in (-1, 4_102_444_800_000, 10**30):
        with pytest.raises(Offbeat):
            at_ns_of(count, 10**6)
