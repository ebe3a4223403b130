"""An operator's settings of the Kafka client (TLS, SASL), by file: secrets stand in no command line, no variable."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.bus.port import BusRefused

ALLOWED: Final = ("security.", "ssl.", "sasl.", "socket.", "client.rack", "broker.address.")
"""What may be set: how a broker is reached. How often, how safely and in which order we send is not for setting."""


def client_settings(file: Path | None) -> Mapping[str, str]:
    """Read lines of NAME=VALUE; empty ones and those that begin with # are left out.

    Raises:
        BusRefused: a line is none, or names something that may not be set; its value is not repeated.
        OSError: the file cannot be read.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines() if file else (), start=1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        name, is_set, value = (part.strip() for part in words.partition("="))
        if not is_set:
            raise BusRefused(f"{file} line {number}: write NAME=VALUE")
        if not name.startswith(ALLOWED):
            shown = ", ".join(f"{each}*" if each.endswith(".") else each for each in ALLOWED)
            raise BusRefused(f"{file} line {number}: {name[:60]} may not be set here; these may: {shown}")
        found[name] = value
    return found
