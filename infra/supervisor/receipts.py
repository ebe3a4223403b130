"""Receipts of the supervisor: one line of JSON each, on disk before it counts, chained by hash.

One process writes. A chain that is broken is said, with the line, and never mended: a receipt is evidence.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Kind = Literal["intended", "done"]

FIRST: Final = "0" * 64


class ReceiptsDamaged(Exception):
    """The receipts are not what was written; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One line: `intended` before something is applied, `done` at the end of a cycle."""

    number: int
    cycle: str
    kind: Kind
    told: dict[str, Any]
    before: str
    hash: str


def read_receipts(file: Path) -> tuple[Receipt, ...]:
    """Read every receipt and hold the chain.

    Raises:
        ReceiptsDamaged: a line is torn, changed, missing or out of order.
    """
    found: list[Receipt] = []
    before = FIRST
    lines = file.read_bytes().split(b"\n") if file.exists() else [b""]
    if lines[-1]:
        raise ReceiptsDamaged(
            f"{file} line {len(lines)} is torn: keep a copy, and cut the file after the last whole line"
        )
    for number, line in enumerate(lines[:-1], start=1):
        try:
            kept = json.loads(line)
            receipt = Receipt(**kept)
        except (ValueError, TypeError) as wrong:
            raise ReceiptsDamaged(f"{file} line {number} is no receipt") from wrong
        body = {name: value for name, value in kept.items() if name != "hash"}
        if (receipt.number, receipt.before, receipt.hash) != (number, before, _hash(body)):
            raise ReceiptsDamaged(f"{file} line {number} does not follow from the line before: somebody changed it")
        before = receipt.hash
        found.append(receipt)
    return tuple(found)


def append_receipt(file: Path, cycle: str, kind: Kind, told: dict[str, Any]) -> Receipt:
    """Write one receipt, to the disk, behind those there are.

    Raises:
        ReceiptsDamaged: what is there already is not whole; nothing is written behind it.
    """
    kept = read_receipts(file)
    before = kept[-1].hash if kept else FIRST
    body = {"number": len(kept) + 1, "cycle": cycle, "kind": kind, "told": told, "before": before}
    body = json.loads(json.dumps(body))
    receipt = Receipt(**body, hash=_hash(body))
    line = json.dumps({**body, "hash": receipt.hash}, sort_keys=True) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as out:
        out.write(line.encode())
        out.flush()
        os.fsync(out.fileno())
    return receipt


def half_done(receipts: tuple[Receipt, ...]) -> tuple[Receipt, ...]:
    """Give what was intended and never came to its end: a crash lay between; ask the session's journal what became."""
    done = {receipt.cycle for receipt in receipts if receipt.kind == "done"}
    return tuple(receipt for receipt in receipts if receipt.kind == "intended" and receipt.cycle not in done)


def _hash(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def plain(told: Any) -> Any:
    """Give figures as JSON can hold them: what is no number is None."""
    if isinstance(told, Mapping):
        return {str(name): plain(value) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return [plain(each) for each in told]
    if isinstance(told, float):
        return told if told == told and abs(told) != float("inf") else None
    return told
