"""Where the shared fast state is, as the environment says it: UPDOWN_REDIS_URL, and our share of each rate."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from infra.settings import SettingsRefused
from infra.venues.credentials import Secret

URL_VARIABLE: Final = "UPDOWN_REDIS_URL"
SHARE_VARIABLE: Final = "UPDOWN_REDIS_SHARE"
SHARE: Final = 0.5
PORT: Final = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisPlace:
    """A Redis server, and what part of each rate we may use when it cannot be reached."""

    host: str
    port: int = PORT
    database: int = 0
    user: str = ""
    password: Secret | None = field(default=None, repr=False)
    is_encrypted: bool = False
    share: float = SHARE

    @property
    def words(self) -> str:
        """Name it to people; never the password."""
        return f"redis at {self.host}:{self.port}"


def redis_from(environment: Mapping[str, str]) -> RedisPlace | None:
    """Read where Redis is; None where the fast state is this process's own.

    Raises:
        SettingsRefused: a variable says what cannot be; the line never repeats an address, for it may hold a password.
    """
    text = environment.get(URL_VARIABLE, "").strip()
    return place_of(text, _share(environment.get(SHARE_VARIABLE, "").strip())) if text else None


def place_of(url: str, share: float = SHARE) -> RedisPlace:
    """Read an address `redis://[user:password@]host[:port][/database]`, or `rediss://` for an encrypted line.

    Raises:
        SettingsRefused: it is none.
    """
    wrong = SettingsRefused(f"{URL_VARIABLE} is no address of a Redis server: write redis://127.0.0.1:6379/0")
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
        database = parts.path.strip("/") or "0"
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not database.isascii() or parts.query:
        raise wrong
    if not database.isdigit() or parts.fragment:
        raise wrong
    return RedisPlace(
        host=parts.hostname, port=port, database=int(database), user=unquote(parts.username or ""),
        password=Secret(unquote(parts.password)) if parts.password else None,
        is_encrypted=parts.scheme == "rediss", share=share,
    )  # fmt: skip


def _share(text: str) -> float:
    if not text:
        return SHARE
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0.0 < share <= 1.0:
        raise SettingsRefused(
            f"{SHARE_VARIABLE} must be above 0 and at most 1: our part of each rate while Redis cannot be reached"
        )
    return share
