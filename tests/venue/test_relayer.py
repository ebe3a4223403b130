"""The relayer and the node: batches of calls signed by a wallet's owner, done when mined; and reads of the chain."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_account import Account as EthAccount
from polymarket._internal.actions.relayer import calls as official
from polymarket._internal.wallet import derive_beacon_deposit_wallet_address, derive_uups_deposit_wallet_address
from polymarket.environments import PRODUCTION
from polymarket.types import EvmAddress
from venue_counter import counter, pass_time
from venue_customers import Customer, other_key, signature_of
from venue_stage import OPEN_S, Stage, resolved

from infra.feeds import polygon as polygon_feed
from infra.feeds.frames import Parsed
from infra.venue_next_door import contracts, typed_data
from infra.venue_next_door.clob import clob_app
from infra.venue_next_door.polygon import polygon_app
from infra.venue_next_door.relayer import relayer_app
from infra.venue_next_door.transactions import block_at
from infra.venue_next_door.typed_data import WalletCall
from infra.wallets import deposit_wallet_of
from state.events import Token

MICROS = 1_000_000
ADAPTER, COLLATERAL = EvmAddress(contracts.ADAPTER), EvmAddress(contracts.COLLATERAL)


@asynccontextmanager
async def chain(*more: Any, signature_type: int = 3) -> AsyncIterator[tuple[Stage, Customer, str, str]]:
    """Open CLOB, relayer and node over one venue."""
    async with AsyncExitStack() as stack:
        stage, customer = await stack.enter_async_context(
            counter(*more, serve=clob_app, signature_type=signature_type)
        )  # fmt: skip
        urls = []
        for app in (relayer_app(stage.engine), polygon_app(stage.engine)):
            runner = web.AppRunner(app)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        yield stage, customer, urls[0], urls[1]


def at(customer: Customer, url: str) -> Customer:
    """Give the same customer at another server."""
    return Customer(
        url, customer.session, customer.clock, customer.key, customer.signature_type,
        customer.api_key, customer.secret, customer.passphrase,
    )  # fmt: skip


def keys(customer: Customer) -> dict[str, str]:
    return {"RELAYER_API_KEY": customer.api_key, "RELAYER_API_KEY_ADDRESS": customer.owner}


async def submit(client: Customer, calls: list[Any], turn: int, **changed: Any) -> tuple[int, Any]:
    """Sign a batch of the official client's calls and hand it in."""
    deadline = changed.pop("deadline", client.now_s() + 600)
    wallet = changed.pop("wallet", client.wallet)
    made = tuple(
        WalletCall(typed_data.address_of(call.to), call.value, bytes.fromhex(call.data[2:])) for call in calls
    )  # fmt: skip
    digest = typed_data.batch_digest(typed_data.address_of(wallet), turn, deadline, made)
    body = {
        "type": "WALLET", "from": client.owner, "to": "0x0", "nonce": str(turn), "metadata": "",
        "signature": "0x" + signature_of(client.key, digest).hex(),
        "depositWalletParams": {
            "depositWallet": wallet, "deadline": str(deadline),
            "calls": [{"target": call.to, "value": str(call.value), "data": call.data} for call in calls],
        },
    }  # fmt: skip
    return await client.ask("POST", "/submit", json.dumps({**body, **changed}).encode(), keys(client))


async def outcome(stage: Stage, client: Customer, told: dict[str, Any]) -> list[str]:
    """Ask until a transaction has ended; gives the states that were seen."""
    seen: list[str] = []
    while True:
        _, now = await client.ask("GET", f"/v1/account/transactions/{told['transactionID']}")
        if not seen or seen[-1] != now["state"]:
            seen.append(now["state"])
        if now["state"] in ("STATE_CONFIRMED", "STATE_FAILED"):
            assert now["transaction_hash"].startswith("0x")
            return seen
        await pass_time(stage, 0.25)


