"""Orders at the CLOB's counter: what is taken, what is refused and in which words, and what cancels say."""

import asyncio
from typing import Any

import pytest
from venue_counter import counter
from venue_customers import Customer, other_key
from venue_stage import OPEN_S, Stage

from infra.venue_next_door import typed_data
from infra.venue_next_door.chain_state import chain_of
from infra.venue_next_door.contracts import COLLATERAL, Approve
from infra.venue_next_door.typed_data import EXCHANGE_V2
from state.events import Token

BAD_POST_ONLY_TYPE = "invalid post-only order type: only GTC and GTD order types are allowed"
WRONG_SIGNER = "the order signer address has to be the address of the API KEY"
WRONG_WALLET = "maker address not allowed, please use the deposit wallet flow"


def token_of(stage: Stage, token: Token = Token.UP) -> str:
    return stage.window.tokens[token]


async def refusal(stage: Stage, customer: Customer, **changed: Any) -> Any:
    """Place an order that should be refused: status and words."""
    status, told = await customer.place(token_of(stage), **changed)
    return status, told["error"]


@pytest.mark.parametrize("signature_type", [0, 3])
def test_an_order_that_rests_is_live_under_the_id_that_its_signer_knew_before(signature_type: int) -> None:
    async def story() -> None:
        async with counter(signature_type=signature_type) as (stage, customer):
            body = customer.order(token_of(stage), postOnly=True)
            order = body["order"]
            fields = typed_data.SignedFields(
                order["salt"], typed_data.address_of(order["maker"]), typed_data.address_of(order["signer"]),
                int(order["tokenId"]), 4_000_000, 10_000_000, 0, signature_type, int(order["timestamp"]),
                bytes(32), bytes(32),
            )  # fmt: skip
            known = typed_data.digest_of(typed_data.SEPARATORS["2"], typed_data.order_struct_hash(fields))
            assert await customer.call("POST", "/order", body) == (
                200,
                {
                    "success": True, "errorMsg": "", "orderID": "0x" + known.hex(), "status": "live",
                    "makingAmount": "", "takingAmount": "", "transactionsHashes": [], "tradeIDs": [],
                },
            )  # fmt: skip
            status, page = await customer.call("GET", "/data/orders")
            assert status == 200
            assert [row["id"] for row in page["data"]] == ["0x" + known.hex()]
            assert page["data"][0]["maker_address"].lower() == customer.wallet.lower()

    asyncio.run(story())


def test_the_same_order_twice_is_a_duplicate() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            body = customer.order(token_of(stage))
            status, told = await customer.call("POST", "/order", body)
            assert status == 200
            words = f"order {told['orderID']} is invalid. Duplicated."
            assert await customer.call("POST", "/order", body) == (400, {"error": words})

    asyncio.run(story())


def test_who_signs_wrongly_is_told_how() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            eoa, wallet = customer.owner, customer.wallet
            assert await refusal(stage, customer, owner="somebody") == (
                400, "the order owner has to be the owner of the API KEY",
            )  # fmt: skip
            assert await refusal(stage, customer, signatureType=1) == (400, WRONG_WALLET)
            assert await refusal(stage, customer, signatureType=2) == (400, WRONG_WALLET)
            assert await refusal(stage, customer, signatureType=0) == (400, WRONG_SIGNER)
            assert await refusal(stage, customer, signatureType=0, signer=eoa, maker=wallet) == (400, WRONG_WALLET)
            assert await refusal(stage, customer, signer=eoa) == (400, WRONG_SIGNER)
            assert await refusal(stage, customer, maker=eoa, signer=eoa) == (400, WRONG_SIGNER)
            assert await refusal(stage, customer, version="3") == (400, "order_version_mismatch")
            body = customer.order(token_of(stage))
            body["order"]["makerAmount"] = "4100000"
            assert await customer.call("POST", "/order", body) == (400, {"error": "invalid signature"})
            customer.key, stolen = other_key(5), customer.owner
            assert stolen == eoa
            other = customer.order(token_of(stage), maker=wallet, signer=wallet)
            customer.key = bytes([0x11]) * 32
            assert await customer.call("POST", "/order", other) == (400, {"error": "invalid signature"})

    asyncio.run(story())


