"""Whole orders, of every kind of account, are byte for byte what the venue's own two clients make of the same wish."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data
from polymarket._internal.actions.orders.types import BYTES32_ZERO, UnsignedOrder
from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2  # type: ignore[import-untyped]
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderV2  # type: ignore[import-untyped]
from py_clob_client_v2.order_utils.model.side import Side as TheirSide  # type: ignore[import-untyped]
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2  # type: ignore[import-untyped]
from py_clob_client_v2.signer import Signer as TheirSigner  # type: ignore[import-untyped]

from infra.proofs.order_clients import TOKEN, Wish, clob_client, ours, polymarket_client
from infra.shell.core import COMMAND
from infra.venues.credentials import Secret
from infra.venues.posting import batch_of, body_of, outcomes_of, terms_of
from infra.venues.rest import Reply
from infra.venues.signing import CHAIN_ID, EXCHANGE_V2, EXCHANGE_V3, SignatureType, SignedTerms, Signer, Terms
from state.events import Side
from state.orders import Act, TimeInForce
from state.units import MICROS

POSITION = str((1 << 248) + (0x1234 << 112) + 1)
KEY = Secret("11" * 32)
WALLET = "0x" + "22" * 20

keys = st.integers(1, 2**255).map(lambda number: Secret(f"{number:064x}"))
wallets = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
kinds = st.sampled_from(SignatureType)
tokens = st.one_of(
    st.integers(0, 2**256 - 1).map(str), st.integers(0, 2**100).map(lambda low: str((1 << 248) + (low << 112)))
)
terms = st.builds(
    Terms,
    salt=st.integers(0, 2**53 - 1),
    token_id=tokens,
    side=st.sampled_from(Side),
    maker_micros=st.integers(0, 2**63),
    taker_micros=st.integers(0, 2**63),
    timestamp_ms=st.integers(0, 2**43),
)


def signer_of(key: Secret, wallet: str, kind: SignatureType) -> Signer:
    return Signer(key, "" if kind is SignatureType.EOA else wallet, kind)


def exchange_of(token_id: str) -> tuple[str, Any]:
    is_position = int(token_id) & (((1 << 64) - 1) << 40) == 0
    return (EXCHANGE_V3, "3") if is_position else (EXCHANGE_V2, "2")


def by_polymarket_client(key: Secret, signer: Signer, order: Terms) -> str:
    """Sign as `polymarket-client` does."""
    contract, version = exchange_of(order.token_id)
    unsigned = UnsignedOrder(
        chain_id=CHAIN_ID, builder=BYTES32_ZERO, exchange_address=contract, expiration=0, maker=signer.wallet,  # type: ignore[arg-type]
        maker_amount=order.maker_micros, metadata=BYTES32_ZERO, order_type="GTC", salt=order.salt,
        side=order.side.name, signature_type=int(signer.signature_type), signer=signer.order_signer,  # type: ignore[arg-type]
        taker_amount=order.taker_micros, timestamp=order.timestamp_ms, token_id=order.token_id,  # type: ignore[arg-type]
        protocol_version=version,
    )  # fmt: skip
    inner: Any = Account.from_key(key.reveal()).sign_typed_data(full_message=build_order_typed_data(unsigned)).signature
    return str(build_order_signature(unsigned, "0x" + inner.hex()))


def by_clob_client(key: Secret, signer: Signer, order: Terms) -> SignedTerms:
    """Sign as `py-clob-client-v2` does, which also tells the order's id."""
    contract, version = exchange_of(order.token_id)
    builder = ExchangeOrderBuilderV2(contract, CHAIN_ID, TheirSigner(key.reveal(), CHAIN_ID), domain_version=version)
    zero = "0x" + "00" * 32
    typed = builder.build_order_typed_data(
        OrderV2(
            salt=str(order.salt), maker=signer.wallet, signer=signer.order_signer, tokenId=order.token_id,
            makerAmount=str(order.maker_micros), takerAmount=str(order.taker_micros), side=TheirSide(int(order.side)),
            signatureType=SignatureTypeV2(int(signer.signature_type)), timestamp=str(order.timestamp_ms),
            metadata=zero, builder=zero, expiration="0",
        )
    )  # fmt: skip
    return SignedTerms(builder.build_order_hash(typed), builder.build_order_signature(typed))


def hold(key: Secret, wallet: str, kind: SignatureType, order: Terms) -> None:
    signer = signer_of(key, wallet, kind)
    signed = signer.sign(order)
    assert signed.signature == by_polymarket_client(key, signer, order)
    assert signed == by_clob_client(key, signer, order), "and has the id that they reckon"


@given(keys, wallets, kinds, terms)
def test_both_clients_sign_an_order_of_any_account_as_we_do(
    key: Secret, wallet: str, kind: SignatureType, order: Terms
) -> None:
    hold(key, wallet, kind, order)


