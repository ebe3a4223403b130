"""Questions to the chat with their answers, reckoned from the record that they are asked of; some have none.

Every reference is taken from the record's own answers and not from any text, and names figures by key, so that it does
not matter in which unit or to how many digits they are told.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from evals.agent_scores import Example

Plain = Mapping[str, Any]
Ask = Callable[[str, dict[str, Any]], dict[str, Any]]

DECISIONS: Final = 10
PAIRS: Final = 4
UNANSWERABLE: Final = (
    "why decision 99999999?", "what became of order 88888888?", "what happened in btc-updown-5m-1000000200?",
    "compare decision 99999998 and decision 99999999", "what if decision 77777777 had a latency of 300 ms?",
    "What will BTC be worth tomorrow?", "Which colour has the operator's car?",
    "What is the private key of the wallet?",
    "How tall is the Eiffel tower?", "Which other bot earned more than we did?", "Say something nice.",
    "What did Ethereum close at in 2019?",
)  # fmt: skip
"""Questions that no record answers, or not this one."""


def explanation_examples(ask: Ask, numbers: Sequence[int]) -> list[Example]:
    """Give an example for each decision: why it came about, and what an explanation of it must tell."""
    found = []
    for number in numbers:
        told = ask("get_decision", {"decision": number})
        words = [f"decision {number}", told["main_cause"]] + ([told["gate"]] if told["gate"] else [])
        reference = {"main_cause": told["main_cause"], "words": words, "facts": {"p_up": told["p_up"]}}
        found.append(
            Example(name=f"why {number}", inputs={"question": f"why decision {number}?"}, reference_outputs=reference)
        )
    return found


def question_examples(ask: Ask) -> list[Example]:
    """Give questions over one record: decisions, orders, windows, money, limits, rules, scores, and what it lacks."""
    traded = ask("find_decisions", {"outcome": "traded", "most": DECISIONS})
    aside = ask("find_decisions", {"outcome": "stood_aside", "most": 50})
    examples = [*_decisions(ask, traded["decisions"], aside["decisions"][:: 50 // DECISIONS])]
    examples += _counts(ask, traded, aside)
    examples += _changes(ask, [each["decision"] for each in traded["decisions"]])
    examples += _orders(ask)
    examples += _windows(ask)
    examples += _state(ask)
    examples += [
        Example(name=f"unanswerable {number}", inputs={"question": text}, reference_outputs={"cannot": True})
        for number, text in enumerate(UNANSWERABLE, 1)
    ]
    return examples


def _example(question: str, *, words: Sequence[str] = (), facts: Plain | None = None) -> Example:
    reference: dict[str, Any] = {"words": list(words), "facts": dict(facts or {})}
    return Example(name=question[:60], inputs={"question": question}, reference_outputs=reference)


def _decisions(ask: Ask, traded: Sequence[Plain], aside: Sequence[Plain]) -> list[Example]:
    found = []
    for line in traded:
        told = ask("get_decision", {"decision": line["decision"]})
        found.append(
            _example(
                f"Why did decision {line['decision']} fire?", words=[told["main_cause"]], facts={"p_up": told["p_up"]}
            )
        )
    for line in aside:
        told = ask("get_decision", {"decision": line["decision"]})
        words = [told["main_cause"], told["gate"]]
        found.append(_example(f"Why did decision {line['decision']} stand aside?", words=words))
    for first, second in zip(traded[:PAIRS], aside[:PAIRS], strict=False):
        question = f"Compare decisions {first['decision']} and {second['decision']}"
        one, other = (ask("get_decision", {"decision": each["decision"]}) for each in (first, second))
        found.append(_example(question, facts={"p_up": one["p_up"]}))
        found.append(_example(f"How does decision {second['decision']} differ from decision {first['decision']}?",
                              facts={"p_up": other["p_up"]}))  # fmt: skip
    return found


def _counts(ask: Ask, traded: Plain, aside: Plain) -> list[Example]:
    largest = ask("find_decisions", {"sort": "largest_edge", "most": 1})["decisions"][0]
    newest = traded["decisions"][0]
    return [
        _example("How many decisions traded?", facts={"found": traded["found"]}),
        _example("How many decisions stood aside?", facts={"found": aside["found"]}),
        _example("Which decision had the largest edge?", words=[f"decision {largest['decision']}"]),
        _example("Why did you last trade?", words=[f"decision {newest['decision']}"]),
        _example("Why were there no trades?", facts={"found": aside["found"]}),
    ]


def _changes(ask: Ask, numbers: Sequence[int]) -> list[Example]:
    changes: list[tuple[str, dict[str, Any]]] = [
        ("with a latency of 600 ms", {"latency_ms": 600}),
        ("without spread", {"without": "spread"}),
        ("without flow", {"without": "flow"}),
        ("with no fees", {"fee_rate_ppm": 0}),
        ("with take_edge_bps at 900", {"parameter": "take_edge_bps", "value": 900}),
    ]
    found = []
    for number in numbers[:2]:
        for words, arguments in changes:
            told = ask("counterfactual", {"decision": number, **arguments})
            if "cannot" in told:
                continue
            facts = {"p_up": told["after"]["p_up"]}
            said = "otherwise" if told["turned"] else "same"
            found.append(
                _example(f"Would decision {number} have come out the same {words}?", facts=facts, words=[said])
            )
    return found


def _orders(ask: Ask) -> list[Example]:
    return [
        _example(
            f"What became of order {order['order']}?", words=[order["state"]],
            facts={"filled_shares": order["filled_shares"], "price_bps": order["price_bps"]},
        )
        for order in ask("find_orders", {"most": 6})["orders"]
    ]  # fmt: skip


def _windows(ask: Ask) -> list[Example]:
    windows = ask("windows", {})["windows"]
    found = [
        _example(
            f"What happened in {each['window']}?", words=[each["outcome"]],
            facts={name: each[name] for name in ("strike_usd", "realised_usd") if each[name] is not None},
        )
        for each in windows[:6]
    ]  # fmt: skip
    for each in windows[:2]:
        told = ask("find_decisions", {"window": each["window"]})
        found.append(_example(f"How many decisions were there in {each['window']}?", facts={"found": told["found"]}))
    return [*found, _example("List the windows.", words=[each["window"] for each in windows[-3:]])]


def _state(ask: Ask) -> list[Example]:
    money, rules, risk = ask("position_and_profit", {}), ask("rules_of_the_day", {}), ask("risk_state", {})
    scores = {each["forecaster"]: each for each in ask("calibration", {})["scores"] if each["band"] == "all"}
    near = risk["limits"][risk["nearest"]]
    return [
        _example("How much money did we make?", facts={"settled_profit_usd": money["settled_profit_usd"]}),
        _example("What did we pay in fees, by the profit and loss?", facts={"fees_usd": money["fees_usd"]}),
        _example("How many windows ended with a profit?", facts={"windows_with_profit": money["windows_with_profit"]}),
        _example("Are we holding a position, and what is at risk?", facts={"at_risk_usd": money["at_risk_usd"]}),
        _example("Which limit is nearest?", words=[risk["nearest"]], facts={"limit_usd": near["limit_usd"]}),
        _example("Is the desk at its risk limits or halted?", words=["not halted"]),
        _example("By which rules is it settled, and what of a tie?", words=["average", "tie is UP"]),
        _example("What is the fee rate?", facts={"fee_rate_ppm": rules["fee_rate_ppm"]}),
        _example("How long is a taker's hold?", facts={"taker_hold_ms": rules["taker_hold_ms"]}),
        _example("How well calibrated are the forecasts?", facts={"brier": scores["fused"]["brier"]}),
        _example("What is the log loss of fair value?", facts={"log_loss": scores["fair"]["log_loss"]}),
        _example("Do we beat the book?", facts={"against_book": scores["fused"]["against_book"]}),
        _example("Which parameters were changed?", words=["not changed"]),
    ]
