"""The account: does the venue know us, what kind of wallet is it, may it trade, may it spend, and has it money."""

from collections.abc import Mapping
from typing import Final

import msgspec

from infra.doctor.check import Check, ready, refused, warning
from infra.doctor.golden import VECTORS, differing
from infra.feeds import clob_rest
from infra.feeds.figures import micros_of
from infra.feeds.frames import READ_ERRORS, Offbeat
from infra.venues.rest import CredentialsRefused, NoAnswer, Reply, Rest
from infra.venues.secrets import Identity
from infra.venues.signing import EXCHANGE_V2, EXCHANGE_V3, SignatureType
from infra.wallets import deposit_wallet_of, proxy_wallet_of, safe_of
from state.params import Params
from state.units import MICROS


class ClosedOnly(msgspec.Struct):
    """`/auth/ban-status/closed-only`."""

    closed_only: bool


_CLOSED_ONLY: Final = msgspec.json.Decoder(ClosedOnly)


def look_at_signing(odd: tuple[str, ...] | None = None) -> Check:
    """Hold our signatures against the golden vectors, offline (venue reference 8, row 25)."""
    odd = differing() if odd is None else odd
    if odd:
        words = f"what this machine signs is not what the venue's clients sign: {', '.join(odd)}"
        return refused("signing", words, "install the pinned libraries again (`uv sync`)")
    return ready("signing", f"{len(VECTORS)} golden vectors come out to the byte")


def look_at_key(identity: Identity | None, why_not: str = "") -> Check:
    """Say who signs, or that nobody does; of the key itself nothing is ever said."""
    if identity is None:
        return refused("key", why_not or "no key to sign with", "")
    return ready("key", f"signs for {identity.address}, from {identity.source}")


async def look_at_credentials(rest: Rest) -> Check:
    """Derive our credentials, or have them made; then ask for something that costs nothing."""
    name, mend = "credentials", "check key, wallet and clock"
    try:
        await rest.derive()
        reply = await rest.call("GET", "/data/orders", query="next_cursor=MA==")
    except CredentialsRefused as error:
        return refused(name, str(error), mend)
    except NoAnswer as error:
        return refused(name, f"the venue does not answer ({error})", "try again when it is up")
    return judge_open_orders(reply)


def judge_open_orders(reply: Reply) -> Check:
    """Judge the answer to the first sealed request: the list of open orders."""
    name, page = "credentials", reply.message
    if reply.status != 200 or not isinstance(page, clob_rest.Page):
        words = f"the venue gives credentials and then does not take them: {reply.status} {reply.words[:80]}"
        return refused(name, words, "check the clock, and that no other program made new ones for this key")
    if page.messages:
        words = f"the venue knows us; {len(page.messages)} orders of this account are open already"
        return warning(name, words, "a start takes those that no journal knows out; cancel them if that is not wanted")
    return ready(name, "the venue knows us; no order of this account is open")


async def look_at_closed_only(rest: Rest) -> Check:
    """Ask whether the account may only close positions."""
    name = "closed-only"
    try:
        reply = await rest.call("GET", "/auth/ban-status/closed-only")
        told = _CLOSED_ONLY.decode(reply.raw) if reply.status == 200 else None
    except NoAnswer as error:
        return refused(name, f"the venue does not say whether this account may buy ({error})", "try again")
    except READ_ERRORS:
        told = None
    if told is None:
        return refused(name, f"the venue does not say whether this account may buy ({reply.status})", "try again")
    if told.closed_only:
        return refused(name, "this account may only close positions", "ask the venue; never trade around this")
    return ready(name, "this account may open positions")


