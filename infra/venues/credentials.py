"""Credentials: the key that signs and the words the venue knows us by, wrapped so that they never print."""

import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

KEY_VARIABLE: Final = "UPDOWN_PRIVATE_KEY"
WALLET_VARIABLE: Final = "UPDOWN_WALLET"

_KEY: Final = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


class Secret:
    """Text that is never shown: not by `repr`, `str`, formatting, a traceback's locals, or a pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text, for the one place that signs or sends with it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(Secret)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the venue gives a signer for its authenticated calls (venue reference 5.2)."""

    api_key: str = field(repr=False)
    """Names us in messages; by itself it opens nothing."""
    secret: Secret
    """urlsafe base64."""
    passphrase: Secret

    def spoken(self) -> dict[str, str]:
        """Give them as the venue's sockets want them (venue reference 4.2, 4.4)."""
        return {"apiKey": self.api_key, "secret": self.secret.reveal(), "passphrase": self.passphrase.reveal()}


class KeyMissing(Exception):
    """The operator has not said which key to sign with, or said it wrongly; one line how to mend it."""


def key_from(environment: Mapping[str, str]) -> Secret:
    """Read the signing key from the environment.

    Raises:
        KeyMissing: it is not there or is no key; the line never repeats what was found.
    """
    text = environment.get(KEY_VARIABLE, "").strip()
    if not text:
        raise KeyMissing(f"no key to sign with: set {KEY_VARIABLE} to 64 hex digits")
    if _KEY.fullmatch(text) is None:
        raise KeyMissing(f"{KEY_VARIABLE} is no key: it must be 64 hex digits, with or without 0x")
    return Secret(text)


def wallet_from(environment: Mapping[str, str]) -> str:
    """Read the deposit wallet's address from the environment; empty when the key's own account trades.

    Raises:
        KeyMissing: what is there is no address.
    """
    text = environment.get(WALLET_VARIABLE, "").strip()
    if text and _ADDRESS.fullmatch(text) is None:
        raise KeyMissing(f"{WALLET_VARIABLE} is no address: it must be 0x and 40 hex digits")
    return text


def throwaway_key() -> Secret:
    """Make a key that nobody keeps: enough to be known to the venue next door, and to read PolyBolt."""
    return Secret(os.urandom(32).hex())
