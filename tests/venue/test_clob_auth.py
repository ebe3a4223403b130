"""Logins and signed requests at the CLOB: who gets keys, and what opens the door."""

import asyncio

import pytest
from venue_counter import counter
from venue_customers import other_key

from infra.venue_next_door.clob_auth import SKEW_S
from infra.venue_next_door.faults import Fault

BAD_LOGIN = (401, {"error": "Invalid L1 Request headers"})
UNAUTHORIZED = (401, {"error": "Unauthorized/Invalid api key"})


def test_the_same_signer_and_nonce_have_the_same_keys_made_or_derived() -> None:
    async def story() -> None:
        async with counter() as (_, customer):
            first = (customer.api_key, customer.secret, customer.passphrase)
            assert await customer.log_in(method="GET", path="/auth/derive-api-key") == (
                200, dict(zip(("apiKey", "secret", "passphrase"), first, strict=True)),
            )  # fmt: skip
            await customer.log_in(nonce=1)
            assert customer.api_key != first[0]
            assert await customer.call("GET", "/auth/api-keys") == (200, {"apiKeys": [first[0], customer.api_key]})

    asyncio.run(story())


@pytest.mark.parametrize(
    "bent",
    [
        {"POLY_NONCE": "1"},
        {"POLY_ADDRESS": "0x" + "12" * 20},
        {"POLY_ADDRESS": "nobody"},
        {"POLY_SIGNATURE": "0x" + "00" * 65},
        {"POLY_SIGNATURE": "zz"},
        {"POLY_TIMESTAMP": "soon"},
        {"POLY_NONCE": "-1"},
    ],
)
def test_a_login_that_was_not_signed_so_opens_nothing(bent: dict[str, str]) -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            accounts = len(stage.engine.accounts)
            customer.key = other_key(7)
            assert await customer.log_in(0, "POST", "/auth/api-key", **bent) == BAD_LOGIN
            assert len(stage.engine.accounts) == accounts

    asyncio.run(story())


def test_clocks_may_be_off_by_five_minutes_and_no_more() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            assert (await customer.call("GET", "/auth/api-keys"))[0] == 200
            stage.on(Fault.CLOCK_SKEW, (SKEW_S - 2) * 1000.0)
            assert (await customer.call("GET", "/auth/api-keys"))[0] == 200
            assert (await customer.log_in())[0] == 200
            stage.faults.clear()
            stage.on(Fault.CLOCK_SKEW, (SKEW_S + 2) * 1000.0)
            assert await customer.call("GET", "/auth/api-keys") == UNAUTHORIZED
            assert await customer.log_in() == BAD_LOGIN

    asyncio.run(story())


@pytest.mark.parametrize(
    "bent",
    [
        {"POLY_ADDRESS": "0x" + "12" * 20},
        {"POLY_SIGNATURE": "x7mJQCZTeyx4Fss83a5NrL7kvpT7okVZ8Uqy5mUshUQ="},
        {"POLY_SIGNATURE": "nönsense"},
        {"POLY_TIMESTAMP": "0"},
        {"POLY_API_KEY": "00000000-0000-0000-0000-000000000000"},
        {"POLY_PASSPHRASE": "open"},
    ],
)
def test_every_header_of_a_signed_request_is_checked(bent: dict[str, str]) -> None:
    async def story() -> None:
        async with counter() as (_, customer):
            assert await customer.call("GET", "/data/orders", **bent) == UNAUTHORIZED

    asyncio.run(story())


def test_what_is_signed_is_method_path_without_query_and_the_exact_body() -> None:
    async def story() -> None:
        async with counter() as (_, customer):
            assert (await customer.call("GET", "/data/orders?next_cursor=MA==&market=0x1"))[0] == 200
            body = b'{"heartbeat_id":""}'
            headers = customer.signed_headers("POST", "/v1/heartbeats", body)
            assert await customer.ask("POST", "/v1/heartbeats", b'{"heartbeat_id": ""}', headers) == UNAUTHORIZED
            assert (await customer.ask("POST", "/v1/heartbeats", body, headers))[0] == 200
            headers = customer.signed_headers("GET", "/cancel-all")
            assert await customer.ask("DELETE", "/cancel-all", headers=headers) == UNAUTHORIZED

    asyncio.run(story())


def test_a_deleted_key_opens_nothing_until_its_owner_makes_it_again() -> None:
    async def story() -> None:
        async with counter() as (_, customer):
            assert await customer.call("DELETE", "/auth/api-key") == (200, "OK")
            assert await customer.call("GET", "/auth/api-keys") == UNAUTHORIZED
            derived = await customer.log_in(method="GET", path="/auth/derive-api-key")
            assert derived == (400, {"error": "Could not derive api key!"})
            assert (await customer.log_in())[0] == 200
            assert (await customer.call("GET", "/auth/api-keys"))[0] == 200

    asyncio.run(story())


def test_the_fault_unauthorized_shuts_out_who_has_good_keys() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            stage.on(Fault.UNAUTHORIZED, where="/data")
            assert await customer.call("GET", "/data/orders") == UNAUTHORIZED
            assert (await customer.call("GET", "/auth/api-keys"))[0] == 200

    asyncio.run(story())