def judge_wallet(identity: Identity, stands: bool | None) -> Check:
    """Judge the kind of wallet (venue reference 1.3, 1.6).

    Args:
        identity: Who trades.
        stands: Whether the chain has a contract at the wallet's address; None when nobody could be asked.
    """
    name, kind = "wallet", identity.signature_type
    if kind is SignatureType.EOA:
        words = f"the key's own account {identity.wallet} (type 0): only some accounts may trade so"
        return warning(name, words, "new accounts trade by a deposit wallet: leave UPDOWN_WALLET_TYPE and wallet away")
    called = {1: "proxy", 2: "safe", 3: "deposit wallet"}[int(kind)]
    if stands is None:
        words = f"whether {identity.wallet} is a {called} could not be asked of the chain"
        return warning(name, words, "check the address `polygon` of the settings")
    if not stands:
        words = f"{identity.wallet} is no {called} (type {int(kind)}): nothing stands at that address on the chain"
        return refused(name, words, "have the wallet deployed, or name the right one in UPDOWN_WALLET")
    own = {1: proxy_wallet_of, 2: safe_of, 3: deposit_wallet_of}[int(kind)](identity.address)
    if identity.wallet.lower() != own.lower():
        words = f"{called} {identity.wallet} (type {int(kind)}) is not the one that the factory places for this key"
        if kind is not SignatureType.DEPOSIT_WALLET:
            mend = f"this key's own {called} is {own}: check UPDOWN_WALLET, UPDOWN_WALLET_TYPE and the key"
            return refused(name, words, mend)
        return warning(name, words, "right for a session key or an old factory; else check UPDOWN_WALLET")
    if kind is not SignatureType.DEPOSIT_WALLET:
        words = f"{called} {identity.wallet} (type {int(kind)}): only accounts from before deposit wallets may use it"
        return warning(name, words, "move to a deposit wallet when the venue asks for it")
    return ready(name, f"deposit wallet {identity.wallet} (type 3), deployed, this key's own")


def spender_of(order_version: int) -> str:
    """Give the exchange that settles orders of a version (venue reference 1.2)."""
    return EXCHANGE_V3 if order_version == 3 else EXCHANGE_V2


async def ask_collateral(rest: Rest) -> clob_rest.Balance | str:
    """Have the venue look at our collateral anew, then ask for it; gives it, or why not."""
    asked = f"asset_type=COLLATERAL&signature_type={int(rest.signature_type)}"
    try:
        await rest.refresh_balance()
        reply = await rest.call("GET", "/balance-allowance", query=asked)
    except NoAnswer as error:
        return str(error)
    told = reply.message
    return told if reply.status == 200 and isinstance(told, clob_rest.Balance) else f"{reply.status} {reply.words[:80]}"


def judge_funds(cash_micros: int, params: Params, least_micros: int) -> Check:
    """Judge whether the account can pay for an order at all, and for what the settings reckon with."""
    name, has = "funds", f"${cash_micros / MICROS:,.2f}"
    if cash_micros < least_micros:
        words = f"{has} is less than the smallest order costs (${least_micros / MICROS:,.2f})"
        return refused(name, words, "fund the wallet with pUSD")
    bankroll = int(params.bankroll_micros)
    if cash_micros < bankroll:
        words = f"{has}; the settings size orders for a bankroll of ${bankroll / MICROS:,.0f}"
        return warning(name, words, "lower bankroll_micros to what is there")
    return ready(name, f"{has} of collateral")


def cash_micros_of(balance: clob_rest.Balance) -> int:
    """Give a balance in micros; it comes as whole micros, and decimals of dollars have been seen.

    Raises:
        Offbeat: it is no amount of money.
    """
    text = balance.balance.strip()
    if text.isdecimal() and text.isascii():
        return int(text)
    try:
        return micros_of(float(text))
    except ValueError:
        raise Offbeat(f"a balance of {text[:30]!r}") from None


def least_allowance(allowances: Mapping[str, str], spender: str) -> int:
    """Give what a spender may take, 0 where nothing is said of it."""
    found = {name.lower(): amount for name, amount in allowances.items()}.get(spender.lower(), "0")
    return int(found) if found.isdecimal() and found.isascii() else 0
