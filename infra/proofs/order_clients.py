"""Makers of orders: ours and the venue's own two clients, each from a wish to the bytes of the request, offline.

They are driven below their network, by the functions that their `create_order` comes to, so that nothing is asked of
anybody: what a maker's time holds is rounding, hashing, signing and serialising, and no more.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import numpy as np

from infra.shell.core import COMMAND
from infra.venues.credentials import Secret
from infra.venues.posting import body_of, prepare, terms_of
from infra.venues.signing import CHAIN_ID, EXCHANGE_V2, EXCHANGE_V3, SignatureType, Signer
from state.events import Side
from state.orders import Act, Reject, TimeInForce
from state.units import BPS, MICROS

KEY: Final = Secret("11" * 32)
"""A key that everybody knows: nothing is ever sent with it."""
WALLET: Final = "0x" + "22" * 20
API_KEY: Final = "00000000-0000-0000-0000-000000000000"
TOKEN: Final = "447413276661762906288585216172399813197578048798541282311616516503234928995"
WALLETS: Final = {0: "EOA", 1: "POLY_PROXY", 2: "GNOSIS_SAFE", 3: "DEPOSIT_WALLET"}


class ClientMissing(Exception):
    """A client to compare with is not installed; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An order that is wanted, before anybody has rounded it."""

    side: Side = Side.BUY
    price_bps: int = 5_200
    amount_micros: int = 10 * MICROS
    """Shares, but for a market purchase by the venue's clients, which is of so much collateral."""
    tif: TimeInForce = TimeInForce.GTC
    tick_bps: int = 100
    token_id: str = TOKEN
    at_ms: int = 1_790_000_000_000
    salt: int | None = None
    """None: the client draws its own."""

    @property
    def takes(self) -> bool:
        """Say whether it never rests."""
        return self.tif in (TimeInForce.FAK, TimeInForce.FOK)

    @property
    def tick_text(self) -> str:
        """Give the tick as the clients name it."""
        return f"{Decimal(self.tick_bps) / BPS:f}".rstrip("0")


Maker = Callable[[Wish], bytes]
"""Gives the body of the request that posts an order."""


def ours(signature_type: int = 3, key: Secret = KEY, wallet: str = WALLET) -> Maker:
    """Make orders as the gateway does: from a command of the core."""
    signer = Signer(key, wallet if signature_type else "", SignatureType(signature_type))
    prepare(signer, TOKEN, API_KEY)
    commands: Any = np.zeros(1, COMMAND)
    commands["act_code"] = Act.PLACE
    number = 0

    def make(wish: Wish) -> bytes:
        nonlocal number
        number += 1
        commands["order_id"], commands["at_ns"] = number, wish.at_ms * 1_000_000
        commands["side_code"], commands["tif_code"] = wish.side, wish.tif
        commands["price_bps"], commands["amount_micros"] = wish.price_bps, wish.amount_micros
        return order_of(commands[0], wish.token_id, signer)

    return make


def order_of(command: Any, token_id: str, signer: Signer) -> bytes:
    """Make the order of one command: what is timed as ours."""
    made = terms_of(command, token_id)
    assert not isinstance(made, Reject), "only what can be an order is wished for"
    return body_of(command, made[0], signer.sign(made[0]), signer, API_KEY)


