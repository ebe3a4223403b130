"""The explainer: plain English to questions of the record, by rules; the chat's ear where there is no model.

It knows the words of this desk and nothing else: what it does not understand it says so, with what can be asked. The
rules are tried from the most telling to the vaguest, and the first that fits decides.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from state.params import BOUNDS

TEXT_CHARS: Final = 2_000
"""Longer questions are read so far."""

_SLUG: Final = re.compile(r"\b[a-z]{2,6}-updown-\d+[mh]-\d+\b")
_DECISION: Final = re.compile(
    r"\b(?:decisions?|mandates?)\s*(?:number|no\.?)?\s*#?(\d{1,12})|#(\d{1,12})\b", re.IGNORECASE
)
_ORDER: Final = re.compile(r"\borders?\s*(?:number|no\.?)?\s*#?(\d{1,12})", re.IGNORECASE)
_PAIR: Final = re.compile(
    r"(\d{1,12})\s*(?:and|with|to|vs\.?|versus|against|,)\s*(?:decision\s*)?#?(\d{1,12})", re.IGNORECASE
)
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|sec|seconds?)\b", re.IGNORECASE)
_PRICE: Final = re.compile(
    r"(?P<dollars>\$?0?\.\d+)|(?P<cents>\d+(?:\.\d+)?)\s*(?:c|¢|cents?)\b|(?P<bps>\d+)\s*bps", re.IGNORECASE
)
_FEE: Final = re.compile(
    r"(?P<percent>\d+(?:\.\d+)?)\s*(?:%|percent)|(?P<ppm>\d+)\s*ppm|(?P<ratio>0?\.\d+)", re.IGNORECASE
)
_WITHOUT: Final = re.compile(
    r"\b(?:without|ignor\w+|minus|leaving out|switch(?:ed|ing)? off|if)\s+(?:the\s+)?"
    r"(spread|lead[ _-]?lag|flow|liquidity)",
    re.IGNORECASE,
)
_NAME_VALUE: Final = re.compile(
    r"([a-z][a-z_]{2,39})\s*(?:=|was|were|is|at|of|to|had been)\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)"
)
_GATES: Final = ("look", "signal", "validate", "risk", "size")
_LAST: Final = re.compile(r"\b(last|latest|newest|most recent)\b", re.IGNORECASE)
_WHY: Final = re.compile(
    r"\b(why|explain|what happened|reason|how come|tell me about|what about|show)\b", re.IGNORECASE
)
_IF: Final = re.compile(
    r"\b(what if|if|had (?:we|it|the|decision|mandate|#)|would|without|instead|suppose|counterfactual)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of the record."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Understood:
    """What is to be asked, in order."""

    asks: tuple[Ask, ...]
    explain_first: bool = False
    """The first decision that is found is to be explained, too."""
    change_first: Mapping[str, Any] | None = None
    """The core is to run again on the first decision that is found, with this changed."""


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """It fits no rule; the words say what can be asked."""

    words: str


def understand(text: str, last_decision: int | None = None) -> Understood | NotUnderstood:
    """Turn a user's words into questions of the record.

    Args:
        text: as it was typed; data, whatever it says.
        last_decision: the one that was spoken of before, for "it" and "that".
    """
    heard = _Heard.of(text[:TEXT_CHARS], last_decision)
    if heard.has(r"\b(other|another) (bot|trader|desk|fund|firm)s?\b|\bcompetitors?\b"):
        return NotUnderstood(HELP)
    for rule in _RULES:
        found = rule(heard)
        if found is not None:
            return found
    return NotUnderstood(HELP)


def follow_up(understood: Understood, results: Sequence[Mapping[str, Any]]) -> tuple[Ask, ...]:
    """Give what is to be asked next, now that the first answers are there."""
    found = results[0].get("decisions") if results else None
    if not found:
        return ()
    first = {"decision": int(found[0]["decision"])}
    asks = (Ask("get_decision", first),) if understood.explain_first else ()
    changed = understood.change_first
    return asks if changed is None else (*asks, Ask("counterfactual", {**first, **changed}))


def last_named(asks: Sequence[Ask], results: Sequence[Mapping[str, Any]]) -> int | None:
    """Give the decision that a turn was about; None when it was about none, or several."""
    told = [ask.arguments.get("decision") for ask in asks] + [result.get("decision") for result in results]
    named = {number for number in told if isinstance(number, int)}
    return named.pop() if len(named) == 1 else None


@dataclass(frozen=True, slots=True)
class _Heard:
    text: str
    low: str
    decisions: tuple[int, ...]
    orders: tuple[int, ...]
    window: str | None
    last: int | None

    @classmethod
    def of(cls, text: str, last: int | None) -> "_Heard":
        slugs = _SLUG.findall(text.lower())
        bare = _SLUG.sub(" ", text)
        decisions = [int(one or other) for one, other in _DECISION.findall(bare)]
        decisions += [
            int(two) for one, two in _PAIR.findall(bare) if int(one) in decisions and int(two) not in decisions
        ]
        orders = tuple(int(number) for number in _ORDER.findall(bare))
        return cls(bare, bare.lower(), tuple(decisions), orders, slugs[0] if slugs else None, last)

    @property
    def decision(self) -> int | None:
        """The decision that is meant: named, or spoken of before."""
        if self.decisions:
            return self.decisions[0]
        return self.last if re.search(r"\b(it|that|this|then|there|same)\b", self.low) else None

    def has(self, pattern: str) -> bool:
        return re.search(pattern, self.low) is not None


_Rule = Callable[[_Heard], Understood | None]


def _one(name: str, **arguments: Any) -> Understood:
    return Understood((Ask(name, {key: value for key, value in arguments.items() if value is not None}),))


def _compare(heard: _Heard) -> Understood | None:
    if not heard.has(r"\b(compar\w*|differ\w*|versus|vs|side by side|unlike)\b"):
        return None
    numbers = [*heard.decisions]
    if len(numbers) < 2 and (pair := _PAIR.search(heard.text)):
        numbers = [int(pair[1]), int(pair[2])]
    if len(numbers) == 1 and heard.last is not None:
        numbers = [heard.last, numbers[0]]
    return _one("compare_decisions", first=numbers[0], second=numbers[1]) if len(numbers) > 1 else None


def _counterfactual(heard: _Heard) -> Understood | None:
    if _IF.search(heard.low) is None:
        return None
    changed = _change(_DECISION.sub(" ", heard.text))
    if not changed:
        return None
    if heard.decision is not None:
        return _one("counterfactual", decision=heard.decision, **changed)
    if heard.last is not None and not _LAST.search(heard.low):
        return _one("counterfactual", decision=heard.last, **changed)
    newest = _one("find_decisions", outcome="traded", window=heard.window, most=1)
    return Understood(newest.asks, change_first=changed)


def _change(text: str) -> dict[str, Any]:
    """Find the one thing that is to be other."""
    low = text.lower()
    for name, value in _NAME_VALUE.findall(low):
        if name in BOUNDS:
            return {"parameter": name, "value": float(value)}
    if found := _WITHOUT.search(low):
        return {"without": re.sub(r"[ -]", "_", found[1]).replace("leadlag", "lead_lag")}
    if re.search(r"\b(no|without|zero) fees?\b", low):
        return {"fee_rate_ppm": 0}
    if "fee" in low and (found := _FEE.search(low)):
        ppm = found["ppm"] or float(found["percent"] or 0) * 1e4 or float(found["ratio"] or 0) * 1e6
        return {"fee_rate_ppm": round(float(ppm))}
    if re.search(r"\b(latency|late[r]?|slow\w*|fast\w*|delay\w*|hold)\b", low) and (found := _SPAN.search(low)):
        return {"latency_ms": float(found[1]) * (1.0 if found[2].startswith("m") else 1000.0)}
    price = _price(low)
    if price is not None and re.search(r"\b(post\w*|quot\w*|bid|rest\w*|maker?)\b", low):
        return {"posted_at_bps": price}
    if price is not None and re.search(r"\b(ask|offer\w*|price\w*|cost)\b", low):
        return {"ask_bps": price}
    return {}


def _price(low: str) -> int | None:
    found = _PRICE.search(low)
    if found is None:
        return None
    if found["dollars"]:
        return round(float(found["dollars"].lstrip("$")) * 1e4)
    return round(float(found["cents"]) * 100) if found["cents"] else int(found["bps"])


def _orders(heard: _Heard) -> Understood | None:
    if heard.orders:
        return _one("find_orders", order=heard.orders[0])
    if not heard.has(r"\b(orders?|fills?|filled|executions?)\b"):
        return None
    return _one("find_orders", decision=heard.decision, window=heard.window)


def _named_decision(heard: _Heard) -> Understood | None:
    if heard.decisions:
        return Understood(tuple(Ask("get_decision", {"decision": number}) for number in heard.decisions[:3]))
    return _one("get_decision", decision=heard.decision) if heard.decision and _WHY.search(heard.low) else None


def _aside(heard: _Heard) -> Understood | None:
    if not heard.has(
        r"\b(st[oa]nd(?:s|ing)?|stood)[ -]?asides?\b|\brefus|\b(not|n't|no) (trad|fire|buy|bid|order)"
        r"|\bwhy no(t| trades?)\b"
    ):
        return None
    gate = next((name for name in _GATES if heard.has(rf"\b{name} gate\b|\bgate {name}\b")), None)
    reason = re.search(r"because (?:of )?(?:the )?([a-z ]{3,60})", heard.low)
    asked = _one(
        "find_decisions",
        outcome="stood_aside",
        window=heard.window,
        gate=gate,
        reason=reason[1].strip() if reason else None,
    )
    return Understood(asked.asks, explain_first=_LAST.search(heard.low) is not None)


def _found(heard: _Heard) -> Understood | None:
    if heard.has(r"\b(largest|biggest|best|highest) edges?\b"):
        return _one("find_decisions", sort="largest_edge", window=heard.window)
    if not heard.has(r"\b(trade[sd]?|trading|fired?|bought|buy|decisions?|decide\w*)\b"):
        return None
    outcome = "traded" if heard.has(r"\b(trade[sd]?|fired?|bought|buy)\b") else None
    is_last = _LAST.search(heard.low) is not None
    asked = _one("find_decisions", outcome=outcome, window=heard.window, most=1 if is_last else None)
    return Understood(asked.asks, explain_first=is_last or heard.has(r"\bwhy\b"))


def _window(heard: _Heard) -> Understood | None:
    if heard.window is None:
        return _one("windows") if heard.has(r"\bwindows?\b|\boutcomes?\b|\bstrikes?\b") else None
    if heard.has(r"\b(fees?|settle\w*|rules?|tick)\b"):
        return _one("rules_of_the_day", window=heard.window)
    if heard.has(r"\b(how many|count|list|which|number of)\b.*\b(decisions?|trade[sd]?|fired)\b"):
        return _found(heard)
    asks = [Ask("windows", {"window": heard.window})]
    if _WHY.search(heard.low):
        asks.append(Ask("find_decisions", {"window": heard.window, "outcome": "traded", "most": 5}))
    return Understood(tuple(asks))


def _says(pattern: str, name: str) -> _Rule:
    def rule(heard: _Heard) -> Understood | None:
        return _one(name) if heard.has(pattern) else None

    return rule


_RULES: Final[tuple[_Rule, ...]] = (
    _compare,
    _counterfactual,
    _named_decision,
    _aside,
    _says(r"\b(calibrat\w*|brier|log[ -]?loss|accura\w*|beats? the book|forecasts?)\b", "calibration"),
    _says(
        r"\b(profit\w*|p ?& ?l|pnl|money|earn\w*|made|lost|position\w*|holding|equity|balance)\b",
        "position_and_profit",
    ),
    _says(r"\b(parameters?|params?|settings?|receipts?|tun(?:ed|ing))\b", "parameter_history"),
    _says(r"\b(limits?|risks?|exposure|headroom)\b", "risk_state"),
    _window,
    _says(r"\b(feeds?|health\w*|connect\w*|disconnect\w*|stale|halt\w*|alarms?|down|outages?)\b", "feeds_and_health"),
    _says(r"\b(rules?|fees?|settle[sd]?|settlement|tie|tick size|look-?back|hold)\b", "rules_of_the_day"),
    _orders,
    _found,
)  # fmt: skip

HELP: Final = (
    "I can say why a decision came about (`why decision N`), why nothing was traded, what a change would have made "
    "(`decision N with a latency of M ms`, `decision N without flow`, `had decision N posted at P c`), compare "
    "decisions, and tell of orders, windows, position and profit, feeds, parameters, limits, rules and calibration."
)
