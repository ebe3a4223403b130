"""The command `rules`: the venue's dated rules in force, by whose word, and the desk's own parameters."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, note, records, say

if TYPE_CHECKING:
    from state.rules import Rule

SPANS_S = {"5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}


def rules(
    at: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Start of the window, UTC: 2026-08-14 or 2026-08-14T12:05; else now."),
    ] = None,
    asset: Annotated[str, typer.Option(help="BTC, ETH, SOL or XRP.")] = "BTC",
    window: Annotated[str, typer.Option(help=f"Length of the window: {', '.join(SPANS_S)}.")] = "5m",
    params: Annotated[bool, typer.Option("--params", help="The desk's parameters instead, with their bounds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say which of the venue's rules are in force.

    For one window: each rule with its value, by whose word, and how far to trust it. Confidence: A official or the
    venue's own data, B measured by others, C a single statement. Exit 1 when a window of that moment could not be
    traded, because a rule of it is unknown or unsupported.

    Example: updown rules --at 2026-08-13 --window 5m
    """
    told = _params() if params else _rules(at, asset, window)
    if as_json:
        answer(told)
    elif params:
        records(told["params"])
    else:
        say(f"{told['asset']} {told['window']} from {told['at']}: {told['refused'] or 'can be traded'}")
        records(told["rules"])
    if not params and told["refused"]:
        note(f"updown: not traded: {told['refused']}")
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def _params() -> dict[str, Any]:
    from state.params import BOUNDS, number_type

    rows = [
        {
            "parameter": name,
            "default": _number(bound.default),
            "low": _number(bound.low),
            "high": _number(bound.high),
            "unit": unit_of(name),
            "riskier": bound.riskier,
            "limit": bound.limit,
            "type": number_type(name).__name__,
            "what": bound.why,
        }
        for name, bound in BOUNDS.items()
    ]
    return {"params": rows}


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value


def unit_of(name: str) -> str:
    """Give the unit that a name states."""
    if name.startswith("p_"):
        return "probability"
    bare = name.removesuffix("_max").removesuffix("_min")
    return bare.rpartition("_")[2]


def _rules(at: str | None, asset: str, window: str) -> dict[str, Any]:
    if window not in SPANS_S:
        raise Misuse(f"no window of length {window!r}; there are {', '.join(SPANS_S)}")
    when_ns = _moment(at)
    from state.events import Asset
    from state.rulebook import RulesUnknown, rules_at, sources_of
    from state.rules import Confidence, Rule
    from state.units import NS_PER_S

    if asset.upper() not in Asset.__members__:
        raise Misuse(f"no asset {asset!r}; there are {', '.join(Asset.__members__)}")
    which, span_s = Asset[asset.upper()], SPANS_S[window]
    found = rules_at(when_ns, which, span_s)
    sources = sources_of(when_ns, which, span_s)
    rows = [
        {
            "rule": rule.name,
            "value": _value(rule, sources[rule].value) if rule in sources else "unknown",
            "since": _since(sources[rule].effective_ns) if rule in sources else "-",
            "trust": Confidence(sources[rule].confidence).name if rule in sources else "-",
            "source": sources[rule].source if rule in sources else "nobody has stated it",
        }
        for rule in Rule
    ]
    return {
        "at": f"{datetime.fromtimestamp(when_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M} UTC",
        "asset": which.name,
        "window": window,
        "refused": found.reason if isinstance(found, RulesUnknown) else None,
        "rules": rows,
    }


def _moment(at: str | None) -> int:
    from infra.clock import now_ns

    if at is None:
        return now_ns()
    try:
        told = datetime.fromisoformat(at)
    except ValueError:
        raise Misuse(f"{at!r} is no date; say 2026-08-14 or 2026-08-14T12:05 (UTC)") from None
    return int(told.replace(tzinfo=told.tzinfo or UTC).timestamp()) * 1_000_000_000


def _value(rule: "Rule", value: int) -> str:
    from state.rules import Rule, Settlement

    return Settlement(value).name if rule is Rule.SETTLEMENT else f"{value:,}"


def _since(effective_ns: int) -> str:
    from state.units import NS_PER_S

    return (
        f"{datetime.fromtimestamp(effective_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M}" if effective_ns else "the beginning"
    )
