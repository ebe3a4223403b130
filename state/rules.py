"""The rules one market trades under, and which of them we can trade under: looked up by date, overridden by its data.

Nothing is assumed: a rule that nobody has stated, or a value that the tools do not reckon with, makes the whole market
one that is never traded (`Rules.refused_code`). What is known of every day stands in `state/rulebook.py`.
"""

from enum import IntEnum
from typing import Any, Final

from numpy.typing import NDArray

from state.compiled import compiled
from state.events import ASSETS
from state.records import I64, Record
from state.units import BPS, MICROS, NS_PER_S

RULES_VERSION: Final = 1


class Rule(IntEnum):
    """One rule of a market; the value's unit is in the name. Codes stay below 64: `known_mask` has a bit for each."""

    SETTLEMENT = 1
    """A `Settlement`."""
    LOOKBACK_S = 2
    """Length of the average at each end of the window; 0 for `POINT`."""
    FEE_RATE_PPM = 3
    FEE_EXPONENT = 4
    FEE_BY_NOTIONAL = 5
    """1: the curve is multiplied by the price once more, as before 2026-03-30."""
    TAKER_ONLY = 6
    """1: makers pay no fee; anything else is not reckoned with."""
    TAKER_HOLD_NS = 7
    REBATE_PPM = 8
    """Share of a market's taker fees that is paid to its makers."""
    REBATE_LEAST_MICROS = 9
    """Less than this is not paid out for a day."""
    TICK_BPS = 10
    """The tick now."""
    TICK_FINE_BPS = 11
    """The tick that a market changes to near 0 and 1."""
    TICK_EDGE_BPS = 12
    """How near: closer than this to 0 or to a dollar."""
    SHARES_MIN_MICROS = 13
    """Least size of a resting order."""
    NOTIONAL_MIN_MICROS = 14
    """Least notional of a marketable order."""
    ORDER_VERSION = 15
    """Version in the domain that orders are signed under."""


class Settlement(IntEnum):
    """What decides a window; equality is UP in all of them."""

    UNKNOWN = 0
    POINT = 1
    """The oracle's last value at the end against that at the start."""
    TWAP = 2
    """The oracle's time-weighted average over `LOOKBACK_S` up to the end against that up to the start."""
    CANDLE = 3
    """An exchange's candle: known, and not priced here."""


class Confidence(IntEnum):
    """How far a dated row is to be trusted."""

    A = 1
    """Official documents or the venue's own data."""
    B = 2
    """Measured by others with a described method, or seen in several independent clients."""
    C = 3
    """One statement, memory or inference."""


ANY: Final = -1
"""Scope of a dated row: every asset that we know, or every window length."""

NOT_WHOLE: Final = -1
"""What a parser hands in for a value that is missing its sense (text, 1.5 as exponent): no rule accepts it."""

UNSTATED: Final = 64
"""Added to a rule's code in `refused_code`: nobody has stated that rule. Without it: its value is not supported."""

FOREIGN: Final = 128
"""`refused_code` of a market that has a rule which is not in `Rule`."""


class Rules(Record):
    """The rules in force for one market, and whether we can trade under them."""

    at_ns: I64
    """The moment the registry was asked about: the window's start."""
    refused_code: I64
    """0: tradable. Else a `Rule`, plus `UNSTATED` when it is unknown; or `FOREIGN`."""
    known_mask: I64
    """Bit `1 << Rule`: somebody has stated it."""
    given_mask: I64
    """Bit `1 << Rule`: the market's own data stated it."""
    foreign_count: I64
    """Rules given that are not in `Rule`."""
    settlement_code: I64
    lookback_s: I64
    fee_rate_ppm: I64
    fee_exponent_count: I64
    fee_by_notional_code: I64
    taker_only_code: I64
    hold_ns: I64
    rebate_ppm: I64
    rebate_least_micros: I64
    tick_bps: I64
    tick_fine_bps: I64
    tick_edge_bps: I64
    min_shares_micros: I64
    min_notional_micros: I64
    order_version_code: I64


class DatedRule(Record):
    """One row of the registry as compiled code reads it; rows are sorted, so the last that fits is the one in force."""

    effective_ns: I64
    asset_code: I64
    """An `Asset` or `ANY`."""
    window_s: I64
    """A window length or `ANY`."""
    rule_code: I64
    value_count: I64
    """The value, whole, in the rule's unit."""
    confidence_code: I64


