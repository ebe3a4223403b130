"""A node of the chain over JSON-RPC: blocks, base fee, and the few contract reads that clients make.

Blocks come every two seconds; the base fee wanders slowly between 20 and 40 gwei. Transactions of EOAs are taken and
do what their call says, so that an account of signature type 0 can redeem; nobody pays for gas.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import msgspec
import rlp  # type: ignore[import-untyped]
from aiohttp import web
from eth_account import Account as EthAccount
from eth_hash.auto import keccak
from eth_utils.exceptions import ValidationError as EthValidationError

from infra.venue_next_door.chain_state import chain_of
from infra.venue_next_door.clob_auth import customers_of
from infra.venue_next_door.contracts import (
    CODE_AT,
    COLLATERAL,
    CONDITIONAL_TOKENS,
    POSITION_MANAGER,
    Reverted,
    deed_of,
    selector,
    words_of,
)
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.nouns import Account
from infra.venue_next_door.refusals import answered
from infra.venue_next_door.serving import refusing_in_json
from infra.venue_next_door.transactions import Mempool, Transaction, block_at, block_time_s
from infra.venue_next_door.typed_data import CHAIN_ID, word
from infra.wallets import BEACON, FACTORY

GWEI: Final = 10**9
GAS: Final = 210_000
_REVERTED: Final = 3
_UNKNOWN_METHOD: Final = -32_601
_BAD_PARAMS: Final = -32_602
_BAD_REQUEST: Final = -32_600

_BEACON_OF: Final = bytes.fromhex("49493a4d")
"""The factory's call that tells its beacon (`_internal/wallet.py` of polymarket-client 0.14.0)."""
_HELD: Final = selector("balanceOf(address)")
_HELD_TOKEN: Final = selector("balanceOf(address,uint256)")
_HELD_TOKENS: Final = selector("balanceOfBatch(address[],uint256[])")
_ALLOWANCE: Final = selector("allowance(address,address)")
_APPROVED: Final = selector("isApprovedForAll(address,address)")
_PAYOUT_SUM: Final = selector("payoutDenominator(bytes32)")
_PAYOUT: Final = selector("payoutNumerators(bytes32,uint256)")


class RpcError(Exception):
    """A call is answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        """Take the code and the words."""
        super().__init__(message)
        self.code = code


def base_fee_wei(number: int) -> int:
    """Give a block's base fee: slow waves, the same for the same block."""
    return int((30 + 8 * math.sin(number / 900) + 2 * math.sin(number / 37)) * GWEI)


def _address(value: int) -> str:
    return f"0x{value:040x}"


def _account(address: Any) -> str:
    """Name an EOA's own nonces apart from those of its wallet's batches."""
    return f"account {str(address).lower()}"


