"""Receipts are evidence: chained, and a broken chain is said."""

from pathlib import Path

import pytest

from infra.supervisor.receipts import ReceiptsDamaged, append_receipt, half_done, read_receipts


def test_what_was_written_is_read_back_and_a_crash_between_is_known(tmp_path: Path) -> None:
    file = tmp_path / "receipts.jsonl"
    append_receipt(file, "a", "intended", {"changes": {"kelly_ratio": [0.2, 0.1]}})
    append_receipt(file, "a", "done", {"verdict": "promote"})
    append_receipt(file, "b", "intended", {})
    receipts = read_receipts(file)
    assert [(each.number, each.cycle, each.kind) for each in receipts] == [
        (1, "a", "intended"),
        (2, "a", "done"),
        (3, "b", "intended"),
    ]
    assert [each.cycle for each in half_done(receipts)] == ["b"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b"0.1]", b"0.3]"),
        lambda text: text.split(b"\n", 1)[1],
        lambda text: text[:-5],
        lambda text: b"sure\n" + text,
    ],
    ids=["changed", "first line gone", "torn", "foreign line"],
)
def test_a_broken_chain_is_said_and_nothing_is_written_behind_it(tmp_path: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "receipts.jsonl"
    append_receipt(file, "a", "intended", {"changes": {"kelly_ratio": [0.2, 0.1]}})
    append_receipt(file, "a", "done", {"verdict": "promote"})
    file.write_bytes(spoiled := spoil(file.read_bytes()))
    with pytest.raises(ReceiptsDamaged, match="line"):
        append_receipt(file, "b", "done", {})
    assert file.read_bytes() == spoiled
