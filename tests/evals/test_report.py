"""The page: whole, honest about nothing, and safe against words from outside."""

import json
import re
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from report_example import example, read, words_of

from evals.certificate import certify
from evals.evidence import evidence_of
from evals.report import SECTIONS, render_report, report_json
from evals.results import (
    UNKNOWN_OUTCOME,
    Check,
    DataStory,
    Fills,
    Forecasts,
    Light,
    Orders,
    Refusals,
    ReportInput,
    RuleOfDay,
    SourceStory,
    Windows,
)
from tools.sequential import EVIDENCE_BAR_LOG


def test_the_page_is_whole_and_needs_no_network() -> None:
    page = render_report(example())
    found = read(page)
    assert found.outside == [] and found.scripts == 0
    assert "http" not in page and "@import" not in page and "url(" not in page
    for name, words in SECTIONS:
        assert f'id="{name}"' in page and words in page


def test_the_same_run_gives_the_same_page() -> None:
    assert render_report(example()) == render_report(example())


def test_no_number_on_the_page_is_nan_or_infinite() -> None:
    for run in (example(), example(windows=3, traded=1), empty()):
        page = render_report(run)
        assert not re.search(r"\b(nan|inf)\b", page, re.IGNORECASE)


def empty() -> ReportInput:
    return ReportInput(title="Nothing")


def aside() -> ReportInput:
    """The desk stood aside in every window, as an honest desk may."""
    run = example(traded=0)
    return replace(run, orders=Orders(), checks=certify(replace(run, orders=Orders())))


def test_an_empty_run_renders_with_every_section_and_passes_nothing() -> None:
    said = words_of(empty())
    assert "Nothing was run: the recording holds no window." in said
    assert said.count("not measured: no trades") == 4
    assert report_json(empty())["certificate"]["light"] == "unknown"


def test_without_trades_no_target_is_passed_and_the_line_is_flat() -> None:
    said = words_of(aside())
    assert "The desk stood aside in all 81 usable windows" in said
    assert said.count("not measured: no trades") == 4
    assert "A flat line: the desk stood aside in every window." in said
    targets = report_json(aside())["targets"]
    assert {t["verdict"] for t in targets} == {"not_measured"}
    assert {t["measured"]["mean"] for t in targets} == {None}


def unusable() -> ReportInput:
    """Books of one day and nothing else: no window counts, and forecasts are scored all the same."""
    run = aside()
    left_out = {"no price of the coin during the window": 70, "no outcome in the recording": 6, "c": 3, "d": 1, "e": 1}
    windows = replace(run.windows, usable=np.zeros(81, np.int64))
    return replace(run, windows=windows, story=replace(run.story, unusable=left_out))


def test_without_a_usable_window_the_headline_says_why_and_what_was_measured_all_the_same() -> None:
    run = unusable()
    said = report_json(run)["headline"]
    assert said.startswith("No window of this recording has rules, a book, a price and an outcome together")
    assert "(70 windows: no price of the coin during the window; 6 windows: no outcome in the recording; 3 w" in said
    assert "; 2 windows: other reasons)" in said and "stood aside" not in said
    mid = next(row for row in report_json(run)["scores"] if (row["forecaster"], row["band"]) == ("mid", "all"))
    assert f"book's middle {mid['log_loss']['mean']:.4f}" in said
    assert f"over {mid['log_loss']['count']:,} moments in {mid['log_loss']['clusters']} windows" in said
    bare = replace(run, forecasts=Forecasts())
    assert report_json(bare)["headline"].endswith("; no forecast could be scored either.")
    ordered = replace(unusable(), orders=example().orders)
    assert "sent went into windows that are left out" in report_json(ordered)["headline"]


def test_the_sharpe_ratio_is_deflated_by_the_tries_that_were_made() -> None:
    once = example(edge=0.05)
    often = replace(once, tries_count=200, tries_sd=0.3)
    found = [report_json(run)["sharpe_after_tries"] for run in (once, often)]
    assert found[0]["sharpe"] == found[1]["sharpe"]
    assert found[1]["p_real"] < found[0]["p_real"] - 0.05
    assert "the only variant that was looked at" in words_of(once)
    assert "200 variants were looked at on this data" in words_of(often)
    assert f"{100 * found[1]['p_real']:.1f} %" in words_of(often)
    assert "too favourable" in words_of(replace(often, tries_sd=0.0))
    assert "no Sharpe ratio" in words_of(example(traded=2))
    assert report_json(aside())["sharpe_after_tries"]["p_real"] is None


def test_one_trade_is_shown_without_an_interval() -> None:
    run = example(windows=5, traded=1, seed=2)
    keep = Fills(**{f.name: getattr(run.fills, f.name)[:1] for f in fields(Fills)})
    said = words_of(replace(run, fills=keep))
    assert "too few to say anything about an edge" in said
    assert "no interval: too few windows" in said


@pytest.mark.parametrize("gone", ["forecasts", "refusals", "baselines", "latency", "orders", "fills", "windows"])
def test_each_part_may_be_missing(gone: str) -> None:
    nothing: dict[str, Any] = {
        "forecasts": Forecasts(), "refusals": Refusals(), "baselines": (), "latency": (), "orders": Orders(),
        "fills": Fills(), "windows": Windows(),
    }  # fmt: skip
    run = replace(example(), **{gone: nothing[gone]})
    read(render_report(run))
    json.dumps(report_json(run), allow_nan=False)


def test_forecasts_without_a_book_or_with_one_outcome_only_are_shown() -> None:
    run = example()
    nobook = np.full(len(run.forecasts), np.nan)
    one_sided = replace(run.forecasts, bid_bps=nobook, ask_bps=nobook, up=np.ones(len(run.forecasts), np.int64))
    said = words_of(replace(run, forecasts=one_sided))
    assert "the edge by price is not measured" in said
    assert "no line fits" in said