def test_an_owner_may_use_a_deposit_wallet_of_its_own_choice_but_not_another_s() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            older = "0x" + "22" * 20
            status, _ = await customer.place(token_of(stage), maker=older, signer=older)
            assert status == 200
            account = stage.engine.accounts[customer.api_key]
            assert account.wallet_address.lower() == older
            thief = Customer(stage.url, stage.session, stage.clock, key=other_key(9))
            await thief.log_in()
            assert await refusal(stage, thief, maker=older, signer=older) == (400, WRONG_WALLET)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"expiration": "1"}, "invalid expiration"),
        ({"orderType": "GTD"}, "invalid expiration"),
        ({"orderType": "GTD", "expiration": str(OPEN_S - 30 + 59)}, "invalid expiration"),
        ({"orderType": "FOK", "postOnly": True}, BAD_POST_ONLY_TYPE),
        ({"orderType": "IOC"}, "Invalid order payload"),
        ({"makerAmount": "-4000000"}, "Invalid order payload"),
        ({"makerAmount": "4e6"}, "Invalid order payload"),
        ({"salt": "1"}, "Invalid order payload"),
        ({"metadata": "0x00"}, "Invalid order payload"),
    ],
)  # fmt: skip
def test_an_order_of_the_wrong_form_is_refused(changed: dict[str, Any], words: str) -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            body = customer.order(token_of(stage))
            for name, value in changed.items():
                (body["order"] if name in body["order"] else body)[name] = value
            if "metadata" not in changed and not {"makerAmount", "salt"} & changed.keys():
                body["order"]["signature"] = "0x" + customer.sign(body["order"]).hex()
            assert await customer.call("POST", "/order", body) == (400, {"error": words})

    asyncio.run(story())


def test_orders_of_older_generations_are_told_so() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            body = customer.order(token_of(stage))
            del body["order"]["timestamp"]
            body["order"] |= {"taker": "0x" + "0" * 40, "nonce": "0", "feeRateBps": "0"}
            assert await customer.call("POST", "/order", body) == (400, {"error": "order_version_mismatch"})

    asyncio.run(story())


def test_prices_and_sizes_keep_to_the_market_s_rules() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            status, words = await refusal(stage, customer, price="0.405")
            assert status == 400
            assert words.endswith("is invalid. Price (0.405) breaks minimum tick size rule: 0.01")
            _, words = await refusal(stage, customer, size="4.99")
            assert words.endswith("is invalid. Size (4.99) lower than the minimum: 5")
            nowhere = str(1 << 255 | 1 << 60)
            assert await customer.place(nowhere) == (404, {"error": "No orderbook exists for the requested token id"})

    asyncio.run(story())


def test_gtd_lives_when_it_has_a_minute_to_live() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            expiration = str(OPEN_S - 30 + 180)
            status, told = await customer.place(token_of(stage), orderType="GTD", expiration=expiration)
            assert (status, told["status"]) == (200, "live")
            _, row = await customer.call("GET", f"/data/order/{told['orderID']}")
            assert (row["order_type"], row["expiration"]) == ("GTD", expiration)

    asyncio.run(story())


def test_the_exchange_takes_nothing_that_it_is_not_allowed() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            chain_of(stage.engine).do(customer.wallet, Approve(COLLATERAL, EXCHANGE_V2, 3_999_999))
            assert await refusal(stage, customer) == (400, "not enough balance / allowance")
            assert (await customer.place(token_of(stage), price="0.39"))[0] == 200

    asyncio.run(story())


def test_a_closed_only_account_may_not_buy() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            stage.engine.accounts[customer.api_key].closed_only = True
            assert await customer.call("GET", "/auth/ban-status/closed-only") == (200, {"closed_only": True})
            assert await refusal(stage, customer) == (400, "address in closed only mode")

    asyncio.run(story())


