"""Contradictions: what an answer says of a decision in words, held against what the record said of that decision.

Held are: whether it traded, was allowed or stood aside; the gate that closed; how its window settled; whether its
orders filled, and won or lost; the desk's profit as a whole; the coded main cause; and that a reason of the house is
only given where the record gives it. A sentence is held against the one decision that it names, or, naming none,
against the only one that was asked about. Not held: sentences about several decisions, suppositions ("would have"),
decisions that the core was run again on, and whatever is said in other words than these. So this catches what is
plainly contrary, and no more.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from state.reasons import WORDS, Reason

_SENTENCE: Final = re.compile(r"(?<=[.;!?])\s+|\n+")
_DECISION: Final = re.compile(r"\b(?:decision|mandate)s?\s*#?(\d+)((?:\s*(?:,|and|or)\s*#?\d+)*)", re.IGNORECASE)
_SUPPOSED: Final = re.compile(
    r"\b(would|could|might|if|had|unless|instead|should|may|expected|expects?|without)\b", re.IGNORECASE
)
_NOT: Final = r"(?:\bnot|n't|\bnever|\bno|\bnor|\bneither|\bnothing|\bnone)(?:\s+\w+){0,2}\s+"
_ASIDE: Final = re.compile(
    r"\b(?:stood|stand|stands|standing) aside\b|\bwas (?:blocked|refused|vetoed|stopped)\b", re.I
)
_NO_TRADE: Final = re.compile(
    r"(?:\bnot|n't|\bnever)\s+(?:trade|traded|fire|fired|buy|bought)\b|\bno (?:order|trade)s?\b(?!\s*#?\d)", re.I
)
_TRADED: Final = re.compile(rf"(?<!\w)(?P<no>{_NOT})?(?:traded|fired|bought|went ahead and traded)\b", re.I)
_GATE: Final = re.compile(
    r"\b(look|signal|validate|risk|size)[ -]gate\b|\bgate (?:of )?(look|signal|validate|risk|size)\b", re.IGNORECASE
)
_STOPPED: Final = re.compile(
    r"\b(stood aside|closed|stopped|blocked|refused|vetoed|failed|shut|turned (?:it )?down)\b", re.IGNORECASE
)
_SETTLED: Final = re.compile(
    r"\b(?:settled|resolved|finished|ended|closed)(?: as| at| to| on)? (UP|DOWN)\b", re.IGNORECASE
)
_WON: Final = re.compile(
    rf"(?<!\w)(?P<no>{_NOT})?(?:won|gained|earned|profitable|made (?:money|a profit))\b",
    re.IGNORECASE,
)
_LOST: Final = re.compile(
    rf"(?<!\w)(?P<no>{_NOT})?(?:lost (?:money|\$)|lost(?=[.,;]|$)|unprofitable|(?:made|took|was|is) a (?:net )?loss\b"
    r"|losing)",
    re.IGNORECASE,
)
_FILLED: Final = re.compile(rf"(?<!\w)(?P<no>{_NOT})?(?P<un>un|partly |partially )?filled\b", re.IGNORECASE)
_FILLED_NIL: Final = re.compile(r"\bfilled 0(?:\.0+)?\b|\b0(?:\.0+)? (?:of [\d.,]+ )?shares?\b", re.IGNORECASE)
_MAIN_CAUSE: Final = re.compile(r"\bmain (?:cause|reason)\b", re.IGNORECASE)
_REASON_CHARS: Final = 20
"""A reason's sentence that is shorter may stand in an answer by chance."""


@dataclass(slots=True)
class _Facts:
    """What the record said of one decision; None where it said nothing."""

    outcome: str | None = None
    gate: str | None = None
    main_cause: str | None = None
    settled: str | None = None
    profit_usd: float | None = None
    filled_shares: float | None = None
    is_run_again: bool = False


def contradictions(text: str, results: Sequence[Any]) -> tuple[str, ...]:
    """Give what in a text the record's answers contradict, each in a few words.

    Args:
        text: the answer.
        results: plain values, as tools gave them in this turn.
    """
    facts: dict[int, _Facts] = {}
    for result in results:
        _gather(facts, result)
    profit = next((float(each["settled_profit_usd"]) for each in results
                   if isinstance(each, Mapping) and "settled_profit_usd" in each), None)  # fmt: skip
    found: list[str] = []
    for sentence in _SENTENCE.split(text):
        named = _named(sentence)
        mine = named if named else list(facts) if len(facts) == 1 else []
        if _SUPPOSED.search(sentence):
            continue
        if len(mine) == 1 and mine[0] in facts and not facts[mine[0]].is_run_again:
            found += _against(sentence, mine[0], facts[mine[0]])
            cause = facts[mine[0]].main_cause or ""
            if _MAIN_CAUSE.search(sentence) and cause.lower() not in text.lower():
                found.append(f"the main cause of decision {mine[0]}")
        elif not named and profit is not None and not facts:
            found += _of_profit(sentence, "the desk", profit)
    found += _reasons(text, results)
    return tuple(dict.fromkeys(found))


