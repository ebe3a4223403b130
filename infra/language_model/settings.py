"""Which language model is asked, at what price and how much of it: read from the environment, and never guessed.

Any server that speaks OpenAI's chat completions will do (`UPDOWN_MODEL_BASE_URL`). Without `UPDOWN_MODEL` there is no
model, and everything works without one. Prices are the operator's word: a model whose price is not said costs nothing
in our books, so the budget of tokens holds it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from infra.settings import SettingsRefused
from infra.venues.credentials import Secret

MODEL: Final = "UPDOWN_MODEL"
BASE_URL: Final = "UPDOWN_MODEL_BASE_URL"
KEY: Final = "UPDOWN_MODEL_KEY"
OPENAI_KEY: Final = "OPENAI_API_KEY"
NO_KEY: Final = "none"
"""What is sent to a server of one's own that wants no key: its client insists on sending one."""
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """A model, how long it is waited for, and what it may use."""

    model: str
    base_url: str | None = None
    """None: OpenAI's own."""
    key: Secret = field(repr=False)
    timeout_s: float = 30.0
    """For one question and its answer, tries together."""
    retries: int = 1
    usd_per_million_in: float = 0.0
    usd_per_million_out: float = 0.0
    usd_per_day: float = 5.0
    tokens_per_day: int = 1_000_000


class NoModel(NamedTuple):
    """There is no model: why, and how to name one."""

    words: str


_NUMBERS: Final[dict[str, tuple[str, float, float]]] = {
    "UPDOWN_MODEL_TIMEOUT_S": ("timeout_s", 1.0, 600.0),
    "UPDOWN_MODEL_RETRIES": ("retries", 0.0, 5.0),
    "UPDOWN_MODEL_USD_PER_MILLION_IN": ("usd_per_million_in", 0.0, 10_000.0),
    "UPDOWN_MODEL_USD_PER_MILLION_OUT": ("usd_per_million_out", 0.0, 10_000.0),
    "UPDOWN_MODEL_USD_PER_DAY": ("usd_per_day", 0.0, 10_000.0),
    "UPDOWN_MODEL_TOKENS_PER_DAY": ("tokens_per_day", 0.0, 1e9),
}
"""Variable -> field, least and most."""
_WHOLE: Final = frozenset({"retries", "tokens_per_day"})


def read_model(environment: Mapping[str, str]) -> ModelSettings | NoModel:
    """Read which model is to be asked.

    Raises:
        SettingsRefused: a variable says what cannot be; one line, and it never repeats a key.
    """
    model = environment.get(MODEL, "").strip()
    if not model:
        return NoModel(f"no model is set: {MODEL} names one, {KEY} or {OPENAI_KEY} its key, {BASE_URL} another server")
    base_url = environment.get(BASE_URL, "").strip() or None
    is_ours = base_url is not None and _host_of(base_url) in LOOPBACK
    key = environment.get(KEY, "").strip() or environment.get(OPENAI_KEY, "").strip()
    if not key and not is_ours:
        return NoModel(f"no key for {model}: set {KEY} or {OPENAI_KEY}, or {BASE_URL} to a server on this machine")
    told: dict[str, float] = {}
    for name, (field_name, least, most) in _NUMBERS.items():
        said = environment.get(name, "").strip()
        if said:
            told[field_name] = _number(name, said, least, most)
    return ModelSettings(
        model=model, base_url=base_url, key=Secret(key or NO_KEY),
        **{name: int(value) if name in _WHOLE else value for name, value in told.items()},  # type: ignore[arg-type]
    )  # fmt: skip


def _host_of(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsRefused(f"{BASE_URL} must be an address like http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise SettingsRefused(f"{BASE_URL} has a name or password in it; the key belongs into {KEY}")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingsRefused(f"{BASE_URL} would send the key unencrypted; use https for another machine")
    return parts.hostname


def _number(name: str, said: str, least: float, most: float) -> float:
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not least <= value <= most or (_NUMBERS[name][0] in _WHOLE and value != int(value)):
        kind = "a whole number" if _NUMBERS[name][0] in _WHOLE else "a number"
        raise SettingsRefused(f"{name} must be {kind} from {least:g} to {most:g}")
    return value