def test_a_batch_is_answered_leg_by_leg() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            good, small = customer.order(token_of(stage)), customer.order(token_of(stage), size="1")
            status, legs = await customer.call("POST", "/orders", [good, small])
            assert status == 200
            assert [(leg["success"], leg["status"]) for leg in legs] == [(True, "live"), (False, "")]
            assert legs[1]["orderID"] == ""
            assert legs[1]["errorMsg"].endswith("Size (1) lower than the minimum: 5")
            many = [customer.order(token_of(stage)) for _ in range(16)]
            assert (await customer.call("POST", "/orders", many))[0] == 400

    asyncio.run(story())


def test_cancels_of_every_kind_say_what_went_and_what_did_not() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up, down = token_of(stage), token_of(stage, Token.DOWN)
            ids = [(await customer.place(token, price="0.10"))[1]["orderID"] for token in (up, up, up, down, down, up)]
            assert await customer.call("DELETE", "/order", {"orderID": ids[0]}) == (
                200, {"canceled": [ids[0]], "not_canceled": {}},
            )  # fmt: skip
            status, told = await customer.call("DELETE", "/orders", [ids[0], ids[1], "0xdead"])
            assert status == 200
            assert told["canceled"] == [ids[1]]
            assert set(told["not_canceled"]) == {ids[0], "0xdead"}
            assert all(told["not_canceled"].values())
            one_token = {"market": stage.window.condition_id, "asset_id": down}
            _, told = await customer.call("DELETE", "/cancel-market-orders", one_token)
            assert sorted(told["canceled"]) == sorted(ids[3:5])
            assert (await customer.call("DELETE", "/cancel-market-orders", {}))[0] == 400
            _, told = await customer.call("DELETE", "/cancel-all")
            assert sorted(told["canceled"]) == sorted([ids[2], ids[5]])
            assert (await customer.call("GET", "/data/orders"))[1]["data"] == []
            assert await customer.call("GET", f"/data/order/{ids[0]}") == (200, None)
            assert (await customer.call("DELETE", "/orders", ["0x1"] * 1001))[0] == 400

    asyncio.run(story())


def test_orders_that_take_are_held_then_matched_or_killed() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up = token_of(stage)
            crossing = "invalid post-only order: order crosses book"
            assert await customer.place(up, price="0.52", postOnly=True) == (400, {"error": crossing})
            status, words = await refusal(stage, customer, orderType="FAK", price="0.51")
            assert (status, words.partition(".")[0]) == (400, "no orders found to match with FAK order")
            _, told = await customer.place(up, orderType="FOK", price="0.52", size="1000")
            assert told["status"] == "delayed", "whether it can be filled is seen after the hold"
            stage.live_until(-29.5)
            killed = stage.engine.accounts[customer.api_key].orders[told["orderID"]]
            assert (killed.is_open, killed.matched_micros) == (False, 0)
            assert killed.reason == "order couldn't be fully filled. FOK orders are fully filled or killed."
            assert await refusal(stage, customer, orderType="FOK", makerAmount="990000", takerAmount="1903800") == (
                400, "invalid amount for a marketable BUY order ($0.99), min size: $1",
            )  # fmt: skip
            spent = {"orderType": "FOK", "makerAmount": "10000000", "takerAmount": "19230700"}
            status, told = await customer.place(up, **spent)
            assert (status, told["status"], told["makingAmount"], told["tradeIDs"]) == (200, "delayed", "", [])
            _, told = await customer.call("DELETE", "/order", {"orderID": told["orderID"]})
            assert list(told["not_canceled"].values()) == ["the order is delayed and can't be canceled"]
            stage.live_until(-29)
            _, page = await customer.call("GET", "/data/trades")
            assert [(row["size"], row["price"], row["status"]) for row in page["data"]] == [
                ("19.23", "0.52", "MATCHED")
            ]

    asyncio.run(story())


def test_a_market_of_the_other_protocol_wants_the_other_domain() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            stage.window.version = "v2"
            assert await refusal(stage, customer) == (400, "order_version_mismatch")

    asyncio.run(story())
