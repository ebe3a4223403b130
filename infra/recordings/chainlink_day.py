"""Import a day of the settlement stream with the venue's official markets: ticks, strikes, outcomes, given rules."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from infra.recordings.recording import Recording, Terms
from infra.recordings.rows import Rows, blank, in_order
from infra.recordings.tables import Table, table
from infra.recordings.windows import Window
from state.events import Asset, Kind, Source, Token
from state.rules import Rule
from state.units import MICROS, NS_PER_MS, NS_PER_S

_LATEST_CLOSING_S: Final = 3600
"""A closing time later than this after the close is a repair, not the moment the desk would have heard."""


def open_chainlink(folder: Path, terms: Terms) -> Recording:
    """Look into a folder of settlement ticks and official markets and say what will come of it."""
    ticks, markets = table(folder, "ticks_*.parquet"), table(folder, "markets_*.parquet")
    windows = _windows(ticks, markets, terms)
    no_strike = sum(np.isnan(window.strike_usd) for window in windows)
    (count,) = ticks.read({"n": "count(*)"})["n"].tolist()
    notes = (
        f"strikes seen {terms.strike_after_s} s after the open; {no_strike} of {len(windows)} windows have none",
        "settled when the venue says it closed the market",
        "markets are listed with a tick of one cent: the recorded tick is the one at the end",
        "no books in this recording",
    )
    return Recording(
        kind="settlement stream",
        folder=folder,
        windows=windows,
        parts=lambda: _parts(ticks),
        rows_count=int(count),
        notes=notes,
    )


def _windows(ticks: Table, markets: Table, terms: Terms) -> tuple[Window, ...]:
    told = markets.read(
        {
            "opens": "window_start",
            "closes": "window_end",
            "outcome": "coalesce(outcome, '')",
            "strike": "coalesce(strike, 'nan'::double)",
            "closed": "coalesce(epoch(try_cast(closed_time AS timestamptz)), 0)::bigint",
            "least": "min_size",
            "rate": "fee_rate",
            "exponent": "fee_exponent",
            "taker_only": "fee_taker_only",
            "rebate": "rebate_rate",
        },
        where="regexp_matches(slug, '^btc-updown-')",
        order="window_start",
    )
    at_close = _closing_prices(ticks)
    windows = []
    for index in range(len(told["opens"])):
        opens, closes, closed = (int(told[name][index]) for name in ("opens", "closes", "closed"))
        known = closes <= closed <= closes + _LATEST_CLOSING_S
        outcome = {"Up": Token.UP, "Down": Token.DOWN}.get(told["outcome"][index])
        rules = (
            (int(Rule.FEE_RATE_PPM), round(float(told["rate"][index]) * MICROS)),
            (int(Rule.FEE_EXPONENT), int(told["exponent"][index])),
            (int(Rule.TAKER_ONLY), int(told["taker_only"][index])),
            (int(Rule.REBATE_PPM), round(float(told["rebate"][index]) * MICROS)),
        )
        windows.append(
            Window(
                asset=Asset.BTC,
                open_s=opens,
                span_s=closes - opens,
                listed_ns=(opens - terms.listed_before_s) * NS_PER_S,
                ends_ns=(closed if known else closes + terms.settled_after_s) * NS_PER_S,
                least_micros=int(told["least"][index]) * MICROS,
                rules=rules,
                strike_usd=float(told["strike"][index]),
                strike_ns=(opens + terms.strike_after_s) * NS_PER_S,
                outcome=outcome,
                official=True,
                final_usd=at_close.get(closes * 1000, 0.0),
            )
        )
    return tuple(windows)


def _closing_prices(ticks: Table) -> dict[int, float]:
    """Give the stream's value stamped on each whole five minutes, by its stamp in ms."""
    found = ticks.read({"at": "feed_ts_ms", "price": "price"}, where="feed_ts_ms % 60000 = 0", empty_ok=True)
    return dict(zip(found["at"].tolist(), found["price"].tolist(), strict=True))


def _parts(ticks: Table) -> Iterator[Rows]:
    found = ticks.read(
        {"at": "feed_ts_ms", "seen": "recv_ms", "price": "price"},
        where="price > 0 AND isfinite(price)", order="recv_ms, feed_ts_ms",
    )  # fmt: skip
    rows = blank(len(found["at"]), Kind.PRICE_SEEN, Source.CHAINLINK)
    rows["at_ns"] = found["at"] * NS_PER_MS
    rows["seen_ns"] = found["seen"] * NS_PER_MS
    rows["code_id"] = Asset.BTC
    rows["value_usd"] = rows["other_usd"] = found["price"]
    yield in_order(rows)