def split(stage: Stage, micros: int) -> Any:
    return official.ctf_split_position_call(
        target=ADAPTER, collateral=COLLATERAL, condition_id=stage.window.condition_id, amount=micros
    )


def test_a_pair_is_made_and_unmade_and_the_winner_is_redeemed() -> None:
    async def story() -> None:
        async with chain(resolved(360, Token.UP, 100_000.0)) as (stage, customer, url, _):
            client, account = at(customer, url), stage.engine.accounts[customer.api_key]
            cash = stage.engine.cash_micros(account)
            _, told = await submit(client, [split(stage, 30 * MICROS)], 0)
            assert told["state"] == "STATE_NEW"
            states = await outcome(stage, client, told)
            assert states == ["STATE_NEW", "STATE_EXECUTED", "STATE_MINED", "STATE_CONFIRMED"]
            up, down = stage.window.tokens
            assert stage.engine.shares_micros(account, up) == stage.engine.shares_micros(account, down) == 30 * MICROS
            assert stage.engine.cash_micros(account) == cash - 30 * MICROS
            merge = official.ctf_merge_positions_call(
                target=ADAPTER, collateral=COLLATERAL, condition_id=stage.window.condition_id, amount=10 * MICROS
            )
            _, told = await submit(client, [merge], 1)
            await outcome(stage, client, told)
            assert stage.engine.cash_micros(account) == cash - 20 * MICROS
            stage.live_until(400)
            redeem = official.ctf_redeem_positions_call(
                ctf=ADAPTER, collateral=COLLATERAL, condition_id=stage.window.condition_id
            )
            _, told = await submit(client, [redeem], 2)
            assert (await outcome(stage, client, told))[-1] == "STATE_CONFIRMED"
            assert stage.engine.cash_micros(account) == cash
            assert stage.engine.shares_micros(account, up) == 0

    asyncio.run(story())


def test_what_the_ledger_does_not_cover_fails_on_chain() -> None:
    async def story() -> None:
        async with chain() as (stage, customer, url, _):
            client = at(customer, url)
            _, told = await submit(client, [split(stage, 10**15)], 0)
            assert (await outcome(stage, client, told))[-1] == "STATE_FAILED"
            _, rows = await client.ask("GET", f"/transaction?id={told['transactionID']}")
            assert rows[0]["state"] == "STATE_FAILED"
            assert rows[0]["errorMsg"].startswith("execution reverted")

    asyncio.run(story())


def test_a_batch_must_be_signed_by_the_owner_in_time_and_in_turn() -> None:
    async def story() -> None:
        async with chain() as (stage, customer, url, _):
            client, calls = at(customer, url), [split(stage, MICROS)]
            assert await submit(client, calls, 3) == (
                400, {"error": "batch nonce 3 does not match on-chain nonce 0"},
            )  # fmt: skip
            assert (await submit(client, calls, 0, deadline=OPEN_S - 3600))[1] == {"error": "batch deadline has passed"}
            assert (await submit(client, calls, 0, signature="0x" + "00" * 65))[1] == {"error": "invalid signature"}
            assert (await submit(client, calls, 0, nonce="1"))[1] == {"error": "invalid signature"}
            assert (await submit(client, [], 0))[1] == {"error": "no calls"}
            other = deposit_wallet_of(str(EthAccount.from_key(other_key(3)).address))
            assert (await submit(client, calls, 0, wallet=other))[1] == {
                "error": "signer is not the owner of the wallet"
            }
            stranger = official.erc20_transfer_call(token_address=COLLATERAL, recipient=EvmAddress(other), amount=1)
            assert "no such call" in (await submit(client, [stranger], 0))[1]["error"]
            status, told = await client.ask("POST", "/submit", b"{}", {"RELAYER_API_KEY": "guessed"})
            assert (status, told) == (401, {"error": "Unauthorized/Invalid api key"})
            _, first = await submit(client, calls, 0)
            assert (await submit(client, calls, 1))[1] == {"error": "wallet busy: active action"}
            await outcome(stage, client, first)
            _, nonce = await client.ask("GET", f"/v1/account/transactions/params?address={client.owner}&type=WALLET")
            assert nonce["nonce"] == "1"
            assert (await client.ask("GET", f"/nonce?address={client.owner}"))[1] == {"nonce": "1"}

    asyncio.run(story())


