"""Real frames: every one is answered, nothing in them is unknown, and what they say can be decoded."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from recordings import recordings

from infra.feeds import gamma
from infra.feeds.audit import audit_frames, wires_of
from infra.feeds.decoder import PARSERS, Decoder
from infra.feeds.frames import Parsed, Wire
from infra.feeds.listings import Listing, listing_of
from state.events import EVENT, Kind, Token
from state.rules import Rule

FIRST = 200
"""Frames looked at of the long files here; the proof looks at all."""


def lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        yield from stream.read().splitlines()


def frames(path: Path, first: int = 10**9) -> list[bytes]:
    return [json.loads(line)["raw"].encode() for _, line in zip(range(first), lines(path), strict=False)]


def thinned(folder: Path, name: str, first: int, target: Path) -> None:
    kept = b"\n".join(line for _, line in zip(range(first), lines(folder / name), strict=False))
    (target / name).write_bytes(zstandard.ZstdCompressor().compress(kept))


@pytest.fixture(scope="module")
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded frames, the long files of them cut to their beginnings."""
    folder, target = recordings("raw_frames"), tmp_path_factory.mktemp("frames")
    for path in folder.glob("*.jsonl.zst"):
        if path.name.startswith("polymarket_clob_market") or "fixtures" in path.name:
            (target / path.name).symlink_to(path)
        else:
            thinned(folder, path.name, FIRST, target)
    return target


def test_books_rebuilt_from_recorded_frames_show_the_prices_that_they_carry(short_folder: Path) -> None:
    told: list[tuple[int, int]] = []
    proof = audit_frames(short_folder, lambda done, total: told.append((done, total)))
    figures = {figure.name: figure.measured for figure in proof.figures}
    assert proof.holds, [figure for figure in proof.figures if not figure.holds]
    assert told[-1][0] == told[-1][1] > 0
    assert figures["frames read whole or refused"] == figures["frames"]
    assert figures["frames that the short way decodes differently"] == 0
    assert proof.tables["frames by file and type"]
    assert {row["field"].split(".")[0] for row in proof.tables["unknown fields"]} <= {"EventMetadata"}


def test_the_audit_fails_where_a_book_is_wrong_or_a_channel_is_missing(short_folder: Path, tmp_path: Path) -> None:
    name = "polymarket_clob_market_2026-04-21.jsonl.zst"
    kept = list(lines(short_folder / name))
    lame = [line for number, line in enumerate(kept) if number % 2 or b"price_changes" not in line]
    (tmp_path / name).write_bytes(zstandard.ZstdCompressor().compress(b"\n".join(lame[:2000])))
    proof = audit_frames(tmp_path)
    broken = [figure.name for figure in proof.figures if not figure.holds]
    assert broken == ["changes that reproduce them"] and proof.tables["carried best prices that differ"]
    (tmp_path / name).unlink()
    assert not audit_frames(tmp_path).holds


def test_recorded_frames_become_rows_of_every_kind_they_speak_of(short_folder: Path) -> None:
    kinds: dict[str, set[str]] = {}
    for path in sorted(short_folder.glob("*.jsonl.zst")):
        decoder, out = Decoder(), np.zeros(1 << 14, EVENT)
        for raw in frames(path, FIRST):
            for wire in wires_of(path.name):
                count = decoder.decode(wire, raw, 1, out)
                kinds.setdefault(path.name.split(".")[0], set()).update(
                    Kind(int(kind)).name for kind in out["kind_code"][:count]
                )
    assert kinds["binance_spot_btcusdt"] == kinds["binance_usdm_btcusdt"] == {"PRICE_SEEN", "CEX_TRADED"}
    assert kinds["binance_coinm_btcusd_perp"] == kinds["okx_v5_ws_fixtures"] | {"CEX_TRADED"}
    assert kinds["coinbase_advanced_ws_fixtures"] == kinds["bybit_v5_ws_fixtures"] | {"CEX_TRADED"}
    assert kinds["polymarket_rtds_2026-09-05"] == {"PRICE_SEEN", "AVERAGE_SEEN"}


def test_exact_prices_and_amounts_of_recorded_levels_are_those_of_the_text(short_folder: Path) -> None:
    path = short_folder / "polymarket_clob_market_2026-04-21.jsonl.zst"
    meta = json.loads((recordings("raw_frames") / "polymarket_clob_market_2026-04-21.meta.json").read_text())
    decoder, out = Decoder(), np.zeros(1 << 10, EVENT)
    tokens: dict[str, tuple[int, Token]] = {}
    for slot, market in enumerate(meta["markets"].values()):
        decoder.list_market(slot, market["conditionId"], market["upTokenId"], market["downTokenId"])
        tokens |= {market["upTokenId"]: (slot, Token.UP), market["downTokenId"]: (slot, Token.DOWN)}
    seen: Counter[str] = Counter()
    for raw in frames(path, 1500):
        rows = out[: decoder.decode(Wire.POLYMARKET_MARKET, raw, 1, out)]
        message = json.loads(raw)
        told = [
            (int(row.slot_id), Token(int(row.token_code)), int(row.price_bps), int(row.amount_micros)) for row in rows
        ]
        if message["event_type"] == "price_change":
            assert told == [(*tokens[each["asset_id"]], *_exact(each)) for each in message["price_changes"]]
        elif message["event_type"] == "book":
            levels = [*message["bids"], *message["asks"]]
            assert told[1:] == [(*tokens[message["asset_id"]], *_exact(each)) for each in levels]
        seen[message["event_type"]] += 1
    assert decoder.refusals.total == decoder.strangers.total == 0
    assert seen["price_change"] and seen["book"]


def _exact(level: dict[str, Any]) -> tuple[int, int]:
    def whole(text: str, places: int) -> int:
        units, _, part = text.partition(".")
        assert not part[places:].strip("0")
        return int(units) * int(10**places) + int(part[:places].ljust(places, "0"))

    return whole(level["price"], 4), whole(level["size"], 6)


def test_a_day_of_the_catalogue_is_read_without_an_unknown_field_and_by_the_rules_of_its_day() -> None:
    (path,) = recordings("chainlink_btcusd_1hz").glob("gamma_markets_*.jsonl.zst")
    outcomes: Counter[Token | None] = Counter()
    for raw in lines(path):
        parsed = gamma.parse(raw, audit=True)
        assert isinstance(parsed, Parsed) and parsed.unknown_fields == ()
        listing = listing_of(*gamma.windows_in(parsed.messages[0])[0])
        assert isinstance(listing, Listing)
        assert f"btc-updown-5m-{listing.open_ns // 10**9}" == listing.slug and listing.closed_ns >= listing.close_ns
        assert listing.rules[Rule.FEE_RATE_PPM] == 70_000 and Rule.SETTLEMENT not in listing.rules
        outcomes[listing.outcome] += 1
    assert set(outcomes) == {Token.UP, Token.DOWN}


def test_every_recorded_user_message_keeps_its_orders(short_folder: Path) -> None:
    read = [
        parsed.messages[0]
        for raw in frames(short_folder / "polymarket_ws_user_market_rtds_fixtures.jsonl.zst")
        if isinstance(parsed := PARSERS[Wire.POLYMARKET_USER](raw, audit=True), Parsed)
    ]
    assert Counter(type(message).__name__ for message in read) == {"OrderUpdate": 9, "TradeUpdate": 7}
    assert any(len(message.maker_orders) > 1 for message in read if hasattr(message, "maker_orders"))