class Node:
    """The handlers of one node."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine whose ledger it shows."""
        self.engine = engine
        self.chain = chain_of(engine)
        self.customers = customers_of(engine)
        self.mempool = Mempool(self.chain, engine.clock)
        self.methods: dict[str, Callable[[list[Any]], Any]] = {
            "eth_chainId": lambda _: hex(CHAIN_ID),
            "net_version": lambda _: str(CHAIN_ID),
            "eth_blockNumber": lambda _: hex(self._head()),
            "eth_getBlockByNumber": self.block,
            "eth_gasPrice": lambda _: hex(base_fee_wei(self._head()) + 30 * GWEI),
            "eth_maxPriorityFeePerGas": lambda _: hex(30 * GWEI),
            "eth_feeHistory": self.fee_history,
            "eth_estimateGas": self.estimate_gas,
            "eth_getCode": self.code,
            "eth_call": self.call,
            "eth_getBalance": lambda _: hex(10**18),
            "eth_getTransactionCount": lambda params: hex(self.chain.nonces.get(_account(params[0]), 0)),
            "eth_sendRawTransaction": self.send_raw,
            "eth_getTransactionReceipt": self.receipt,
        }

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one call, or a batch of them in one list."""
        try:
            asked = msgspec.json.decode(await request.read())
        except msgspec.DecodeError:
            return answered(self._error(None, _BAD_REQUEST, "parse error"))
        if isinstance(asked, list):
            return answered([self._one(one) for one in asked])
        return answered(self._one(asked))

    def _error(self, call_id: Any, code: int, message: str) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": message}}

    def _one(self, asked: Any) -> dict[str, Any]:
        if not isinstance(asked, dict) or not isinstance(asked.get("params", []), list):
            return self._error(None, _BAD_REQUEST, "invalid request")
        call_id, name = asked.get("id"), str(asked.get("method"))
        method = self.methods.get(name)
        if method is None:
            return self._error(call_id, _UNKNOWN_METHOD, f"the method {name} does not exist/is not available")
        try:
            return {"jsonrpc": "2.0", "id": call_id, "result": method(asked.get("params", []))}
        except Reverted as error:
            return self._error(call_id, _REVERTED, str(error))
        except RpcError as error:
            return self._error(call_id, error.code, str(error))
        except (ValueError, IndexError, TypeError, KeyError, AttributeError) as error:  # what a caller can get wrong
            return self._error(call_id, _BAD_PARAMS, f"invalid argument: {error}")

    def _head(self) -> int:
        return block_at(self.engine.clock.now_ns())

    def _number(self, tag: str) -> int:
        if tag in ("latest", "pending", "safe", "finalized"):
            return self._head()
        return 0 if tag == "earliest" else int(tag, 16)

    def block(self, params: list[Any]) -> dict[str, Any] | None:
        """Tell a block's head; nothing of one that is not there yet."""
        number = self._number(params[0])
        if number > self._head():
            return None
        return {
            "number": hex(number),
            "hash": "0x" + keccak(word(number)).hex(),
            "parentHash": "0x" + keccak(word(number - 1)).hex(),
            "timestamp": hex(block_time_s(number)),
            "baseFeePerGas": hex(base_fee_wei(number)),
            "gasLimit": hex(60_000_000),
            "gasUsed": hex(30_000_000),
            "miner": "0x" + "0" * 40,
            "difficulty": "0x1",
            "extraData": "0x",
            "nonce": "0x0000000000000000",
            "size": hex(80_000),
            "transactions": [],
            "uncles": [],
        }

    def fee_history(self, params: list[Any]) -> dict[str, Any]:
        """Tell the base fees of the last blocks."""
        count = params[0] if isinstance(params[0], int) else int(params[0], 16)
        count, newest = max(1, min(count, 1024)), self._number(params[1])
        told: dict[str, Any] = {
            "oldestBlock": hex(newest - count + 1),
            "baseFeePerGas": [hex(base_fee_wei(number)) for number in range(newest - count + 1, newest + 2)],
            "gasUsedRatio": [0.5] * count,
        }
        percentiles = params[2] if len(params) > 2 else None
        if percentiles:
            told["reward"] = [[hex(30 * GWEI)] * len(percentiles) for _ in range(count)]
        return told

    def estimate_gas(self, params: list[Any]) -> str:
        """Tell what a call would need; reverts when nobody knows it."""
        deed_of(params[0]["to"], bytes.fromhex(params[0].get("data", "0x")[2:]))
        return hex(GAS)

    def code(self, params: list[Any]) -> str:
        """Tell the code at an address: some where there is a contract or a wallet, else none."""
        address = str(params[0]).lower()
        return "0x6080604052" if address in CODE_AT or self.chain.is_deployed(address) else "0x"

    # Reads of contracts.

    def call(self, params: list[Any]) -> str:
        """Read a contract."""
        target, data = str(params[0]["to"]).lower(), bytes.fromhex(str(params[0].get("data", "0x"))[2:])
        return "0x" + self._read(target, data[:4], words_of(data[4:])).hex()

    def _read(self, target: str, kind: bytes, words: tuple[int, ...]) -> bytes:
        if target == FACTORY.lower() and kind == _BEACON_OF:
            return word(int(BEACON, 16))
        if target == COLLATERAL.lower() and kind == _HELD:
            account = self.customers.account_of_wallet(_address(words[0]))
            return word(max(self.engine.cash_micros(account), 0) if account else 0)
        if kind in (_ALLOWANCE, _APPROVED):
            allowance = self.chain.allowance(_address(words[0]), target, _address(words[1]))
            return word(allowance if kind == _ALLOWANCE else int(allowance > 0))
        if target in (CONDITIONAL_TOKENS.lower(), POSITION_MANAGER.lower()):
            return self._read_tokens(kind, words)
        raise Reverted("execution reverted")

    def _read_tokens(self, kind: bytes, words: tuple[int, ...]) -> bytes:
        if kind == _HELD_TOKEN:
            return word(self._held(words[0], words[1]))
        if kind == _HELD_TOKENS:
            owners, tokens = self._array(words, words[0]), self._array(words, words[1])
            held = [self._held(owner, token) for owner, token in zip(owners, tokens, strict=True)]
            return word(32) + word(len(held)) + b"".join(word(amount) for amount in held)
        if kind in (_PAYOUT_SUM, _PAYOUT):
            window = self.engine.window_of_condition(f"0x{words[0]:064x}")
            if window is None or not window.resolved_ns or window.outcome is None:
                return word(0)
            return word(1 if kind == _PAYOUT_SUM else int(window.outcome == words[1]))
        raise Reverted("execution reverted")

    @staticmethod
    def _array(words: tuple[int, ...], offset: int) -> tuple[int, ...]:
        at = offset // 32
        return words[at + 1 : at + 1 + words[at]]

    def _held(self, owner: int, token: int) -> int:
        account: Account | None = self.customers.account_of_wallet(_address(owner))
        if account is None or self.engine.window_of_token(str(token)) is None:
            return 0
        return self.engine.shares_micros(account, str(token))

    # Transactions of EOAs.

    def send_raw(self, params: list[Any]) -> str:
        """Take a signed transaction without a type (as the official client signs them); gives its hash."""
        raw = bytes.fromhex(str(params[0])[2:])
        try:
            nonce, _, _, target, _, data, *_ = rlp.decode(raw)
            sender = str(EthAccount.recover_transaction(raw)).lower()
        except (rlp.exceptions.RLPException, EthValidationError, ValueError, TypeError) as error:
            raise RpcError(-32_000, "invalid transaction") from error
        expected, sent_nonce = self.chain.nonces.get(_account(sender), 0), int.from_bytes(nonce, "big")
        if sent_nonce != expected or self.mempool.is_busy(_account(sender)):
            raise RpcError(-32_000, "nonce too low" if sent_nonce < expected else "nonce too high")
        deed = deed_of("0x" + bytes(target).hex(), bytes(data))
        made_hash = "0x" + keccak(raw).hex()
        now_ns = self.engine.clock.now_ns()
        self.mempool.start(Transaction(made_hash, made_hash, _account(sender), sender, sent_nonce, now_ns, (deed,)))
        return made_hash

    def receipt(self, params: list[Any]) -> dict[str, Any] | None:
        """Tell how a transaction ended; nothing before it is mined."""
        receipt = self.chain.receipts.get(str(params[0]))
        if receipt is None:
            return None
        return {
            "transactionHash": receipt.transaction_hash,
            "blockNumber": hex(receipt.block),
            "blockHash": "0x" + keccak(word(receipt.block)).hex(),
            "from": receipt.wallet,
            "status": "0x1" if receipt.succeeded else "0x0",
            "gasUsed": hex(GAS),
            "logs": [],
        }


def polygon_app(engine: Engine) -> web.Application:
    """Give the node's server over an engine; any path will do."""
    node = Node(engine)
    app = web.Application(middlewares=[refusing_in_json])
    app.router.add_post("/{path:.*}", node.answer)

    async def close(_: web.Application) -> None:
        await node.mempool.close()

    app.on_cleanup.append(close)
    return app