def _named(sentence: str) -> list[int]:
    return list({int(each) for found in _DECISION.finditer(sentence) for each in re.findall(r"\d+", found.group())})


def _gather(facts: dict[int, _Facts], value: Any) -> None:
    if isinstance(value, Mapping):
        number = value.get("decision")
        if isinstance(number, int):
            _take(facts.setdefault(number, _Facts()), value)
        for each in value.values():
            _gather(facts, each)
    elif isinstance(value, list | tuple):
        for each in value:
            _gather(facts, each)


def _take(mine: _Facts, value: Mapping[str, Any]) -> None:
    if value.get("outcome") in ("traded", "allowed", "stood_aside"):
        mine.outcome, mine.gate = str(value["outcome"]), str(value.get("gate", ""))
        mine.main_cause = str(value.get("main_cause") or value.get("reason") or "") or mine.main_cause
    if "before" in value or "posted_at_bps" in value:
        mine.is_run_again = True
    if "filled_shares" in value and "order" in value:
        mine.filled_shares = (mine.filled_shares or 0.0) + float(value["filled_shares"])
    after = value.get("afterwards")
    if isinstance(after, Mapping):
        mine.settled = str(after.get("outcome") or "") or None
        mine.profit_usd = float(after["profit_usd"]) if after.get("profit_usd") is not None else None


def _against(sentence: str, number: int, facts: _Facts) -> Iterator[str]:
    if facts.outcome is not None:
        if _ASIDE.search(sentence) and facts.outcome != "stood_aside":
            yield f"decision {number} did not stand aside"
        if _NO_TRADE.search(sentence) and facts.outcome == "traded":
            yield f"decision {number} traded"
        if _says(_TRADED, sentence) and facts.outcome != "traded":
            yield f"decision {number} did not trade"
        yield from _of_gate(sentence, number, facts.gate or "")
    for found in _SETTLED.finditer(sentence):
        if facts.settled is not None and found[1].upper() != facts.settled:
            yield f"its window settled {facts.settled}"
    if facts.profit_usd is not None:
        yield from _of_profit(sentence, f"decision {number}", facts.profit_usd)
    if facts.filled_shares is not None:
        yield from _of_fill(sentence, number, facts.filled_shares)


def _says(pattern: "re.Pattern[str]", sentence: str) -> bool:
    """Say whether a sentence holds something without a "not" before it."""
    return any(not found["no"] for found in pattern.finditer(sentence))


def _of_gate(sentence: str, number: int, gate: str) -> Iterator[str]:
    named = {(one or other).lower() for one, other in _GATE.findall(sentence)}
    if len(named) == 1 and _STOPPED.search(sentence) and named != {gate}:
        yield f"decision {number} was closed by " + (f"the gate {gate}" if gate else "no gate")


def _of_profit(sentence: str, who: str, profit_usd: float) -> Iterator[str]:
    if _says(_WON, sentence) and profit_usd <= 0.0:
        yield f"{who} made no profit"
    if _says(_LOST, sentence) and profit_usd >= 0.0:
        yield f"{who} made no loss"


def _of_fill(sentence: str, number: int, shares: float) -> Iterator[str]:
    if _FILLED_NIL.search(sentence):
        return
    for found in _FILLED.finditer(sentence):
        is_filled = not found["no"] and (found["un"] or "").lower() != "un"
        if is_filled != (shares > 0.0):
            yield f"orders of decision {number} were " + ("filled" if shares > 0.0 else "not filled")


def _reasons(text: str, results: Sequence[Any]) -> Iterator[str]:
    """Give the reasons of the house that the text gives and the record did not."""
    said, known = text.lower(), str(results).lower()
    for reason, words in WORDS.items():
        if (
            reason is not Reason.NONE
            and len(words) > _REASON_CHARS
            and words.lower() in said
            and words.lower() not in known
        ):
            yield f'"{words}"'