def test_twenty_five_submits_a_minute_and_no_more() -> None:
    async def story() -> None:
        async with chain() as (stage, customer, url, _):
            client = at(customer, url)
            statuses = [(await submit(client, [split(stage, MICROS)], 9))[0] for _ in range(26)]
            assert statuses == [400] * 25 + [429]
            assert int(client.headers["Retry-After"]) > 0

    asyncio.run(story())


def test_a_wallet_is_deployed_when_it_is_asked_for() -> None:
    async def story() -> None:
        async with chain() as (stage, customer, url, _):
            client, derivation = at(customer, url), PRODUCTION._config.wallet_derivation
            assert client.wallet == derive_beacon_deposit_wallet_address(client.owner, derivation)
            assert (await client.ask("GET", f"/deployed?address={client.wallet}&type=WALLET"))[1] == {"deployed": True}
            older = derive_uups_deposit_wallet_address(client.owner, derivation)
            assert (await client.ask("GET", f"/deployed?address={older}&type=WALLET"))[1] == {"deployed": False}
            owner = str(EthAccount.from_key(other_key(77)).address)
            wallet = deposit_wallet_of(owner)
            assert (await client.ask("GET", f"/deployed?address={wallet}"))[1] == {"deployed": False}
            body = json.dumps({"type": "WALLET-CREATE", "from": owner, "to": "0x0", "metadata": ""}).encode()
            _, told = await client.ask("POST", "/submit", body, keys(client))
            await outcome(stage, client, told)
            assert (await client.ask("GET", f"/deployed?address={wallet}"))[1] == {"deployed": True}

    asyncio.run(story())


