"""The doctor's judgement, check by check: what it makes of typed answers from good worlds and bad ones."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.doctor.account import (
    cash_micros_of,
    judge_funds,
    judge_open_orders,
    judge_wallet,
    look_at_key,
    look_at_signing,
    spender_of,
)
from infra.doctor.chain import Approval, approvals_for, judge_allowances
from infra.doctor.check import Check, State, refusals
from infra.doctor.feeds import judge_feeds
from infra.doctor.golden import VECTORS, differing
from infra.doctor.machine import (
    DAY_BYTES,
    LEAST_BYTES,
    judge_disk,
    judge_software,
    look_at_disk,
    look_at_software,
)
from infra.doctor.market import differing as odd_rules
from infra.doctor.market import judge_market
from infra.doctor.minima import judge_settings
from infra.doctor.place import judge_geoblock, judge_skew, judge_version
from infra.feeds import clob_rest
from infra.feeds.frames import Offbeat, Wire
from infra.streams.clock_offset import Bounds, Skew
from infra.streams.life import Health
from infra.streams.life import State as Feed
from infra.streams.rest import Answer, Missed
from infra.venues.rest import Reply
from infra.venues.secrets import Identity, identity_from
from infra.wallets import proxy_wallet_of, safe_of
from state.events import Asset
from state.params import default_params
from state.records import as_dict
from state.rulebook import rules_at, utc_ns
from state.rules import NOT_WHOLE, Rule
from state.units import MICROS
from tools.minimums import Minima

KEY = "11" * 32
STANDARD = Minima(5 * MICROS, MICROS, 100)


def answer(raw: bytes) -> Answer:
    return Answer(raw, 0, 0)


def identity(**more: str) -> Identity:
    return identity_from({"UPDOWN_PRIVATE_KEY": KEY} | more)


def told(check: Check) -> tuple[str, str]:
    """Give state and line; a line is one line, and whatever is not ready says what to do."""
    assert "\n" not in check.line
    return str(check.state), check.line


# The place.


@pytest.mark.parametrize(
    ("raw", "state", "words"),
    [
        (b'{"blocked":false,"ip":"1.2.3.4","country":"IE","region":"L"}', "ready", "trading is allowed from IE L"),
        (b'{"blocked":true,"country":"US","region":"NY"}', "refused", "trading is not allowed from US NY"),
        (b'{"blocked":"no"}', "refused", "says neither yes nor no"),
        (b"<html>", "refused", "says neither yes nor no"),
    ],
)
def test_only_a_plain_no_to_blocked_lets_anybody_trade(raw: bytes, state: str, words: str) -> None:
    found = told(judge_geoblock(answer(raw)))
    assert found[0] == state and words in found[1]


def test_silence_about_the_place_is_no_permission() -> None:
    assert told(judge_geoblock(Missed("no answer: TimeoutError")))[0] == "refused"


@pytest.mark.parametrize(
    ("raw", "state"), [(b'{"version":2}', "ready"), (b'{"version":3}', "refused"), (b'{"version":null}', "refused")]
)
def test_another_generation_of_orders_is_refused(raw: bytes, state: str) -> None:
    assert told(judge_version(answer(raw)))[0] == state


@given(st.integers(-10_000, 10_000), st.integers(0, 400))
def test_clocks_are_judged_by_what_is_certain(offset_ms: int, bound_ms: int) -> None:
    """Half a second warns, two seconds refuse (venue reference 10); a wide bound is no reason to refuse."""
    skew = Skew([Bounds((offset_ms - bound_ms) * 10**6, (offset_ms + bound_ms) * 10**6, 0)])
    certain_ms = abs(offset_ms) - bound_ms
    wanted = State.REFUSED if certain_ms >= 2_000 else State.WARNING if certain_ms >= 500 else State.READY
    assert judge_skew(skew).state is wanted


def test_a_venue_that_tells_no_time_is_refused() -> None:
    assert judge_skew(Skew()).state is State.REFUSED


# Signing and key.


def test_the_golden_vectors_come_out_and_one_that_does_not_is_named() -> None:
    assert differing() == () and look_at_signing().state is State.READY
    check = look_at_signing(("log-in",))
    assert check.state is State.REFUSED and "log-in" in check.words


def test_a_library_that_signs_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VECTORS, "order id, own account", "0x00")
    assert differing() == ("order id, own account",)


def test_of_the_key_only_its_address_is_said() -> None:
    check = look_at_key(identity())
    assert VECTORS["address"] in check.words and KEY not in check.line
    assert told(look_at_key(None, "no key to sign with: set it")) == ("refused", "key: no key to sign with: set it")


# The account.


def reply(raw: bytes, status: int = 200) -> Reply:
    return Reply(status, raw, 0.0, 0, 0)


def test_credentials_are_proven_by_a_request_that_costs_nothing() -> None:
    assert judge_open_orders(reply(b'{"data":[],"next_cursor":"LTE="}')).state is State.READY
    refused = judge_open_orders(reply(b'{"error":"Unauthorized/Invalid api key"}', 401))
    assert refused.state is State.REFUSED and "does not take them: 401 Unauthorized" in refused.words


STRANGER = "0x" + "5a" * 20
PROXY, SAFE = proxy_wallet_of(VECTORS["address"]), safe_of(VECTORS["address"])


@pytest.mark.parametrize(
    ("more", "stands", "state", "words"),
    [
        ({}, True, "ready", "deposit wallet .* deployed, this key's own"),
        ({}, False, "refused", "nothing stands at that address"),
        ({}, None, "warning", "could not be asked of the chain"),
        ({"UPDOWN_WALLET": STRANGER}, True, "warning", "is not the one that the factory places for this key"),
        ({"UPDOWN_WALLET": STRANGER}, False, "refused", "is no deposit wallet"),
        ({"UPDOWN_WALLET_TYPE": "0"}, False, "warning", "only some accounts may trade so"),
        ({"UPDOWN_WALLET_TYPE": "1", "UPDOWN_WALLET": PROXY}, True, "warning", "proxy .* from before deposit"),
        ({"UPDOWN_WALLET_TYPE": "2", "UPDOWN_WALLET": SAFE}, True, "warning", "safe .* from before deposit"),
        ({"UPDOWN_WALLET_TYPE": "1", "UPDOWN_WALLET": SAFE}, True, "refused", "is not the one that the factory places"),
        ({"UPDOWN_WALLET_TYPE": "2", "UPDOWN_WALLET": STRANGER}, True, "refused", "safe .* is not the one"),
        ({"UPDOWN_WALLET_TYPE": "2", "UPDOWN_WALLET": STRANGER}, False, "refused", "is no safe"),
    ],
)
def test_kinds_of_wallets(more: dict[str, str], stands: bool | None, state: str, words: str) -> None:
    found = told(judge_wallet(identity(**more), stands))
    assert found[0] == state and re.search(words, found[1]), found


def given_approvals(**changed: int | None) -> dict[Approval, int | None]:
    found: dict[Approval, int | None] = {each: (1 if each.of_tokens else 1 << 255) for each in approvals_for(2)}
    for each in found:
        found[each] = changed.get(each.purpose.replace(" ", "_"), found[each])
    return found


BELIEVED = {spender_of(2): str(1 << 255)}


@pytest.mark.parametrize(
    ("changed", "believed", "state", "words"),
    [
        ({}, BELIEVED, "ready", "given: to buy"),
        ({"to_buy": 0}, BELIEVED, "refused", "missing: to buy"),
        ({"to_sell": 0}, BELIEVED, "refused", "missing: to sell"),
        ({"to_merge_and_redeem": 0}, BELIEVED, "warning", "missing: to merge and redeem"),
        ({"to_buy": 10 * MICROS}, BELIEVED, "warning", "is below the largest position"),
        ({}, {spender_of(2): "0"}, "refused", "the venue does not see it yet: to buy"),
        ({"to_buy": None}, BELIEVED, "warning", "could not be asked: to buy"),
        ({"to_buy": None}, {spender_of(2): "0"}, "refused", "missing: to buy"),
        ({}, None, "ready", "given"),
    ],
)
def test_allowances_by_chain_and_venue(
    changed: dict[str, int | None], believed: dict[str, str] | None, state: str, words: str
) -> None:
    found = told(judge_allowances(given_approvals(**changed), believed, 50_000 * MICROS))
    assert found[0] == state and words in found[1], found


def test_markets_of_version_three_need_other_allowances() -> None:
    assert {each.spender for each in approvals_for(3) if each.needed} == {spender_of(3)} != {spender_of(2)}


@pytest.mark.parametrize(
    ("cash", "state"), [(0, "refused"), (4_949_999, "refused"), (50 * MICROS, "warning"), (10**12, "ready")]
)
def test_funds(cash: int, state: str) -> None:
    assert told(judge_funds(cash, default_params(), 4_950_000))[0] == state


@given(st.integers(0, 10**15))
def test_a_balance_is_read_in_micros_to_the_last_one(micros: int) -> None:
    assert cash_micros_of(clob_rest.Balance(str(micros))) == micros


@pytest.mark.parametrize("text", ["", "all of it", "nan", "-1"])
def test_a_balance_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Offbeat):
        cash_micros_of(clob_rest.Balance(text))


# Rules and settings.


def registry() -> dict[str, Any]:
    rules = rules_at(utc_ns("2026-11-22"), Asset.BTC, 300)
    return as_dict(rules)


STATED = {Rule.FEE_RATE_PPM: 70_000, Rule.FEE_EXPONENT: 1, Rule.TICK_BPS: 100, Rule.SHARES_MIN_MICROS: 5 * MICROS}


def test_a_market_as_the_registry_has_it_is_in_order_on_either_tick() -> None:
    assert odd_rules(registry(), STATED, "catalogue") == []
    assert odd_rules(registry(), STATED | {Rule.TICK_BPS: 10}, "catalogue") == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({Rule.FEE_RATE_PPM: 90_000}, "catalogue says FEE_RATE_PPM = 90,000, the registry 70,000"),
        ({Rule.FEE_EXPONENT: 2}, "FEE_EXPONENT = 2, the registry 1"),
        ({Rule.ORDER_VERSION: NOT_WHOLE}, "ORDER_VERSION = something that makes no sense"),
        ({Rule.TAKER_HOLD_NS: 0}, "TAKER_HOLD_NS = 0, the registry 150,000,000"),
        ({Rule.LOOKBACK_S: 30}, "LOOKBACK_S = 30, the registry 60"),
        ({Rule.TICK_BPS: 50}, "TICK_BPS = 50"),
    ],
)
def test_any_rule_that_is_stated_otherwise_is_named(changed: dict[Rule, int], words: str) -> None:
    (odd,) = odd_rules(registry(), STATED | changed, "catalogue")
    assert words in odd


def test_a_rule_that_nobody_states_any_more_is_named() -> None:
    for rule in STATED:
        kept = {each: value for each, value in STATED.items() if each is not rule}
        assert odd_rules(registry(), kept, "order book") == [f"the order book does not state {rule.name}"]


def test_without_a_live_market_nothing_is_traded() -> None:
    assert judge_market("no window is listed").state is State.REFUSED
    assert judge_settings(default_params(), None).state is State.REFUSED


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({}, "ready", "5 shares, up to $4.95"),
        ({"order_micros": 1_000_000}, "refused", "order_micros = 1000000 ($1.00)"),
        ({"position_micros": 4_949_999}, "refused", "position_micros"),
        ({"daily_loss_micros": 0}, "refused", "daily_loss_micros = 0"),
        ({"concurrent_count": 0}, "refused", "allows no window at all"),
        ({"requote_ns": 50_000_000}, "warning", "200 orders a second"),
        ({"requote_ns": 50_000_000, "may_quote_count": 0}, "ready", ""),
    ],
)
def test_a_knob_that_the_venue_cannot_honour_is_refused(changes: dict[str, float], state: str, words: str) -> None:
    found = told(judge_settings(default_params(changes), STANDARD))
    assert found[0] == state and words in found[1], found


@given(st.integers(1, 100).map(lambda shares: shares * MICROS), st.sampled_from([10, 100]), st.integers(1, 99))
def test_a_limit_that_passes_affords_the_smallest_order_at_every_price(shares: int, tick: int, cents: int) -> None:
    minima = Minima(shares, MICROS, tick)
    assert minima.order_micros >= shares * cents // 100


# The machine.


def test_disk_room_and_speed() -> None:
    place = Path("/somewhere")
    assert judge_disk(place, LEAST_BYTES - 1, 0).state is State.REFUSED
    assert judge_disk(place, DAY_BYTES - 1, 0).state is State.WARNING
    assert judge_disk(place, DAY_BYTES, 10**8 + 1).state is State.WARNING
    assert judge_disk(place, DAY_BYTES, 10**6).state is State.READY


def test_a_folder_that_is_not_there_yet_is_judged_by_the_disk_it_will_be_on(tmp_path: Path) -> None:
    check = look_at_disk(tmp_path / "of" / "tomorrow")
    assert str(tmp_path) in check.words and list(tmp_path.iterdir()) == [], "and nothing is left behind"


def test_a_place_that_cannot_be_written_to_is_refused() -> None:
    check = look_at_disk(Path("/proc/updown"))
    assert check.state is State.REFUSED and "cannot be written to" in check.words


def test_software_is_held_against_the_lock_file() -> None:
    pinned = {"aiohttp": {"3.14.5"}, "numpy": {"2.4.6", "2.5.5"}}
    right = {"aiohttp": "3.14.5", "numpy": "2.4.6"}
    assert judge_software(pinned, right).state is State.READY
    assert "numpy 2.3.0 (pinned 2.4.6 or 2.5.5)" in judge_software(pinned, right | {"numpy": "2.3.0"}).words
    assert "aiohttp missing" in judge_software(pinned, right | {"aiohttp": ""}).words
    strange = judge_software(pinned, right | {"polymarket": "0.1.2"})
    assert strange.state is State.REFUSED and "uninstall polymarket" in strange.mend
    assert look_at_software().state is not State.REFUSED


# Feeds.


def health(wire: Wire, state: Feed = Feed.UP, age_s: float = 0.1, why: str = "") -> Health:
    return Health(wire, state, 1, age_s, 5, 100, 0, 0, 0, 0, 0, why, "")


ALL = (
    health(Wire.POLYMARKET_MARKET), health(Wire.POLYMARKET_USER, age_s=-1.0), health(Wire.POLYBOLT),
    health(Wire.RTDS, Feed.IDLE, -1.0), health(Wire.GAMMA), health(Wire.CLOB_REST), health(Wire.BINANCE_SPOT),
    health(Wire.POLYGON),
)  # fmt: skip


def instead(bad: Health) -> tuple[Health, ...]:
    return tuple(bad if each.wire is bad.wire else each for each in ALL)


def test_feeds_that_speak_are_ready_and_the_user_channel_may_be_quiet() -> None:
    assert refusals(judge_feeds(ALL)) == () and len(judge_feeds(ALL)) == len(ALL)


@pytest.mark.parametrize("wire", [Wire.POLYMARKET_MARKET, Wire.POLYMARKET_USER, Wire.POLYBOLT, Wire.GAMMA])
def test_the_venues_own_feeds_are_needed(wire: Wire) -> None:
    checks = judge_feeds(instead(health(wire, Feed.DOWN, -1.0, "no answer: ClientConnectorError")))
    assert [check.name for check in refusals(checks)] == [f"feed: {wire.name.lower()}"]


def test_a_feed_that_is_connected_and_says_nothing_is_no_feed() -> None:
    checks = judge_feeds(instead(health(Wire.POLYBOLT, age_s=-1.0)))
    assert "connected and says nothing" in refusals(checks)[0].words


def test_one_exchange_may_be_missing_but_not_all() -> None:
    down = health(Wire.BINANCE_SPOT, Feed.DOWN, -1.0, "refused with 451")
    assert [check.name for check in refusals(judge_feeds(instead(down)))] == ["feed: exchanges"]
    checks = judge_feeds((*instead(down), health(Wire.OKX)))
    assert refusals(checks) == () and any(check.state is State.WARNING for check in checks)