SIGNED_V1_UNTIL_NS: Final = 1_777_374_000 * NS_PER_S
"""2026-04-28 11:00 UTC: orders of version 1 died then; a recording from before is still a market under known rules."""

_SETTLEMENT, _LOOKBACK, _HOLD = int(Rule.SETTLEMENT), int(Rule.LOOKBACK_S), int(Rule.TAKER_HOLD_NS)
_RATE, _EXPONENT, _BY_NOTIONAL = int(Rule.FEE_RATE_PPM), int(Rule.FEE_EXPONENT), int(Rule.FEE_BY_NOTIONAL)
_TAKER_ONLY, _REBATE, _LEAST = int(Rule.TAKER_ONLY), int(Rule.REBATE_PPM), int(Rule.REBATE_LEAST_MICROS)
_TICK, _FINE, _EDGE = int(Rule.TICK_BPS), int(Rule.TICK_FINE_BPS), int(Rule.TICK_EDGE_BPS)
_SHARES, _NOTIONAL, _VERSION = int(Rule.SHARES_MIN_MICROS), int(Rule.NOTIONAL_MIN_MICROS), int(Rule.ORDER_VERSION)
_LAST = max(int(rule) for rule in Rule)
_POINT, _TWAP = int(Settlement.POINT), int(Settlement.TWAP)
_ASSETS, _ANY, _UNSTATED, _FOREIGN = int(ASSETS), int(ANY), int(UNSTATED), int(FOREIGN)
_HOLD_MOST_NS = 5 * NS_PER_S
"""A hold longer than this is no hold that the tools were made for."""


@compiled
def _put_fee(rules: Rules, rule_code: int, value: int) -> None:
    if rule_code == _RATE:
        rules.fee_rate_ppm = value
    elif rule_code == _EXPONENT:
        rules.fee_exponent_count = value
    elif rule_code == _BY_NOTIONAL:
        rules.fee_by_notional_code = value
    elif rule_code == _TAKER_ONLY:
        rules.taker_only_code = value
    elif rule_code == _REBATE:
        rules.rebate_ppm = value
    elif rule_code == _LEAST:
        rules.rebate_least_micros = value


@compiled
def _put_trading(rules: Rules, rule_code: int, value: int) -> None:
    if rule_code == _SETTLEMENT:
        rules.settlement_code = value
    elif rule_code == _LOOKBACK:
        rules.lookback_s = value
    elif rule_code == _HOLD:
        rules.hold_ns = value
    elif rule_code == _TICK:
        rules.tick_bps = value
    elif rule_code == _FINE:
        rules.tick_fine_bps = value
    elif rule_code == _EDGE:
        rules.tick_edge_bps = value
    elif rule_code == _SHARES:
        rules.min_shares_micros = value
    elif rule_code == _NOTIONAL:
        rules.min_notional_micros = value
    elif rule_code == _VERSION:
        rules.order_version_code = value


@compiled
def _unsupported_fee(rules: Rules) -> int:
    """Give the fee rule whose value the tools do not reckon with, or 0."""
    if rules.fee_rate_ppm < 0 or rules.fee_rate_ppm > MICROS:
        return _RATE
    if rules.fee_exponent_count != 1 and rules.fee_exponent_count != 2:
        return _EXPONENT
    if rules.fee_by_notional_code != 0 and rules.fee_by_notional_code != 1:
        return _BY_NOTIONAL
    if rules.taker_only_code != 1:
        return _TAKER_ONLY
    if rules.rebate_ppm < 0 or rules.rebate_ppm > MICROS:
        return _REBATE
    if rules.rebate_least_micros < 0:
        return _LEAST
    return 0


@compiled
def _unsupported_order(rules: Rules) -> int:
    """Give the rule of orders whose value the tools do not reckon with, or 0."""
    if rules.tick_bps != 100 and rules.tick_bps != 10:
        return _TICK
    if rules.tick_fine_bps != 100 and rules.tick_fine_bps != 10:
        return _FINE
    if rules.tick_edge_bps < 0 or rules.tick_edge_bps > 5_000:
        return _EDGE
    if rules.min_shares_micros < 0:
        return _SHARES
    if rules.min_notional_micros < 0:
        return _NOTIONAL
    version = rules.order_version_code
    if version == 2 or version == 3:
        return 0
    return 0 if version == 1 and rules.at_ns < SIGNED_V1_UNTIL_NS else _VERSION


