"""Cases over a record: decisions to be explained, and questions in plain English with the answers that are right.

What is right is reckoned here from the record's own rows, not by the code that answers questions.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from evals.agent_scores import Example
from infra.record.answers import Answers
from infra.record.record import Order, Record, Window
from state.reasons import WORDS, Gate, Reason
from state.units import BPS, MICROS, NS_PER_S

CENTS: Final = (100.0,)
CENTS_OF_BPS: Final = (0.01, 1 / BPS)
PERCENT: Final = (100.0,)
DECISIONS_MOST: Final = 9
ORDERS_MOST: Final = 8
WINDOWS_MOST: Final = 5


def explanations(answers: Answers, most: int) -> tuple[Example, ...]:
    """Give decisions to explain, spread over the record, the traded ones among them."""
    record = answers.record
    chosen = spread(record.lines["mandate_id"].tolist(), most - most // 4)
    chosen = sorted({*chosen, *spread(sorted(record.traded), most // 4)})
    return tuple(
        Example(
            name=f"decision {number}",
            inputs={"text": f"why decision {number}"},
            outputs=answers.explanation(int(number)),
        )
        for number in chosen
    )


def questions(record: Record) -> tuple[Example, ...]:
    """Give questions with right answers, and such as have none in any record."""
    return (*_of_decisions(record), *_of_orders(record), *_of_windows(record), *_of_all(record), *_unanswerable(record))


def spread(found: list[int], most: int) -> list[int]:
    """Give so many of them, evenly spread."""
    if not found or not most:
        return []
    return [found[int(at)] for at in np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round())]


def _case(text: str, *figures: tuple[float, tuple[float, ...]], texts: tuple[str, ...] = ()) -> Example:
    known = [{"value": float(value), "scales": list(scales)} for value, scales in figures]
    return Example(name=text[:70], inputs={"text": text}, outputs={"figures": known, "texts": list(texts)})


def _of_decisions(record: Record) -> Iterator[Example]:
    lines = record.lines
    stood = lines[lines["reason_code"] != 0]
    for number in spread(stood["mandate_id"].tolist(), DECISIONS_MOST):
        line: Any = record.line(number)
        gate = Gate(int(line["gate_code"])).name.lower()
        yield _case(f"why did decision {number} not trade?", (number, ()), texts=(gate,))
        yield _case(f"what about decision {number}?", (float(line["p_up"]), PERCENT))
    for number in spread(sorted(record.traded), DECISIONS_MOST):
        fired: Any = record.line(number)
        bought = record.orders_of(number)[0].token
        yield _case(f"why decision {number}?", (float(fired["p_up"]), PERCENT), texts=(bought,))
    for gate_code in np.unique(stood["gate_code"]).tolist():
        gate = Gate(gate_code).name.lower()
        count = int((stood["gate_code"] == gate_code).sum())
        yield _case(f"how often did we stand aside at the {gate} gate?", (count, ()))
    for code in np.unique(stood["reason_code"]).tolist()[:4]:
        said = WORDS[Reason(code)]
        if said.replace(" ", "").isalpha() and len(said) < 60:
            yield _case(f"how many stood aside because {said}?", (int((stood["reason_code"] == code).sum()), ()))
    last = max(record.traded, key=lambda number: int(record.lines["at_ns"][record.lines["mandate_id"] == number][0]))
    yield _case("why did you last trade?", (last, ()), texts=("Main cause",))


def _of_orders(record: Record) -> Iterator[Example]:
    for number in spread(sorted(record.orders), ORDERS_MOST):
        order: Order = record.orders[number]
        yield _case(
            f"what happened to order {number}?", (order.price_bps, CENTS_OF_BPS), (order.filled_micros / MICROS, ()),
            texts=(order.token,),
        )  # fmt: skip
    for number in spread(sorted(record.traded), 4):
        yield _case(
            f"which orders came of decision {number}?", *((each.number, ()) for each in record.orders_of(number))
        )


def _of_windows(record: Record) -> Iterator[Example]:
    windows: list[Window] = sorted(record.windows.values(), key=lambda each: each.open_ns)
    for window in windows[:WINDOWS_MOST]:
        yield _case(f"how did {window.slug} end?", (window.final_usd, ()), texts=(window.outcome,))
        yield _case(f"what was the strike of {window.slug}?", (window.strike_usd, ()))
        yield _case(f"what did we realise in {window.slug}?", (window.realised_micros / MICROS, ()))
        count = int((record.lines["open_s"] == window.open_ns // NS_PER_S).sum())
        yield _case(f"how many decisions were there in {window.slug}?", (count, ()))


def _of_all(record: Record) -> Iterator[Example]:
    settled = [each for each in record.windows.values() if each.outcome]
    filled = sum(order.filled_micros > 0 for order in record.orders.values())
    params = record.params[-1].params
    yield _case("how many windows were there?", (len(record.windows), ()))
    yield _case("what is our profit?", (sum(each.realised_micros for each in settled) / MICROS, ()))
    yield _case("how many windows ended with a profit, p&l?", (sum(each.realised_micros > 0 for each in settled), ()))
    yield _case("how much money went into fees, and what did we earn?",
                (sum(each.fees_micros for each in record.windows.values()) / MICROS, ()))  # fmt: skip
    yield _case("how many orders were filled, what is our position?", (filled, ()))
    yield _case("how many decisions traded?", (len(record.traded), ()))
    yield _case("how near are the risk limits?", (float(params.daily_loss_micros) / MICROS, ()))
    allowed = int((record.lines["reason_code"] == 0).sum())
    yield _case("how many decisions were there at all?", (len(record.lines), ()))
    assert allowed, "a record to be asked about has allowed something"


def _unanswerable(record: Record) -> Iterator[Example]:
    beyond = int(record.lines["mandate_id"].max()) + 1_000
    for text in (
        f"why decision {beyond}?", f"what happened to order {beyond}?", "how did btc-updown-5m-1000000200 end?",
        f"compare decision {beyond} and decision {beyond + 1}", f"what if decision {beyond} were without flow?",
        "what will BTC do tomorrow?", "who is the operator's bank?", "sing a song", "which feeds were down?",
        "what is the private key?", "how much did my neighbour make?", "what does the oracle cost in euros?",
    ):  # fmt: skip
        yield Example(name=text, inputs={"text": text}, outputs={"unanswerable": True})
