"""The report of settlements: own and the venue's word side by side, and what was paid, from a journal alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from infra.settlements import settlements_of
from infra.shell.core import Core
from infra.shell.session import Session
from state.events import EVENT, Kind, Side, Source, StrikeSource, Token
from state.orders import Liquidity
from state.params import default_params
from state.rules import Rule, Settlement
from state.units import MICROS, NS_PER_S

OPEN_S = 1_792_638_000
SLUG = f"btc-updown-5m-{OPEN_S}"
Rows = Any


def row(kind: Kind, at_s: float, source: Source = Source.GAMMA, **columns: Any) -> Rows:
    made = np.zeros(1, EVENT)
    made["kind_code"], made["source_code"], made["slot_id"] = kind, source, 1
    made["at_ns"] = made["seen_ns"] = round((OPEN_S + at_s) * NS_PER_S)
    for name, value in columns.items():
        made[name] = value
    return made


def window(outcome: Token, close_usd: float = 100_030.0) -> list[Rows]:
    """One window: the stream stands at 100,000 and steps in its middle; ten UP are bought at 52 cents."""
    told = [
        row(Kind.MARKET_LISTED, -590, code_id=0, ref_id=OPEN_S * NS_PER_S, span_s=300, price_bps=100),
        row(Kind.RULE_GIVEN, -590, code_id=Rule.SETTLEMENT, ref_id=Settlement.TWAP),
        row(Kind.RULE_GIVEN, -590, code_id=Rule.LOOKBACK_S, ref_id=60),
    ]
    for second in range(-70, 305):
        usd = 100_000.0 if second < 150 else close_usd
        told.append(row(Kind.PRICE_SEEN, second, Source.CHAINLINK, slot_id=0, value_usd=usd, other_usd=usd))
    told += [
        row(Kind.STRIKE_SEEN, 20, value_usd=100_000.25, code_id=StrikeSource.VENUE),
        row(
            Kind.FILLED, 100, Source.POLYMARKET_USER, ref_id=7, token_code=Token.UP, side_code=Side.BUY,
            price_bps=5_200, amount_micros=10 * MICROS, code_id=Liquidity.TAKER,
        ),
        row(Kind.SETTLED, 365, code_id=outcome),
        row(Kind.SETTLED, 380, code_id=outcome, value_usd=close_usd - 0.5),
    ]  # fmt: skip
    return sorted(told, key=lambda each: int(each["seen_ns"][0]))


def journal(folder: Path, rows: list[Rows], paid: bool = True) -> Path:
    session = Session(folder, created_ns=1, code="test")
    session.begin(Core(default_params({}), 1_000 * MICROS), {"mode": "test"}, 1)
    for each in rows:
        session.rows(each, 1)
    if paid:
        note = {"redeemed": SLUG, "amount_micros": 10 * MICROS, "by": "the relayer", "transaction": "0xab"}
        session.note(note, (OPEN_S + 420) * NS_PER_S)
    session.close()
    return folder


def test_a_window_is_told_with_both_words_on_it_and_its_payment(tmp_path: Path) -> None:
    (found,) = settlements_of(journal(tmp_path / "j", window(Token.UP)))
    assert found.told() == {
        "window": SLUG,
        "strike_own_usd": 100_000.0, "strike_venue_usd": 100_000.25,
        "close_own_usd": 100_030.0, "close_venue_usd": 100_029.5,
        "outcome_own": "UP", "outcome_venue": "UP", "agrees": True, "sure": True,
        "owed_usd": 10.0, "paid_usd": 10.0, "redeemed_by": "the relayer", "seconds_to_resolve": 65.0,
    }  # fmt: skip


def test_a_payout_that_has_not_come_and_an_outcome_that_is_not_ours_are_said(tmp_path: Path) -> None:
    folder = journal(tmp_path / "j", window(Token.UP, close_usd=99_900.0), paid=False)
    told = CliRunner().invoke(app, ["settlements", str(folder), "--json"])
    answer = json.loads(told.stdout)
    assert (answer["disagreements"], answer["sure_disagreements"]) == (1, 1)
    (found,) = answer["windows"]
    assert (found["outcome_own"], found["outcome_venue"]) == ("DOWN", "UP")
    assert (found["owed_usd"], found["paid_usd"], found["redeemed_by"]) == (10.0, 0.0, None)
    words = CliRunner().invoke(app, ["settlements", str(folder)]).stdout
    assert "0 of 1 outcomes are ours, too; 1 differ for sure" in words and "10.00 dollars are still owed" in words


def test_a_stream_that_began_too_late_has_no_word(tmp_path: Path) -> None:
    late = [each for each in window(Token.UP) if each["kind_code"][0] != Kind.PRICE_SEEN]
    (found,) = settlements_of(journal(tmp_path / "j", late))
    assert (found.told()["outcome_own"], found.agrees, found.told()["sure"]) == (None, None, False)


@pytest.mark.parametrize("words", [["settlements", "nowhere"], ["settlements", "nowhere", "--json"]])
def test_a_folder_without_a_journal_is_one_line(words: list[str]) -> None:
    told = CliRunner().invoke(app, words)
    assert told.exit_code != 0 and len(told.stderr.strip().splitlines()) == 1