def test_trades_without_an_outcome_are_not_money() -> None:
    run = example()
    unknown = replace(run.fills, won_code=np.full(len(run.fills), UNKNOWN_OUTCOME))
    said = words_of(replace(run, fills=unknown))
    assert "no filled order has a known outcome" in said
    assert said.count("not measured: no trades") == 4


def test_a_miss_is_called_a_miss() -> None:
    run = example()
    verdicts = {t["name"]: t["verdict"] for t in report_json(run)["targets"]}
    means = {t["name"]: t["measured"]["mean"] for t in report_json(run)["targets"]}
    assert means["win rate"] < 0.70 and verdicts["win rate"].startswith("missed")
    assert "missed" in words_of(run)


def test_a_drawdown_beyond_five_per_cent_is_missed() -> None:
    run = replace(example(), capital_usd=2_000.0)
    by_name = {t["name"]: t for t in report_json(run)["targets"]}
    assert by_name["max drawdown"]["measured"]["mean"] > 0.05
    assert by_name["max drawdown"]["verdict"].startswith("missed")


def test_words_from_outside_cannot_become_markup() -> None:
    evil = '<script>alert("x")</script><img src=x onerror=alert(1)>'
    run = example()
    run = replace(
        run, title=evil, made=evil, cannot_show=evil, limits=(evil,), gates=(evil,) * 5,
        reasons=dict.fromkeys((1, 2, 3), evil),
        rules=(RuleOfDay(name=evil, value=evil, since=evil, source=evil),), run_hash=evil, machine=evil, version=evil,
        params={evil: 1.0},
        story=DataStory(sources=(SourceStory(name=evil, licence=evil, clock=evil, note=evil),), unusable={evil: 1}),
        checks=(Check(name=evil, light=Light.RED, asked=evil, found=evil),),
        baselines=(replace(run.baselines[0], name=evil, rule=evil),),
        latency=(replace(run.latency[0], name=evil),),
        forecasts=replace(run.forecasts, p_up={**run.forecasts.p_up, evil: run.forecasts.p_up["mid"]}),
    )  # fmt: skip
    page = render_report(run)
    assert read(page).scripts == 0 and "<script" not in page and "<img" not in page


def test_costs_add_up_from_gross_to_net() -> None:
    for row in report_json(example())["costs"]:
        paid = row["spread_usd"] + row["slippage_usd"] + row["hold_usd"] + row["fee_usd"] - row["rebate_usd"]
        assert row["gross_usd"] - paid == pytest.approx(row["net_usd"])
    everyone, takers, makers = report_json(example())["costs"]
    assert takers["net_usd"] + makers["net_usd"] == pytest.approx(everyone["net_usd"])
    assert takers["spread_usd"] > 0 > makers["spread_usd"] and makers["fee_usd"] == 0


def test_the_json_is_plain_and_says_what_the_page_says() -> None:
    run = example()
    found = json.loads(json.dumps(report_json(run), allow_nan=False))
    assert found["headline"] in words_of(run)
    assert found["windows"] == {
        "all": 81, "usable": 81, "traded": 40,
        "unusable": {"fewer than 500 books": 31, "last book before 285 s": 20, "outcome not known": 7},
    }  # fmt: skip
    assert {row["forecaster"] for row in found["scores"]} == {"fused", "fair", "mid", "point", "coin"}


def test_without_a_scale_fixed_beforehand_the_first_fill_of_each_window_is_the_evidence() -> None:
    run = example()
    bare = replace(run, windows=replace(run.windows, cap_micros=np.zeros(81, int), payout_micros=np.zeros(81, int)))
    scaled, first = report_json(run)["evidence"], report_json(bare)["evidence"]
    assert (scaled["results"], first["results"], first["refused"]) == (40, 40, 0)
    assert scaled["scale"] != first["scale"] and first["scale"] in words_of(bare)


def test_adding_to_what_moves_against_us_is_no_evidence_of_an_edge() -> None:
    """Fair prices: buy at 50 c; when the price falls to 10 c buy ten times more. Per share traded it looks golden."""
    chance = np.random.default_rng(3)
    n = 400
    rises = chance.random(n) < 0.5
    won = chance.random(n) < np.where(rises, 0.9, 0.1)
    window = np.concatenate([300 * np.arange(n), 300 * np.flatnonzero(~rises)])
    order = np.argsort(window, kind="stable")
    price = np.concatenate([np.full(n, 5000), np.full(int((~rises).sum()), 1000)])[order]
    amount = np.where(price == 5000, 1_000_000, 10_000_000)
    columns = {f.name: np.zeros(len(order), int) for f in fields(Fills)}
    columns |= {"window_s": window[order], "price_bps": price, "amount_micros": amount}
    columns |= {"won_code": np.concatenate([won, won[~rises]])[order].astype(int), "order_id": np.arange(len(order))}
    fills = Fills(**columns)
    gain = np.where(fills.won_code == 1, amount, 0) - amount * price // 10_000
    profit, traded = (np.bincount(fills.window_s // 300, weights=w) for w in (gain, amount))
    assert float(np.mean(profit / traded)) > 0.1
    evidence = evidence_of(ReportInput(title="doubling", fills=fills))
    assert max(point[0] for point in evidence.line) < EVIDENCE_BAR_LOG


def test_a_changed_parameter_is_named_first() -> None:
    page = render_report(example())
    listed = page[page.index("51 parameters") if "51 parameters" in page else page.index("parameters, 1 changed") :]
    assert listed.index("take_edge_bps") < listed.index("sigma_prior_bps")
