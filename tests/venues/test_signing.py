"""Signing is held to the golden vectors, and byte for byte to the venue's own two clients on any order."""

import json
import pickle

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data
from polymarket._internal.actions.orders.types import BYTES32_ZERO, UnsignedOrder
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket._internal.hmac import build_hmac_signature
from polymarket._internal.l1_auth import sign_api_key_auth
from polymarket._internal.wallet import derive_beacon_deposit_wallet_address
from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2  # type: ignore[import-untyped]
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderV2  # type: ignore[import-untyped]
from py_clob_client_v2.order_utils.model.side import Side as TheirSide  # type: ignore[import-untyped]
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2  # type: ignore[import-untyped]
from py_clob_client_v2.signer import Signer as TheirSigner  # type: ignore[import-untyped]

from infra.venues.credentials import KEY_VARIABLE, Credentials, KeyMissing, Secret, key_from, throwaway_key, wallet_from
from infra.venues.signing import (
    CHAIN_ID,
    EXCHANGE_V2,
    EXCHANGE_V3,
    ORDER_TYPE_HASH,
    Seal,
    Signer,
    Terms,
    domain_of,
    salt_of,
)
from infra.wallets import deposit_wallet_of
from state.events import Side

KEY = Secret("11" * 32)
WALLET = "0x" + "22" * 20
TOKEN = "447413276661762906288585216172399813197578048798541282311616516503234928995"
POSITION = str((1 << 248) + (0x1234 << 112) + 1)
"""An id in the name space of positions: its markets are signed for under domain "3"."""
GOLDEN = Terms(479249096354, TOKEN, Side.BUY, 5_200_000, 10_000_000, 1_790_000_000_000)
ZERO_WORD = "0x" + "00" * 32


def test_golden_vectors_of_an_own_account() -> None:
    signed = Signer(KEY).sign(GOLDEN)
    assert "0x" + ORDER_TYPE_HASH.hex() == "0xbb86318a2138f5fa8ae32fbe8e659f8fcf13cc6ae4014a707893055433818589"
    assert signed.order_hash == "0x047ff8e58b8e2037916cd586e3d4176687ce8af234bafde6d71b6d55debf1cb2"
    assert signed.signature == (
        "0x1df216c1d72640c68f34e911d27b4b3d8059d2847c569f91518a4b1930c956224"
        "ebed7e0805e8e402eee1b2f48814445728920167d291ac01657b5f60277f25d1c"
    )


def test_golden_vectors_of_a_deposit_wallet() -> None:
    signed = Signer(KEY, WALLET).sign(GOLDEN)
    sent = bytes.fromhex(signed.signature[2:])
    assert signed.order_hash == "0x75e5d2a44793d53993ec6b728c7951d6025dfa26de93202b1bf344c524da3094"
    assert sent[:65].hex() == (
        "7f755eab0f159fd251e6301851d8f4d653b51904a944ce428fe0cfd00a845278"
        "3299a22f4d1938d6bf2ed989cb860f0dd5a608a805d480247e19f780e8652cb71b"
    )
    assert sent[65:97].hex() == "3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2"
    assert sent[97:129].hex() == "657fff7b6840511825169b2eb949872882078716b6cf4abdbe18d4e2dd26f802"
    assert len(sent) == 317 and sent[-2:] == b"\x00\xba"


def test_the_golden_attestation_and_seals() -> None:
    signer = Signer(KEY)
    assert signer.address == "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    assert signer.attestation(1_790_000_000)["POLY_SIGNATURE"] == (
        "0x85ca564babee4e457e787f6a6db85d07f12ea4c3b436cbb0d7985b97543f11f5"
        "0a58fb1019b2ba8c4c77d3cc30a2901659b9074b54129b035d545c907c8c5caa1b"
    )
    seal = Seal(signer.address, Credentials("key", Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), Secret("p")))
    assert seal.signature(1_790_000_000, "POST", "/order", b'{"a":1}') == "-Hy4ep4HnkMIizNJAHRI6qq--cDYSuJBzAkWb91qfoQ="
    assert seal.signature(1_790_000_000, "GET", "/data/orders") == "x7mJQCZTeyx4Fss83a5NrL7kvpT7okVZ8Uqy5mUshUQ="


def test_the_third_domain_is_for_position_ids() -> None:
    assert domain_of(POSITION)[0] != domain_of(TOKEN)[0]


words = st.integers(0, 2**256 - 1)
keys = st.integers(1, 2**255).map(lambda number: Secret(f"{number:064x}"))
terms = st.builds(
    Terms,
    salt=st.integers(0, 2**53 - 1),
    token_id=st.one_of(words.map(str), st.integers(0, 2**100).map(lambda low: str((1 << 248) + (low << 112)))),
    side=st.sampled_from(Side),
    maker_micros=st.integers(0, 2**63),
    taker_micros=st.integers(0, 2**63),
    timestamp_ms=st.integers(0, 2**43),
)
wallets = st.one_of(st.just(""), st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()))


def exchange_and_version(token_id: str) -> tuple[str, str]:
    version = "3" if int(token_id) & (((1 << 64) - 1) << 40) == 0 else "2"
    return (EXCHANGE_V3 if version == "3" else EXCHANGE_V2), version