async def rpc(client: Customer, method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    _, told = await client.ask("POST", "", body)
    return told.get("result", told.get("error"))


def test_the_node_knows_blocks_and_what_gas_costs() -> None:
    async def story() -> None:
        async with chain() as (stage, customer, _, url):
            client = at(customer, url)
            assert await rpc(client, "eth_chainId") == "0x89"
            head = int(await rpc(client, "eth_blockNumber"), 16)
            assert head == block_at(stage.clock.now_ns())
            block = await rpc(client, "eth_getBlockByNumber", "latest", False)
            assert int(block["timestamp"], 16) == OPEN_S - 30
            assert 15e9 < int(block["baseFeePerGas"], 16) < 45e9
            question = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": [hex(head), False]}
            async with client.session.post(url, data=json.dumps(question)) as answer:
                assert isinstance(polygon_feed.parse(await answer.read()), Parsed)
            parent = await rpc(client, "eth_getBlockByNumber", hex(head - 1), False)
            assert (await rpc(client, "eth_getBlockByNumber", hex(head), False))["parentHash"] == parent["hash"]
            assert await rpc(client, "eth_getBlockByNumber", hex(head + 10**6), False) is None
            history = await rpc(client, "eth_feeHistory", "0x3", "latest", [50])
            assert (len(history["baseFeePerGas"]), len(history["reward"])) == (4, 3)
            assert (await rpc(client, "eth_mine"))["code"] == -32601
            assert (await rpc(client, "eth_getBlockByNumber"))["code"] == -32602

    asyncio.run(story())


def test_a_batch_of_calls_is_answered_call_by_call() -> None:
    async def story() -> None:
        async with chain() as (stage, customer, _, url):
            client, up = at(customer, url), stage.window.tokens[0]
            wallet = EvmAddress(customer.wallet)
            asked = [
                official.erc20_allowance_call(
                    token_address=COLLATERAL, owner=wallet, spender=EvmAddress(typed_data.EXCHANGE_V2)
                ),
                official.erc1155_balance_of_call(
                    token_address=EvmAddress(contracts.CONDITIONAL_TOKENS), owner=wallet, token_id=up
                ),
                official.erc1155_balance_of_batch_call(
                    token_address=EvmAddress(contracts.CONDITIONAL_TOKENS), owners=[wallet] * 2,
                    token_ids=list(stage.window.tokens),
                ),
                official.erc1155_is_approved_for_all_call(
                    token_address=EvmAddress(contracts.CONDITIONAL_TOKENS), owner=wallet, operator=ADAPTER
                ),
            ]  # fmt: skip
            account = stage.engine.accounts[customer.api_key]
            stage.engine.split(account, stage.window.condition_id, 12 * MICROS)
            batch = [
                {
                    "jsonrpc": "2.0",
                    "id": n,
                    "method": "eth_call",
                    "params": [{"to": call.to, "data": call.data}, "latest"],
                }
                for n, call in enumerate(asked)
            ]
            _, told = await client.ask("POST", "", json.dumps(batch).encode())
            results = [one["result"] for one in told]
            assert official.decode_erc20_allowance_result(results[0]) == contracts.MAX_UINT
            assert official.decode_erc1155_balance_of_result(results[1]) == 12 * MICROS
            assert official.decode_erc1155_balance_of_batch_result(results[2]) == (12 * MICROS, 12 * MICROS)
            assert official.decode_erc1155_is_approved_for_all_result(results[3]) is True
            held = contracts.selector("balanceOf(address)") + abi_encode(["address"], [wallet])
            result = await rpc(client, "eth_call", {"to": COLLATERAL, "data": "0x" + held.hex()}, "latest")
            assert abi_decode(["uint256"], bytes.fromhex(result[2:]))[0] == stage.engine.cash_micros(account)
            unknown = await rpc(client, "eth_call", {"to": COLLATERAL, "data": "0xdeadbeef"}, "latest")
            assert unknown == {"code": 3, "message": "execution reverted"}
            assert await rpc(client, "eth_getCode", customer.owner, "latest") == "0x"
            assert await rpc(client, "eth_getCode", customer.wallet, "latest") != "0x"

    asyncio.run(story())


def test_an_eoa_sends_its_own_transactions() -> None:
    async def story() -> None:
        async with chain(signature_type=0) as (stage, customer, _, url):
            client, account = at(customer, url), stage.engine.accounts[customer.api_key]
            call = split(stage, 5 * MICROS)
            transaction = {
                "to": call.to, "value": 0, "data": call.data, "gas": 300_000, "gasPrice": 60 * 10**9,
                "nonce": int(await rpc(client, "eth_getTransactionCount", client.owner, "pending"), 16), "chainId": 137,
            }  # fmt: skip
            signed = EthAccount.from_key(client.key).sign_transaction(transaction)
            raw = "0x" + signed.raw_transaction.hex().removeprefix("0x")
            sent = await rpc(client, "eth_sendRawTransaction", raw)
            assert bytes.fromhex(sent[2:]) == bytes(signed.hash)
            while (receipt := await rpc(client, "eth_getTransactionReceipt", sent)) is None:
                await pass_time(stage, 0.5)
            assert receipt["status"] == "0x1"
            assert stage.engine.shares_micros(account, stage.window.tokens[0]) == 5 * MICROS
            assert "nonce" in (await rpc(client, "eth_sendRawTransaction", raw))["message"]
            assert int(await rpc(client, "eth_getTransactionCount", client.owner, "latest"), 16) == 1

    asyncio.run(story())


@pytest.mark.parametrize("data", ["", "0x12", "0x72ce4275" + "00" * 31, "0x72ce4275" + "ff" * 160])
def test_calls_that_are_cut_or_nonsense_revert(data: str) -> None:
    with pytest.raises(contracts.Reverted):
        contracts.deed_of(contracts.ADAPTER, bytes.fromhex(data.removeprefix("0x")))
