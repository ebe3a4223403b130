"""Whether to trace, and where to: read from the usual LANGSMITH_* and OTEL_* variables, once, and never guessed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from infra.traces.sampling import SHARE
from infra.venues.credentials import Secret

HOSTED: Final = "https://api.smith.langchain.com"
PROJECT: Final = "updown"
ROOM: Final = 2_000
"""Trees that may wait to be sent; one is some 20 kB."""
YES: Final = frozenset({"true", "1", "yes", "on"})
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Protocol(StrEnum):
    """How traces are sent."""

    LANGSMITH = "langsmith"
    OTEL = "otel"
    HYBRID = "hybrid"


class TracingRefused(Exception):
    """The variables ask for tracing that cannot be; the message says which to mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """Where traces go, and how many."""

    protocol: Protocol
    endpoint: str
    """LangSmith's, without a path of a route."""
    key: Secret | None = field(repr=False)
    project: str
    workspace: str = ""
    otlp: str = ""
    """Full address for spans."""
    otlp_headers: Mapping[str, Secret] = field(default_factory=dict)
    share: float = SHARE
    """Share of those decisions that neither traded nor nearly did."""
    room: int = ROOM

    @property
    def words(self) -> str:
        """Say in a line where traces go."""
        by = {Protocol.LANGSMITH: [self.endpoint], Protocol.OTEL: [self.otlp]}
        there = by.get(self.protocol, [self.endpoint, self.otlp])
        return f"{' and '.join(there)} (project {self.project})"


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Say whether tracing was asked for; without a word it is off."""
    said = _first(environment, "LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2")
    return said.lower() in YES


def tracing_from(environment: Mapping[str, str]) -> Tracing | None:
    """Read where traces go; None when tracing is off.

    Raises:
        TracingRefused: a variable says what cannot be.
    """
    return settings_of(environment) if is_wanted(environment) else None


def settings_of(environment: Mapping[str, str]) -> Tracing:
    """Read where traces go, whether or not LANGSMITH_TRACING switches them on.

    Raises:
        TracingRefused: a variable says what cannot be.
    """
    endpoint = _first(environment, "LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT").rstrip("/")
    key = _first(environment, "LANGSMITH_API_KEY", "LANGCHAIN_API_KEY")
    protocol = _protocol(environment, bool(endpoint or key))
    endpoint = endpoint or HOSTED
    if protocol is not Protocol.OTEL:
        _hold_address("LANGSMITH_ENDPOINT", endpoint)
        if endpoint == HOSTED and not key:
            raise TracingRefused(
                "LANGSMITH_TRACING is on and there is no LANGSMITH_API_KEY: set it, or collect on this machine with "
                "`updown traces sink` and LANGSMITH_ENDPOINT=http://127.0.0.1:1984"
            )
    return Tracing(
        protocol=protocol, endpoint=endpoint, key=Secret(key) if key else None,
        project=_first(environment, "LANGSMITH_PROJECT", "LANGCHAIN_PROJECT") or PROJECT,
        workspace=_first(environment, "LANGSMITH_WORKSPACE_ID"),
        otlp=_otlp(environment, endpoint) if protocol is not Protocol.LANGSMITH else "",
        otlp_headers=_headers(environment, key) if protocol is not Protocol.LANGSMITH else {},
        share=_number(environment, "LANGSMITH_TRACING_SAMPLING_RATE", SHARE, 0.0, 1.0),
        room=int(_number(environment, "LANGSMITH_TRACING_QUEUE_MAX_SIZE", ROOM, 1, 1_000_000)),
    )  # fmt: skip


def _first(environment: Mapping[str, str], *names: str) -> str:
    return next((found for name in names if (found := environment.get(name, "").strip())), "")


def _protocol(environment: Mapping[str, str], has_langsmith: bool) -> Protocol:
    said = _first(environment, "LANGSMITH_TRACING_MODE").lower()
    if said:
        if said not in [str(each) for each in Protocol]:
            raise TracingRefused(f"LANGSMITH_TRACING_MODE is {said!r}; it must be langsmith, otel or hybrid")
        return Protocol(said)
    if _first(environment, "LANGSMITH_OTEL_ONLY").lower() in YES:
        return Protocol.OTEL
    if _first(environment, "LANGSMITH_OTEL_ENABLED").lower() in YES:
        return Protocol.HYBRID
    collector = _first(environment, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return Protocol.OTEL if collector and not has_langsmith else Protocol.LANGSMITH


def _otlp(environment: Mapping[str, str], endpoint: str) -> str:
    full = _first(environment, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    base = _first(environment, "OTEL_EXPORTER_OTLP_ENDPOINT").rstrip("/")
    where = full or (f"{base}/v1/traces" if base else f"{endpoint}/otel/v1/traces")
    _hold_address("OTEL_EXPORTER_OTLP_ENDPOINT", where)
    return where


def _headers(environment: Mapping[str, str], key: str) -> dict[str, Secret]:
    said = _first(environment, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
    pairs = [each.partition("=") for each in said.split(",") if "=" in each]
    headers = {name.strip(): Secret(value.strip()) for name, _, value in pairs}
    if key and not said:
        headers["x-api-key"] = Secret(key)
    return headers


def _hold_address(variable: str, address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TracingRefused(f"{variable} is no address: it must begin with http:// or https://")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise TracingRefused(f"{variable}: plain http is for this machine only; use https for {parts.hostname}")


def _number(environment: Mapping[str, str], name: str, otherwise: float, least: float, most: float) -> float:
    said = environment.get(name, "").strip()
    if not said:
        return otherwise
    try:
        value = float(said)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise TracingRefused(f"{name} is {said!r}; it must be a number from {least:g} to {most:g}")
    return value