@given(keys, wallets, terms)
def test_an_order_is_signed_as_the_official_client_does(key: Secret, wallet: str, order: Terms) -> None:
    signer = Signer(key, wallet)
    contract, version = exchange_and_version(order.token_id)
    unsigned = UnsignedOrder(
        chain_id=CHAIN_ID, builder=BYTES32_ZERO, exchange_address=contract, expiration=0, maker=signer.wallet,  # type: ignore[arg-type]
        maker_amount=order.maker_micros, metadata=BYTES32_ZERO, order_type="GTC", salt=order.salt,
        side=order.side.name, signature_type=int(signer.signature_type), signer=signer.wallet,  # type: ignore[arg-type]
        taker_amount=order.taker_micros, timestamp=order.timestamp_ms, token_id=order.token_id,  # type: ignore[arg-type]
        protocol_version=version,  # type: ignore[arg-type]
    )  # fmt: skip
    inner = Account.from_key(key.reveal()).sign_typed_data(full_message=build_order_typed_data(unsigned)).signature
    theirs = build_order_signature(unsigned, "0x" + inner.hex())
    assert signer.sign(order).signature == theirs


@given(keys, wallets, terms)
def test_id_and_signature_are_those_of_the_older_client_too(key: Secret, wallet: str, order: Terms) -> None:
    signer = Signer(key, wallet)
    contract, version = exchange_and_version(order.token_id)
    builder = ExchangeOrderBuilderV2(contract, CHAIN_ID, TheirSigner(key.reveal(), CHAIN_ID), domain_version=version)
    typed = builder.build_order_typed_data(
        OrderV2(
            salt=str(order.salt), maker=signer.wallet, signer=signer.wallet, tokenId=order.token_id,
            makerAmount=str(order.maker_micros), takerAmount=str(order.taker_micros), side=TheirSide(int(order.side)),
            signatureType=SignatureTypeV2(int(signer.signature_type)), timestamp=str(order.timestamp_ms),
            metadata=ZERO_WORD, builder=ZERO_WORD, expiration="0",
        )
    )  # fmt: skip
    signed = signer.sign(order)
    assert signed.order_hash == builder.build_order_hash(typed)
    assert signed.signature == builder.build_order_signature(typed)


@given(keys, st.integers(0, 2**33), st.integers(0, 2**20))
def test_the_attestation_is_the_official_clients(key: Secret, timestamp_s: int, nonce: int) -> None:
    theirs = sign_api_key_auth(Account.from_key(key.reveal()), chain_id=CHAIN_ID, timestamp=timestamp_s, nonce=nonce)
    headers = Signer(key).attestation(timestamp_s, nonce)
    assert (headers["POLY_ADDRESS"], headers["POLY_SIGNATURE"]) == (theirs.address, theirs.signature)


@given(st.binary(min_size=1, max_size=40), st.sampled_from(["GET", "POST", "DELETE"]), st.text(max_size=40))
def test_the_seal_is_the_official_clients(secret: bytes, method: str, body: str) -> None:
    import base64

    text = base64.urlsafe_b64encode(secret).decode()
    seal = Seal("0x", Credentials("key", Secret(text.rstrip("=")), Secret("p")))
    theirs = build_hmac_signature(secret=text, timestamp=7, method=method, path="/order", body=body)
    assert seal.signature(7, method, "/order", body.encode()) == theirs


@given(keys)
def test_the_deposit_wallet_is_where_the_official_client_looks_for_it(key: Secret) -> None:
    owner = Signer(key).address
    assert deposit_wallet_of(owner) == derive_beacon_deposit_wallet_address(owner, PRODUCTION_CONFIG.wallet_derivation)


def test_the_same_command_has_the_same_id_for_ever() -> None:
    assert salt_of(7, 1_790_000_000_000_000_000) == salt_of(7, 1_790_000_000_000_000_000) < 2**53
    assert len({salt_of(order_id, at_ns) for order_id in range(50) for at_ns in range(50)}) == 2_500


def test_secrets_never_show() -> None:
    key = throwaway_key()
    credentials = Credentials("my-key", Secret("c2VjcmV0"), Secret("words"))
    seal = Seal("0x", credentials)
    shown = f"{key} {key!r} {credentials!r} {Signer(key)!r} {seal!r} {key!s:>20}"
    assert key.reveal() not in shown and "c2VjcmV0" not in shown and "words" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        json.dumps(key)
    assert key != Secret("other") and key == Secret(key.reveal())


def test_a_key_that_is_none_is_refused_without_being_repeated() -> None:
    with pytest.raises(KeyMissing, match="set UPDOWN_PRIVATE_KEY"):
        key_from({})
    with pytest.raises(KeyMissing) as told:
        key_from({KEY_VARIABLE: "nonsense of mine"})
    assert "nonsense" not in str(told.value)
    assert key_from({KEY_VARIABLE: "0x" + "11" * 32}) == Secret("0x" + "11" * 32)
    assert wallet_from({}) == "" and wallet_from({"UPDOWN_WALLET": WALLET}) == WALLET
