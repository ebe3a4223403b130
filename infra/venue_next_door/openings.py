"""Openings: the keys of a new account, the same for the same signer, nonce and run."""

import base64
import hashlib
import hmac

from infra.venue_next_door.nouns import Account


def _digest(seed: int, what: str) -> bytes:
    return hmac.digest(f"venue next door {seed}".encode(), what.encode(), hashlib.sha256)


def new_account(seed: int, owner_address: str, wallet_address: str, nonce: int) -> Account:
    """Give an account with its keys: an id with dashes, an urlsafe secret of 32 bytes, a passphrase of 64 digits."""
    who = f"{owner_address.lower()} {nonce}"
    digits = _digest(seed, f"{who} key").hex()
    return Account(
        owner_address=owner_address,
        wallet_address=wallet_address,
        api_key="-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32])),
        secret=base64.urlsafe_b64encode(_digest(seed, f"{who} secret")).decode(),
        passphrase=_digest(seed, f"{who} passphrase").hex(),
        nonce=nonce,
    )


def seed_of(account: Account, seed: int) -> int:
    """Give the seed of the chances that an account's matching model draws."""
    return int.from_bytes(_digest(seed, f"{account.api_key} chance")[:6], "big")
