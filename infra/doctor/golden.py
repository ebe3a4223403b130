"""Golden vectors: our signatures held against ones that two of the venue's own clients made (venue reference 9).

A library that was updated, or built for another machine, would sign something else, and the venue would only say
"invalid signature". The key is a throw-away that everybody knows; nothing is sent.
"""

from typing import Final

from infra.venues.credentials import Credentials, Secret
from infra.venues.signing import ORDER_TYPE_HASH, Seal, SignatureType, Signer, Terms, keccak
from state.events import Side

_KEY: Final = "11" * 32
_TERMS: Final = Terms(
    479249096354, "447413276661762906288585216172399813197578048798541282311616516503234928995", Side.BUY, 5_200_000,
    10_000_000, 1_790_000_000_000,
)  # fmt: skip
_HMAC_SECRET: Final = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
VECTORS: Final = {
    "address": "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
    "order type": "bb86318a2138f5fa8ae32fbe8e659f8fcf13cc6ae4014a707893055433818589",
    "order id, own account": "0x047ff8e58b8e2037916cd586e3d4176687ce8af234bafde6d71b6d55debf1cb2",
    "signature, own account": (
        "0x1df216c1d72640c68f34e911d27b4b3d8059d2847c569f91518a4b1930c956224ebed7e0805e8e402eee1b2f48814445728920167d29"
        "1ac01657b5f60277f25d1c"
    ),
    "order id, deposit wallet": "0x75e5d2a44793d53993ec6b728c7951d6025dfa26de93202b1bf344c524da3094",
    "signature, deposit wallet": "caf3cda546abe59d7bea7f778d1aad1e160c4f3120387f0deb6c5e23bde035fa",
    "log-in": (
        "0x85ca564babee4e457e787f6a6db85d07f12ea4c3b436cbb0d7985b97543f11f50a58fb1019b2ba8c4c77d3cc30a2901659b9074b5412"
        "9b035d545c907c8c5caa1b"
    ),
    "request with a body": "-Hy4ep4HnkMIizNJAHRI6qq--cDYSuJBzAkWb91qfoQ=",
    "request without a body": "x7mJQCZTeyx4Fss83a5NrL7kvpT7okVZ8Uqy5mUshUQ=",
}
"""What each must come to; the long signature of a deposit wallet by its hash."""


def reckoned() -> dict[str, str]:
    """Reckon what the vectors hold, with the code that signs real orders."""
    own = Signer(Secret(_KEY))
    wallet = Signer(Secret(_KEY), "0x" + "22" * 20, SignatureType.DEPOSIT_WALLET)
    by_key, by_wallet = own.sign(_TERMS), wallet.sign(_TERMS)
    seal = Seal(own.address, Credentials("", Secret(_HMAC_SECRET), Secret("")))
    return {
        "address": own.address,
        "order type": ORDER_TYPE_HASH.hex(),
        "order id, own account": by_key.order_hash,
        "signature, own account": by_key.signature,
        "order id, deposit wallet": by_wallet.order_hash,
        "signature, deposit wallet": keccak(bytes.fromhex(by_wallet.signature[2:])).hex(),
        "log-in": own.attestation(1_790_000_000)["POLY_SIGNATURE"],
        "request with a body": seal.signature(1_790_000_000, "POST", "/order", b'{"a":1}'),
        "request without a body": seal.signature(1_790_000_000, "GET", "/data/orders"),
    }


def differing() -> tuple[str, ...]:
    """Name what comes out otherwise on this machine; empty when all is as it must be."""
    ours = reckoned()
    return tuple(name for name, wanted in VECTORS.items() if ours[name] != wanted)
