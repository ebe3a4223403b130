"""Secrets: where the signing key comes from: a signer elsewhere, the environment, or this machine's keyring.

A key is looked for in that order, for who names a signer wants no key here, and wrapped at once; nothing here prints,
journals or repeats what it found. A remote signer (a KMS, an enclave, a small process under another user) never gives
the key away: it is asked for signatures.
"""

import importlib
import importlib.util
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from eth_utils.address import to_checksum_address

from infra.addresses import LOOPBACK
from infra.venues.credentials import KEY_VARIABLE, KeyMissing, Secret, key_from, wallet_from
from infra.venues.signing import KeyHolder, LocalKey, SignatureType, Signer, SignerFailed
from infra.wallets import deposit_wallet_of

SERVICE: Final = "updown"
"""Under which name a keyring keeps our key."""
TYPE_VARIABLE: Final = "UPDOWN_WALLET_TYPE"
SIGNER_VARIABLE: Final = "UPDOWN_SIGNER"
"""Address of a remote signer on this machine, as http://127.0.0.1:9000."""
SIGNER_TOKEN_VARIABLE: Final = "UPDOWN_SIGNER_TOKEN"
SIGN_S: Final = 2.0


class RemoteKey:
    """A key that another process of this machine holds.

    It speaks two calls: `GET /address` gives `{"address": "0x..."}`, `POST /sign {"digest": "0x..."}` gives
    `{"signature": "0x..."}` (65 bytes); both bear `Authorization: Bearer <token>`. Doubt: it is asked while the order
    path waits, so it belongs on this machine; what a KMS over a network costs has not been measured.

    Raises:
        SignerFailed: it is not on this machine, or does not say who it is.
    """

    def __init__(self, base: str, token: Secret) -> None:
        if urlsplit(base).hostname not in LOOPBACK:
            raise SignerFailed(f"{SIGNER_VARIABLE}: a remote signer is reached over this machine's loopback only")
        self._base, self._token = base.rstrip("/"), token
        told = self._ask("/address", None).get("address", "")
        if not isinstance(told, str) or len(told) != 42:
            raise SignerFailed("the remote signer names no address; look at its log")
        self._address: str = to_checksum_address(told)

    def __repr__(self) -> str:
        return f"RemoteKey({self._base}, {self._address})"

    @property
    def address(self) -> str:
        """Give the account's address, as the signer told it."""
        return self._address

    def sign(self, digest: bytes) -> bytes:
        """Have a digest signed.

        Raises:
            SignerFailed: it does not answer, or with what is no signature.
        """
        told = self._ask("/sign", json.dumps({"digest": "0x" + digest.hex()}).encode()).get("signature", "")
        try:
            signature = bytes.fromhex(str(told).removeprefix("0x"))
        except ValueError:
            signature = b""
        if len(signature) != 65 or signature[64] not in (27, 28):
            raise SignerFailed("the remote signer gave something that is no signature; look at its log")
        return signature

    def _ask(self, path: str, body: bytes | None) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {self._token.reveal()}", "Content-Type": "application/json"}
        asked = urllib.request.Request(self._base + path, data=body, headers=headers)
        try:
            with _OPENER.open(asked, timeout=SIGN_S) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            raise SignerFailed(f"the remote signer answers {error.code}; check {SIGNER_TOKEN_VARIABLE}") from None
        except (OSError, ValueError) as error:
            raise SignerFailed(f"the remote signer does not answer ({type(error).__name__}); start it") from None
        return told if isinstance(told, dict) else {}


