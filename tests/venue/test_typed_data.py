"""What was signed: the golden vectors of the venue reference, and agreement with an encoder that is not ours."""

import base64
import hashlib
import hmac
from typing import Any

import coincurve
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from infra.venue_next_door import typed_data
from infra.venue_next_door.typed_data import SEPARATORS, SignedFields, WalletCall

KEY = bytes([0x11]) * 32
OWNER = typed_data.address_of("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
WALLET = bytes([0x22]) * 20
TOKEN = 447413276661762906288585216172399813197578048798541282311616516503234928995
EOA_SIGNATURE = bytes.fromhex(
    "1df216c1d72640c68f34e911d27b4b3d8059d2847c569f91518a4b1930c95622"
    "4ebed7e0805e8e402eee1b2f48814445728920167d291ac01657b5f60277f25d1c"
)
INNER_SIGNATURE = bytes.fromhex(
    "7f755eab0f159fd251e6301851d8f4d653b51904a944ce428fe0cfd00a845278"
    "3299a22f4d1938d6bf2ed989cb860f0dd5a608a805d480247e19f780e8652cb71b"
)
WRAPPED_SIGNATURE = (
    INNER_SIGNATURE
    + bytes.fromhex("3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2")
    + bytes.fromhex("657fff7b6840511825169b2eb949872882078716b6cf4abdbe18d4e2dd26f802")
    + typed_data.ORDER_TYPE
    + b"\x00\xba"
)


def golden_order(signature_type: int = 0) -> SignedFields:
    maker = OWNER if signature_type == 0 else WALLET
    return SignedFields(
        479249096354,
        maker,
        maker,
        TOKEN,
        5_200_000,
        10_000_000,
        0,
        signature_type,
        1_790_000_000_000,
        bytes(32),
        bytes(32),
    )


def sign(digest: bytes, key: bytes = KEY) -> bytes:
    raw = coincurve.PrivateKey(key).sign_recoverable(digest, hasher=None)
    return raw[:64] + bytes([raw[64] + 27])


def test_the_order_type_has_the_hash_of_the_contract() -> None:
    assert keccak(typed_data.ORDER_TYPE).hex() == "bb86318a2138f5fa8ae32fbe8e659f8fcf13cc6ae4014a707893055433818589"


@pytest.mark.parametrize(
    ("version", "digest"),
    [
        ("2", "047ff8e58b8e2037916cd586e3d4176687ce8af234bafde6d71b6d55debf1cb2"),
        ("3", "52acca3a3fee32f1918209609c4feddba66cba592410b71c18fef2a45d80d5e4"),
    ],
)
def test_an_order_has_the_id_that_its_exchange_gives_it(version: str, digest: str) -> None:
    struct_hash = typed_data.order_struct_hash(golden_order())
    assert typed_data.digest_of(SEPARATORS[version], struct_hash).hex() == digest


def test_an_eoa_s_signature_names_its_signer() -> None:
    order = golden_order()
    struct_hash = typed_data.order_struct_hash(order)
    assert typed_data.order_signer(order, struct_hash, SEPARATORS["2"], EOA_SIGNATURE) == OWNER


def test_a_deposit_wallet_s_order_has_the_standard_id_and_names_its_owner() -> None:
    order = golden_order(3)
    struct_hash = typed_data.order_struct_hash(order)
    separator = SEPARATORS["2"]
    assert typed_data.digest_of(separator, struct_hash).hex() == (
        "75e5d2a44793d53993ec6b728c7951d6025dfa26de93202b1bf344c524da3094"
    )
    assert typed_data.wrapped_digest(separator, struct_hash, WALLET).hex() == (
        "6dfdb1cb469610899bbdc9a81976cfc421fa982ed73392a21c2ae99b60b8c80f"
    )
    assert len(WRAPPED_SIGNATURE) == typed_data.WRAPPED_SIGNATURE_BYTES
    assert keccak(WRAPPED_SIGNATURE).hex() == "caf3cda546abe59d7bea7f778d1aad1e160c4f3120387f0deb6c5e23bde035fa"
    assert typed_data.order_signer(order, struct_hash, separator, WRAPPED_SIGNATURE) == OWNER


@pytest.mark.parametrize("at", [65, 96, 97, 128, 129, 314, 315, 316])
def test_every_part_of_the_trailer_is_looked_at(at: int) -> None:
    order = golden_order(3)
    bent = bytearray(WRAPPED_SIGNATURE)
    bent[at] ^= 1
    assert typed_data.order_signer(order, typed_data.order_struct_hash(order), SEPARATORS["2"], bytes(bent)) is None


def test_a_signature_under_the_other_exchange_names_somebody_else() -> None:
    order = golden_order()
    struct_hash = typed_data.order_struct_hash(order)
    assert typed_data.order_signer(order, struct_hash, SEPARATORS["3"], EOA_SIGNATURE) != OWNER
    wrapped = golden_order(3)
    struct_hash = typed_data.order_struct_hash(wrapped)
    assert typed_data.order_signer(wrapped, struct_hash, SEPARATORS["3"], WRAPPED_SIGNATURE) is None


def test_a_login_has_the_signature_of_the_reference() -> None:
    digest = typed_data.auth_digest(OWNER, "1790000000", 0)
    golden = bytes.fromhex(
        "85ca564babee4e457e787f6a6db85d07f12ea4c3b436cbb0d7985b97543f11f5"
        "0a58fb1019b2ba8c4c77d3cc30a2901659b9074b54129b035d545c907c8c5caa1b"
    )
    assert sign(digest) == golden
    assert typed_data.recover(digest, golden) == OWNER


def test_what_is_no_signature_names_nobody() -> None:
    digest = bytes(range(32))
    good = sign(digest)
    high_s = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - int.from_bytes(good[32:64], "big")
    assert typed_data.recover(digest, good) == OWNER
    assert typed_data.recover(digest, good[:64]) is None
    assert typed_data.recover(digest, good[:64] + b"\x00") is None
    assert typed_data.recover(digest, good[:32] + high_s.to_bytes(32, "big") + bytes([55 - good[64]])) is None
    assert typed_data.recover(digest, bytes(64) + b"\x1b") is None
    assert typed_data.recover(digest, b"\xff" * 64 + b"\x1b") is None


def test_which_domain_an_asset_is_signed_under_stands_in_its_number() -> None:
    assert typed_data.domain_version(TOKEN) == "2"
    assert typed_data.domain_version(int("01" + "ab" * 18 + "00" * 8 + "00" * 4 + "01", 16)) == "3"


def test_the_hmac_of_the_reference_is_what_the_standard_library_makes_of_it() -> None:
    secret = base64.urlsafe_b64decode("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    made = hmac.new(secret, b'1790000000POST/order{"a":1}', hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(made) == b"-Hy4ep4HnkMIizNJAHRI6qq--cDYSuJBzAkWb91qfoQ="


uint256 = st.integers(0, 2**256 - 1)
address = st.binary(min_size=20, max_size=20)
bytes32 = st.binary(min_size=32, max_size=32)
DOMAIN = [{"name": name, "type": kind} for name, kind in (("name", "string"), ("version", "string"))] + [
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
ORDER = [{"name": part.split()[1], "type": part.split()[0]} for part in typed_data.ORDER_TYPE.decode()[6:-1].split(",")]
CONTRACTS = {"2": typed_data.EXCHANGE_V2, "3": typed_data.EXCHANGE_V3}


def message_of(order: SignedFields) -> dict[str, Any]:
    values = (order.salt, order.maker, order.signer, order.token_id, order.maker_amount, order.taker_amount, order.side)
    rest = (order.signature_type, order.timestamp, order.metadata, order.builder)
    return dict(zip((field["name"] for field in ORDER), values + rest, strict=True))


def encoded(document: dict[str, Any]) -> bytes:
    signable = encode_typed_data(full_message=document)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


@given(
    st.builds(
        SignedFields, uint256, address, address, uint256, uint256, uint256, st.sampled_from([0, 1]),
        st.sampled_from([0, 1, 2, 3]), uint256, bytes32, bytes32,
    ),
    st.sampled_from(["2", "3"]),
)  # fmt: skip
def test_orders_are_encoded_as_another_library_encodes_them(order: SignedFields, version: str) -> None:
    domain = {
        "name": "Polymarket CTF Exchange", "version": version, "chainId": 137, "verifyingContract": CONTRACTS[version]
    }  # fmt: skip
    document = {
        "types": {"EIP712Domain": DOMAIN, "Order": ORDER},
        "primaryType": "Order",
        "domain": domain,
        "message": message_of(order),
    }
    struct_hash = typed_data.order_struct_hash(order)
    assert typed_data.digest_of(SEPARATORS[version], struct_hash) == encoded(document)
    wrapped = {
        "types": {
            "EIP712Domain": DOMAIN,
            "Order": ORDER,
            "TypedDataSign": [
                {"name": "contents", "type": "Order"}, *DOMAIN, {"name": "salt", "type": "bytes32"},
            ],
        },
        "primaryType": "TypedDataSign",
        "domain": domain,
        "message": {
            "contents": message_of(order), "name": "DepositWallet", "version": "1", "chainId": 137,
            "verifyingContract": order.signer, "salt": bytes(32),
        },
    }  # fmt: skip
    assert typed_data.wrapped_digest(SEPARATORS[version], struct_hash, order.signer) == encoded(wrapped)


@given(bytes32.filter(lambda key: 0 < int.from_bytes(key, "big") < 2**255), bytes32)
def test_whoever_signs_is_named(key: bytes, digest: bytes) -> None:
    assert typed_data.recover(digest, sign(digest, key)) == typed_data.address_of(Account.from_key(key).address)


calls = st.lists(st.builds(WalletCall, address, uint256, st.binary(max_size=100)), max_size=3)


@given(address, uint256, uint256, calls)
def test_wallet_batches_are_encoded_as_another_library_encodes_them(
    wallet: bytes, nonce: int, deadline_s: int, made: list[WalletCall]
) -> None:
    document = {
        "types": {
            "EIP712Domain": DOMAIN,
            "Batch": [
                {"name": "wallet", "type": "address"}, {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint256"}, {"name": "calls", "type": "Call[]"},
            ],
            "Call": [
                {"name": "target", "type": "address"}, {"name": "value", "type": "uint256"},
                {"name": "data", "type": "bytes"},
            ],
        },
        "primaryType": "Batch",
        "domain": {"name": "DepositWallet", "version": "1", "chainId": 137, "verifyingContract": wallet},
        "message": {
            "wallet": wallet, "nonce": nonce, "deadline": deadline_s,
            "calls": [{"target": call.target, "value": call.value, "data": call.data} for call in made],
        },
    }  # fmt: skip
    assert typed_data.batch_digest(wallet, nonce, deadline_s, tuple(made)) == encoded(document)
