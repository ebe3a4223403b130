"""Fault scripts: what shall go wrong at the venue next door and when, as a TOML file or as one order of the admin."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.feeds.frames import Wire
from infra.venue_next_door.faults import Fault, Switch
from state.units import NS_PER_S

SOCKETS: Final = (
    Wire.POLYMARKET_MARKET, Wire.POLYMARKET_USER, Wire.POLYBOLT, Wire.RTDS, Wire.BINANCE_SPOT, Wire.BINANCE_USDM,
    Wire.BYBIT, Wire.OKX, Wire.COINBASE, Wire.COINBASE_EXCHANGE,
)  # fmt: skip
WIRES: Final = tuple(wire.name.lower() for wire in SOCKETS)
SHARES: Final = (
    Fault.DUPLICATE, Fault.REORDER, Fault.MISSING, Fault.GARBLED, Fault.FAILED_TRADE, Fault.RETRYING_TRADE,
)  # fmt: skip
ON_WIRES: Final = (
    Fault.SILENT, Fault.SLOW_CONSUMER, Fault.DISCONNECT, Fault.REFUSE, Fault.NO_SNAPSHOT, Fault.DUPLICATE, Fault.LATE,
    Fault.REORDER, Fault.MISSING, Fault.GARBLED, Fault.FEED_FREEZE,
)  # fmt: skip
FIELDS: Final = ("name", "where", "at_s", "for_s", "value")
ABSOLUTE_S: Final = 1_000_000_000
"""Seconds from here on are Unix time; below they count from a start."""
FOR_EVER_NS: Final = 1 << 62


class FaultRefused(ValueError):
    """A fault that cannot be; one line: which, and how to mend it."""


def switch_of(told: Mapping[str, Any], start_ns: int) -> Switch:
    """Give the switch that a table of words means.

    Args:
        told: `name`, and if wanted `where`, `at_s` (or `from_s`), `for_s`, `value`.
        start_ns: What `at_s` counts from, unless it is Unix time.

    Raises:
        FaultRefused: an unknown word, name or wire, or a figure that cannot be.
    """
    told = {("at_s" if word == "from_s" else word): its for word, its in told.items()}
    if odd := sorted(set(told) - set(FIELDS)):
        raise FaultRefused(f"unknown key {odd[0]!r}; a fault has {', '.join(FIELDS)}")
    try:
        fault = Fault(told.get("name", ""))
    except ValueError:
        names = ", ".join(fault.value for fault in Fault)
        raise FaultRefused(f"no fault {told.get('name')!r}; there are {names}") from None
    at_s, value = _number(told, "at_s", 0.0), _number(told, "value", 1.0)
    for_s = _number(told, "for_s", 0.0)
    if at_s < 0 or for_s < 0:
        raise FaultRefused(f"{fault.value}: at_s and for_s are not negative")
    if fault in SHARES and not 0 < value <= 1:
        raise FaultRefused(f"{fault.value}: value is a share of messages or trades, above 0 and at most 1")
    from_ns = round(at_s * NS_PER_S) + (start_ns if at_s < ABSOLUTE_S else 0)
    until_ns = from_ns + round(for_s * NS_PER_S) if for_s else FOR_EVER_NS
    return Switch(fault, _where(fault, told.get("where", "")), from_ns, until_ns, value)


def _number(told: Mapping[str, Any], name: str, default: float) -> float:
    value = told.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value or abs(value) > 1e12:
        raise FaultRefused(f"{told['name']}: {name} = {value!r} is no number")
    return float(value)


def _where(fault: Fault, where: object) -> str:
    if not isinstance(where, str):
        raise FaultRefused(f"{fault.value}: where = {where!r} is no text")
    if fault in ON_WIRES:
        if where and not any(wire.startswith(where) for wire in WIRES):
            raise FaultRefused(f"{fault.value}: no wire {where!r}; there are {', '.join(WIRES)}")
    elif where and not where.startswith("/"):
        raise FaultRefused(f'{fault.value}: where is the beginning of a path, as in "/order", not {where!r}')
    return where


def read_script(path: Path, start_ns: int) -> list[Switch]:
    """Read a fault script: tables `[[fault]]`, whose `at_s` count from the venue's start.

    Raises:
        FaultRefused: it cannot be read as such; the line says which fault.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FaultRefused(f"{path}: not TOML ({error}); write tables [[fault]]") from error
    tables = told.get("fault", [])
    if set(told) - {"fault"} or not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise FaultRefused(f"{path}: write tables [[fault]] and nothing else")
    switches = []
    for number, table in enumerate(tables, 1):
        try:
            switches.append(switch_of(table, start_ns))
        except FaultRefused as error:
            raise FaultRefused(f"{path}: fault {number}: {error}") from None
    return switches