class _Straight(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else with our token: a redirect is an answer like any other refusal."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Straight())
"""No proxy between us and a signer on this machine, and no way on from there."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who trades: a key (here or elsewhere), the wallet whose money it is, and what kind of wallet that is."""

    holder: KeyHolder = field(repr=False)
    wallet: str
    """Checksummed."""
    signature_type: SignatureType
    source: str
    """Where the key came from, in words."""

    @property
    def address(self) -> str:
        """Give the address of the account that signs."""
        return self.holder.address

    def signer(self) -> Signer:
        """Give the signer of its orders."""
        return Signer(self.holder, self.wallet, self.signature_type)


def identity_from(environment: Mapping[str, str]) -> Identity:
    """Find the key, and read whose money it spends.

    Without a wallet named, the deposit wallet that the venue's factory places for the key is taken, for it is the only
    kind that new accounts may use (venue reference 1.3); UPDOWN_WALLET_TYPE=0 says that the key's own account trades.

    Raises:
        KeyMissing: there is no key, or wallet and type do not go together; the line never repeats a key.
        SignerFailed: a remote signer was named and does not answer.
    """
    holder, source = _holder(environment)
    wallet = wallet_from(environment)
    kind = _kind(environment)
    if kind is None:
        kind = SignatureType.EOA if wallet.lower() == holder.address.lower() else SignatureType.DEPOSIT_WALLET
    if kind is SignatureType.EOA:
        if wallet and wallet.lower() != holder.address.lower():
            raise KeyMissing(
                f"{TYPE_VARIABLE}=0 spends the key's own account {holder.address}, and UPDOWN_WALLET names another: "
                "take one of the two away"
            )
        wallet = holder.address
    elif not wallet:
        if kind is not SignatureType.DEPOSIT_WALLET:
            raise KeyMissing(f"{TYPE_VARIABLE}={int(kind)} needs the wallet's address: set UPDOWN_WALLET")
        wallet = deposit_wallet_of(holder.address)
    elif wallet.lower() == holder.address.lower():
        raise KeyMissing(
            f"{TYPE_VARIABLE}={int(kind)}, and UPDOWN_WALLET is the key's own account: name the wallet, or say "
            f"{TYPE_VARIABLE}=0"
        )
    return Identity(holder, to_checksum_address(wallet), kind, source)


def _holder(environment: Mapping[str, str]) -> tuple[KeyHolder, str]:
    if remote := environment.get(SIGNER_VARIABLE, "").strip():
        token = Secret(environment.get(SIGNER_TOKEN_VARIABLE, "").strip())
        return RemoteKey(remote, token), "a remote signer"
    if environment.get(KEY_VARIABLE, "").strip():
        key, source = key_from(environment), f"the environment ({KEY_VARIABLE})"
    elif (kept := key_from_keyring()) is not None:
        key, source = kept, "this machine's keyring"
    else:
        raise KeyMissing(
            f"no key to sign with: set {KEY_VARIABLE} to 64 hex digits, or keep one under {SERVICE}/{KEY_VARIABLE} in "
            "this machine's keyring"
        )
    return LocalKey(key), source


def key_from_keyring() -> Secret | None:
    """Give the key that this machine's keyring keeps for us; None where there is none, or no keyring.

    Raises:
        KeyMissing: what is kept there is no key.
    """
    if importlib.util.find_spec("keyring") is None:
        return None
    keyring = importlib.import_module("keyring")
    errors = importlib.import_module("keyring.errors")
    try:
        text = keyring.get_password(SERVICE, KEY_VARIABLE)
    except errors.KeyringError:  # locked, or no backend on this machine: as if none were there
        return None
    if not text:
        return None
    try:
        return key_from({KEY_VARIABLE: text})
    except KeyMissing as error:
        raise KeyMissing(f"what the keyring keeps under {SERVICE}/{KEY_VARIABLE} is no key of 64 hex digits") from error


def _kind(environment: Mapping[str, str]) -> SignatureType | None:
    text = environment.get(TYPE_VARIABLE, "").strip()
    if not text:
        return None
    try:
        return SignatureType(int(text))
    except ValueError:
        kinds = ", ".join(f"{int(each)} {each.name.lower()}" for each in SignatureType)
        raise KeyMissing(f"{TYPE_VARIABLE}={text[:20]!r} is no kind of wallet; there are {kinds}") from None