@compiled
def _unsupported(rules: Rules) -> int:
    """Give the first rule whose value the tools do not reckon with, or 0."""
    if rules.settlement_code != _POINT and rules.settlement_code != _TWAP:
        return _SETTLEMENT
    point = rules.settlement_code == _POINT
    if point and rules.lookback_s != 0:
        return _LOOKBACK
    if not point and rules.lookback_s != 30 and rules.lookback_s != 60:
        return _LOOKBACK
    if rules.hold_ns < 0 or rules.hold_ns > _HOLD_MOST_NS:
        return _HOLD
    code = _unsupported_fee(rules)
    return code if code != 0 else _unsupported_order(rules)


@compiled
def judge_rules(rules: Rules) -> int:
    """Set and give `refused_code` from what the row holds now: a refusal lasts as long as its cause."""
    rules.refused_code = 0
    if rules.foreign_count > 0:
        rules.refused_code = _FOREIGN
        return _FOREIGN
    for code in range(1, _LAST + 1):
        if (rules.known_mask >> code) & 1 == 0:
            rules.refused_code = _UNSTATED + code
            return _UNSTATED + code
    rules.refused_code = _unsupported(rules)
    return int(rules.refused_code)


@compiled
def apply_rule(rules: Rules, rule_code: int, value: int) -> int:
    """Override one rule with what the market's own data say; call it for `RULE_GIVEN` and `TICK_CHANGED`.

    The value is kept as it was given, also when it cannot be traded under: settlement and look-back may come one
    after the other, and the refusal in between goes when the second has come.

    Returns:
        The new `refused_code`; 0 means tradable.
    """
    code = int(rule_code)
    if code < 1 or code > _LAST:
        rules.foreign_count += 1
    else:
        _put_trading(rules, code, int(value))
        _put_fee(rules, code, int(value))
        rules.known_mask |= 1 << code
        rules.given_mask |= 1 << code
    return judge_rules(rules)


@compiled
def rules_in_force(table: NDArray[Any], when_ns: int, asset_code: int, window_s: int, rules_out: Rules) -> int:
    """Look up the rules of a window that starts at `when_ns` into `rules_out`; call it for `MARKET_LISTED`.

    Args:
        table: `state.rulebook.REGISTRY`, or another table of its form, sorted by effective time.
        when_ns: The window's start, UTC. Settlement compares averages that end at both ends of the window; that a
            window which straddles a change keeps the rule it began with is an inference.
        asset_code: An `Asset`; one that we do not know has no rules.
        window_s: Length of the window.
        rules_out: Overwritten.

    Returns:
        `refused_code`; 0 means tradable.
    """
    rules_out.at_ns = int(when_ns)
    rules_out.known_mask = 0
    rules_out.given_mask = 0
    rules_out.foreign_count = 0
    for code in range(1, _LAST + 1):
        _put_trading(rules_out, code, 0)
        _put_fee(rules_out, code, 0)
    if asset_code < 0 or asset_code >= _ASSETS:
        return judge_rules(rules_out)
    for index in range(len(table)):
        row = table[index]
        if row.effective_ns > when_ns:
            break
        if row.asset_code != _ANY and row.asset_code != asset_code:
            continue
        if row.window_s != _ANY and row.window_s != window_s:
            continue
        _put_trading(rules_out, row.rule_code, row.value_count)
        _put_fee(rules_out, row.rule_code, row.value_count)
        rules_out.known_mask |= 1 << row.rule_code
    return judge_rules(rules_out)


@compiled
def fine_tick_due(rules: Rules, price_bps: int) -> bool:
    """Say whether the venue changes a market that trades at this price to its fine tick (venue reference 2.4).

    Doubt: whether it changes back when the price returns is not documented; the told tick rules, this only foretells.
    """
    price = int(price_bps)
    return bool(price < rules.tick_edge_bps or price > BPS - rules.tick_edge_bps)