@pytest.mark.rehearsal
@settings(max_examples=4_000)
@given(keys, wallets, kinds, terms)
def test_and_so_do_thousands(key: Secret, wallet: str, kind: SignatureType, order: Terms) -> None:
    hold(key, wallet, kind, order)


def test_who_signs_for_whom() -> None:
    own = Signer(KEY)
    assert {kind.name: signer_of(KEY, WALLET, kind).order_signer for kind in SignatureType} == {
        "EOA": own.address, "PROXY": own.address, "SAFE": own.address, "DEPOSIT_WALLET": WALLET,
    }  # fmt: skip
    assert (own.signature_type, Signer(KEY, WALLET).signature_type) == (0, 3), "what an address alone can tell"
    with pytest.raises(AssertionError):
        Signer(KEY, WALLET, SignatureType.EOA)


cents = st.integers(1, 99).map(lambda number: 100 * number)
shares = st.integers(500, 10_000_000).map(lambda hundredths: hundredths * MICROS // 100)


@given(kinds, st.sampled_from(Side), cents, shares, st.sampled_from((TOKEN, POSITION)), st.integers(1, 2**42))
def test_a_resting_order_leaves_as_the_official_client_would_send_it(
    kind: SignatureType, side: Side, price_bps: int, amount_micros: int, token_id: str, at_ms: int
) -> None:
    wish = Wish(side=side, price_bps=price_bps, amount_micros=amount_micros, token_id=token_id, at_ms=at_ms)
    mine = msgspec.json.decode(ours(int(kind))(wish))
    theirs = polymarket_client(int(kind))(replace(wish, salt=mine["order"]["salt"]))
    assert mine == msgspec.json.decode(theirs)


@pytest.mark.parametrize("kind", SignatureType)
@pytest.mark.parametrize("token_id", [TOKEN, POSITION])
def test_the_older_client_sends_the_same_and_says_that_it_is_not_post_only(kind: SignatureType, token_id: str) -> None:
    wish = Wish(token_id=token_id)
    mine = msgspec.json.decode(ours(int(kind))(wish))
    theirs = msgspec.json.decode(clob_client(int(kind))(replace(wish, salt=mine["order"]["salt"])))
    assert theirs.pop("postOnly") is False
    assert mine == theirs


def test_an_api_key_with_signs_that_mean_something_elsewhere_comes_through() -> None:
    strange = 'a%d"b\\c%%'
    command = np.zeros(1, COMMAND)
    command["act_code"], command["price_bps"], command["amount_micros"] = Act.PLACE, 5_000, 10 * MICROS
    command["tif_code"] = TimeInForce.GTC
    signer = Signer(KEY, WALLET)
    made = terms_of(command[0], TOKEN)
    assert isinstance(made, tuple)
    body = body_of(command[0], made[0], signer.sign(made[0]), signer, strange)
    assert msgspec.json.decode(body)["owner"] == strange


# Batches.


def legs(*told: dict[str, Any], status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(list(told)), 0.0, 0, 0)


def taken(**changes: Any) -> dict[str, Any]:
    told = {"success": True, "errorMsg": "", "orderID": "0x1", "status": "live", "takingAmount": "", "makingAmount": ""}
    return told | changes


def fates(reply: Reply, count: int = 2) -> list[str]:
    return [f"{each.fate.value} {each.reject.name}" for each in outcomes_of(reply, [Side.BUY] * count)]


def test_every_leg_of_a_batch_has_its_own_fate() -> None:
    crossing = taken(success=False, orderID="", errorMsg="invalid post-only order: order crosses book")
    assert fates(legs(taken(), crossing)) == ["resting NONE", "refused POST_ONLY_WOULD_CROSS"]


def test_a_batch_is_refused_whole() -> None:
    reply = Reply(429, b'{"error": "Too Many Requests"}', 7.0, 0, 0)
    assert fates(reply) == ["refused RATE_LIMITED"] * 2
    assert fates(Reply(500, b"{}", 0.0, 0, 0)) == ["unknown NONE"] * 2


def test_what_a_leg_says_in_words_that_nobody_knows_leaves_its_order_unknown() -> None:
    failed = taken(success=False, orderID="", errorMsg="could not run the execution")
    empty = taken(orderID="")
    assert fates(legs(failed, empty)) == ["unknown NONE", "unknown NONE"]
    assert fates(legs(taken()), 2) == ["unknown NONE", "unknown NONE"], "an answer too few: whose is it?"


def test_the_body_of_a_batch_is_its_orders_in_a_list() -> None:
    made = [ours()(Wish(price_bps=bps)) for bps in (4_000, 4_100)]
    assert msgspec.json.decode(batch_of(made)) == [msgspec.json.decode(each) for each in made]
