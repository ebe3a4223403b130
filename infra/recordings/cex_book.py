"""Import best prices and trades of Binance: spot as BINANCE, one perpetual as BINANCE_PERP, on the recorder's clock.

The receive clock is kept as recorded, also where it is slow: finding its offset is the core's business. Spot's best
prices carry no time of their own; their `at_ns` is 0, as for every source that gives none.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from infra.recordings.recording import Recording, Terms, micros_of
from infra.recordings.rows import Rows, blank, in_order
from infra.recordings.tables import Table, table
from state.events import Asset, Kind, Side, Source
from state.units import NS_PER_MS

_PERP: Final = {False: "binance_usdm_btcusdt", True: "binance_coinm_btcusd_perp"}


def open_cex(folder: Path, terms: Terms) -> Recording:
    """Look into a folder of Binance tables and say what will come of it."""
    names = {Source.BINANCE: "binance_spot_btcusdt", Source.BINANCE_PERP: _PERP[terms.coin_margined]}
    tables = [
        (source, table(folder, f"{name}_bbo.parquet"), table(folder, f"{name}_trades.parquet"))
        for source, name in names.items()
    ]
    count = sum(int(part.read({"n": "count(*)"})["n"][0]) for _, *pair in tables for part in pair)
    left = "dollar" if terms.coin_margined else "coin"
    return Recording(
        kind="exchange prices",
        folder=folder,
        windows=(),
        parts=lambda: _parts(tables),
        rows_count=count,
        notes=("the receive clock is kept as recorded", f"the {left}-margined perpetual is not carried"),
    )


def _parts(tables: list[tuple[Source, Table, Table]]) -> Iterator[Rows]:
    groups = []
    for source, bests, trades in tables:
        groups += [_bests(source, bests), _trades(source, trades)]
    yield in_order(*groups)


def _bests(source: Source, bests: Table) -> Rows:
    found = bests.read(
        {"seen": "recv_ns", "at": "coalesce(event_ms, 0)::bigint", "bid": "bid", "ask": "ask"},
        where="bid > 0 AND ask > 0", order="recv_ns, update_id",
    )  # fmt: skip
    rows = blank(len(found["seen"]), Kind.PRICE_SEEN, source)
    rows["at_ns"] = found["at"] * NS_PER_MS
    rows["seen_ns"] = found["seen"]
    rows["code_id"] = Asset.BTC
    rows["value_usd"] = found["bid"]
    rows["other_usd"] = found["ask"]
    return rows


def _trades(source: Source, trades: Table) -> Rows:
    found = trades.read(
        {"seen": "recv_ns", "at": "event_ms", "price": "price", "size": "qty", "sold": "buyer_is_maker"},
        order="recv_ns, trade_id",
    )
    rows = blank(len(found["seen"]), Kind.CEX_TRADED, source)
    rows["at_ns"] = found["at"] * NS_PER_MS
    rows["seen_ns"] = found["seen"]
    rows["code_id"] = Asset.BTC
    rows["value_usd"] = found["price"]
    rows["side_code"] = np.where(found["sold"], Side.SELL, Side.BUY)
    rows["amount_micros"] = micros_of(found["size"], trades.name)
    return rows