def polymarket_client(signature_type: int = 3, key: Secret = KEY, wallet: str = WALLET) -> Maker:
    """Make orders as `polymarket-client` does.

    Raises:
        ClientMissing: it is not installed.
    """
    try:
        from eth_account import Account
        from polymarket._internal.actions.orders import limit, market, orders, post, typed_data
        from polymarket._internal.actions.orders.types import OrderDraft
    except ImportError as error:
        raise ClientMissing("polymarket-client") from error
    account = Account.from_key(key.reveal())
    maker: Any = wallet if signature_type else account.address
    kind: Any = WALLETS[signature_type]

    def make(wish: Wish) -> bytes:
        side: Any = wish.side.name
        price, amount = Decimal(wish.price_bps) / BPS, Decimal(wish.amount_micros) / MICROS
        tick = Decimal(wish.tick_bps) / BPS
        if wish.takes:
            offered, wanted = market._compute_market_order_amounts(
                amount=amount, price=price, side=side, tick_size=tick
            )
        else:
            offered, wanted = limit._compute_limit_order_amounts(price=price, size=amount, side=side, tick_size=tick)
        token: Any = wish.token_id
        draft = OrderDraft(
            chain_id=CHAIN_ID, exchange_address=_exchange(wish.token_id), expiration=0, funder_address=maker,
            offered_amount=offered, order_type=wish.tif.name, side=side, signer=account.address,  # type: ignore[arg-type]
            requested_amount=wanted, asset_id=token,
        )  # fmt: skip
        unsigned = orders.create_unsigned_order(draft, wallet=maker, wallet_type=kind)
        if wish.salt is not None:
            unsigned = replace(unsigned, salt=wish.salt, timestamp=wish.at_ms)
        signed = account.sign_typed_data(full_message=typed_data.build_order_typed_data(unsigned)).signature.hex()
        inner: Any = signed if signed.startswith("0x") else "0x" + signed
        order = orders.create_signed_order(unsigned, typed_data.build_order_signature(unsigned, inner))
        _, body = post.build_post_order_request(order, owner_api_key=API_KEY)
        return json.dumps(body, separators=(",", ":")).encode()

    return make


def _exchange(token_id: str) -> Any:
    from polymarket._internal.protocol import is_v2_position_id

    return EXCHANGE_V3 if is_v2_position_id(token_id) else EXCHANGE_V2


def clob_client(signature_type: int = 3, key: Secret = KEY, wallet: str = WALLET) -> Maker:
    """Make orders as `py-clob-client-v2` does.

    Raises:
        ClientMissing: it is not installed.
    """
    try:
        from py_clob_client_v2.clob_types import (  # type: ignore[import-untyped]
            CreateOrderOptions,
            MarketOrderArgsV2,
            OrderArgsV2,
        )
        from py_clob_client_v2.order_builder import builder as their_builder  # type: ignore[import-untyped]
        from py_clob_client_v2.order_utils.model.order_data_v2 import order_to_json_v2  # type: ignore[import-untyped]
        from py_clob_client_v2.order_utils.model.signature_type_v2 import (  # type: ignore[import-untyped]
            SignatureTypeV2,
        )
        from py_clob_client_v2.signer import Signer as TheirSigner  # type: ignore[import-untyped]
    except ImportError as error:
        raise ClientMissing("py-clob-client-v2") from error
    signer = TheirSigner(key.reveal(), CHAIN_ID)
    orders = their_builder.OrderBuilder(signer, SignatureTypeV2(signature_type), wallet if signature_type else None)

    def make(wish: Wish) -> bytes:
        options = CreateOrderOptions(tick_size=wish.tick_text, neg_risk=False)
        is_position = _exchange(wish.token_id) == EXCHANGE_V3
        named = {"token_id": None, "position_id": wish.token_id} if is_position else {"token_id": wish.token_id}
        price, amount = wish.price_bps / BPS, wish.amount_micros / MICROS
        if wish.takes:
            asked = MarketOrderArgsV2(**named, amount=amount, side=wish.side.name, price=price)
            order = orders.build_market_order(asked, options)
        else:
            order = orders.build_order(OrderArgsV2(**named, price=price, size=amount, side=wish.side.name), options)
        if wish.salt is not None:
            order = _signed_again(order, wish, signer)
        body = order_to_json_v2(order, API_KEY, wish.tif.name)
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()

    return make


def _signed_again(order: Any, wish: Wish, signer: Any) -> Any:
    """Let them sign the order once more with a stated salt and time: their own are drawn within."""
    from py_clob_client_v2.order_utils.exchange_order_builder_v2 import (  # type: ignore[import-untyped]
        ExchangeOrderBuilderV2,
    )

    contract = _exchange(wish.token_id)
    version = "3" if contract == EXCHANGE_V3 else "2"
    builder = ExchangeOrderBuilderV2(contract, CHAIN_ID, signer, domain_version=version)
    order = replace(order, salt=str(wish.salt), timestamp=str(wish.at_ms))
    return replace(order, signature=builder.build_order_signature(builder.build_order_typed_data(order)))
