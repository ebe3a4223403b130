"""The chain, read: is there a contract, and what may others take from a wallet (venue reference 1.5, 7.2)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from infra.addresses import Addresses
from infra.doctor.account import least_allowance
from infra.doctor.check import Check, ready, refused, warning
from infra.feeds.frames import READ_ERRORS, Wire
from infra.streams.rest import Answer, Rest
from infra.venues.signing import EXCHANGE_V2, EXCHANGE_V3, keccak
from state.units import MICROS

COLLATERAL: Final = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
CONDITIONAL_TOKENS: Final = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
POSITION_MANAGER: Final = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
ADAPTER: Final = "0xAdA100Db00Ca00073811820692005400218FcE1f"
AUTO_REDEEM: Final = "0xa1200000d0002264C9a1698e001292D00E1b00af"

_ALLOWANCE: Final = keccak(b"allowance(address,address)")[:4].hex()
_APPROVED: Final = keccak(b"isApprovedForAll(address,address)")[:4].hex()


class Result(msgspec.Struct):
    """The envelope of an answer."""

    result: str | None = None


_RESULT: Final = msgspec.json.Decoder(Result)


@dataclass(frozen=True, slots=True)
class Approval:
    """One thing that a wallet must have allowed, and what for."""

    asset: str
    spender: str
    purpose: str
    needed: bool
    """Without it no order trades; the others are for getting money back."""

    @property
    def of_tokens(self) -> bool:
        """Say whether it is about shares (all or nothing) and not about money (an amount)."""
        return self.asset != COLLATERAL


def approvals_for(order_version: int) -> tuple[Approval, ...]:
    """Give what must be allowed for orders of a version."""
    if order_version == 3:
        return (
            Approval(COLLATERAL, EXCHANGE_V3, "to buy", needed=True),
            Approval(POSITION_MANAGER, EXCHANGE_V3, "to sell", needed=True),
            Approval(POSITION_MANAGER, AUTO_REDEEM, "to have winnings paid out", needed=False),
        )
    return (
        Approval(COLLATERAL, EXCHANGE_V2, "to buy", needed=True),
        Approval(CONDITIONAL_TOKENS, EXCHANGE_V2, "to sell", needed=True),
        Approval(CONDITIONAL_TOKENS, ADAPTER, "to merge and redeem", needed=False),
        Approval(CONDITIONAL_TOKENS, AUTO_REDEEM, "to have winnings paid out", needed=False),
    )


async def stands(rest: Rest, addresses: Addresses, address: str) -> bool | None:
    """Say whether a contract stands at an address; None when the node does not say."""
    code = await _ask(rest, addresses, "eth_getCode", [address, "latest"])
    return None if code is None else len(code) > len("0x")


async def allowed(rest: Rest, addresses: Addresses, wallet: str, approval: Approval) -> int | None:
    """Give what a spender may take of a wallet, in micros (of shares: 1 or 0); None when the node does not say."""
    words = "".join(each.removeprefix("0x").lower().rjust(64, "0") for each in (wallet, approval.spender))
    data = "0x" + (_APPROVED if approval.of_tokens else _ALLOWANCE) + words
    told = await _ask(rest, addresses, "eth_call", [{"to": approval.asset, "data": data}, "latest"])
    try:
        return None if told is None else int(told, 16)
    except ValueError:
        return None  # "0x": no contract answered there


async def look_at_allowances(
    rest: Rest, addresses: Addresses, wallet: str, order_version: int, told: Mapping[str, str] | None, cap_micros: int
) -> Check:
    """Ask the chain what the wallet has allowed, and hold it beside what the venue believes."""
    wanted = approvals_for(order_version)
    found = await asyncio.gather(*(allowed(rest, addresses, wallet, each) for each in wanted))
    return judge_allowances(dict(zip(wanted, found, strict=True)), told, cap_micros)


def judge_allowances(found: Mapping[Approval, int | None], told: Mapping[str, str] | None, cap_micros: int) -> Check:
    """Judge allowances: missing ones show as "not enough balance / allowance" at the first order (reference 7.2).

    Args:
        found: What the chain says of each; None where it does not say.
        told: What the venue says of collateral, by spender; None when it does not say.
        cap_micros: The largest position that the settings allow.
    """
    name, mend = "allowances", "approve at the venue's site, or with setup_trading_approvals of polymarket-client"
    believed = {
        each: (least_allowance(told, each.spender) if told is not None and not each.of_tokens else None)
        for each in found
    }
    missing = [
        each
        for each, amount in found.items()
        if amount == 0 or (each.needed and amount is None and believed[each] == 0)
    ]
    if gone := [each for each in missing if each.needed]:
        return refused(name, f"missing: {_named(gone)}", mend)
    if unseen := [each for each, amount in believed.items() if amount == 0 and each.needed]:
        words = f"on the chain, and the venue does not see it yet: {_named(unseen)}"
        return refused(name, words, "wait a minute and look again; the venue keeps balances for a while")
    if missing:
        return warning(name, f"missing: {_named(missing)}", mend)
    small = [
        each for each, amount in found.items() if not each.of_tokens and amount is not None and amount < cap_micros
    ]
    if small:
        words = f"allowance {_named(small)} is below the largest position (${cap_micros / MICROS:,.0f})"
        return warning(name, words, mend)
    if unknown := [each for each, amount in found.items() if amount is None]:
        return warning(name, f"could not be asked: {_named(unknown)}", "check the address `polygon` of the settings")
    return ready(name, "given: " + _named(list(found)))


def _named(approvals: list[Approval]) -> str:
    return ", ".join(f"{each.purpose} ({each.spender[:8]}...)" for each in approvals)


async def _ask(rest: Rest, addresses: Addresses, method: str, params: list[Any]) -> str | None:
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    answer = await rest.post(Wire.POLYGON, addresses.polygon, body)
    if not isinstance(answer, Answer):
        return None
    try:
        return _RESULT.decode(answer.raw).result
    except READ_ERRORS:
        return None
