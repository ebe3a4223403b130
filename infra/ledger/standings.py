"""Standings: what the books, the core and the venue each say that we have, as values that can be compared."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from infra.feeds.clob_rest import Balance, Market
from infra.feeds.polymarket_user import OrderUpdate, matched_micros
from infra.ledger.booking import Booker
from infra.ledger.differences import Standing
from infra.ledger.entries import Fill, TokenKey
from infra.plain_memory import plain, slug_of
from infra.venues.rest import NoAnswer, Rest
from state.events import Side, Token
from state.orders import OrderState
from state.units import MICROS, NS_PER_S
from state.world import Phase

SETTLED_NS: Final = 60 * NS_PER_S
"""A match excuses a difference for so long: twice what settlement may take before it is asked about."""


def books_standing(
    booker: Booker, *, now_ns: int = 0, names: Mapping[int, str] | None = None, of_core: bool = False
) -> Standing:
    """Give what the books say.

    Args:
        booker: The books.
        now_ns: Matches that were seen shortly before this and are not confirmed may still be on their way; 0: none.
        names: Order id -> what the other party calls it (its hash); by number where it is not given.
        of_core: Leave out what the account held beyond what the session was told to begin with.
    """
    balances = booker.balances()
    young = _young(booker, now_ns)
    open_micros = {}
    for order_id, claim in booker.orders.items():
        window = booker.windows.get(claim.window)
        if claim.open_micros and window is not None and window.outcome is None:
            name = str(order_id) if names is None else names.get(order_id, str(order_id))
            open_micros[name] = claim.open_micros
    extra = booker.deposited_micros if of_core else 0
    return Standing(
        "the books", balances.collateral_micros - extra, balances.shares, _owed(booker), open_micros,
        _doubt(young, booker), _share_doubt(young), frozenset(booker.outcomes()),
    )  # fmt: skip


def owed_standing(booker: Booker, now_ns: int) -> Standing:
    """Give what the books say of payouts and collateral alone: asked often, so orders and shares are not looked at."""
    collateral = booker.balances().collateral_micros
    return Standing(
        "the books", collateral, owed=_owed(booker), doubt_micros=_doubt(_young(booker, now_ns), booker)
    )  # fmt: skip


def _owed(booker: Booker) -> dict[TokenKey, int]:
    windows = ((booker.windows.get(slug), micros) for slug, micros in booker.owed.items() if micros)
    return {
        TokenKey(window.slug, window.outcome): micros
        for window, micros in windows
        if window is not None and window.outcome is not None
    }


def _young(booker: Booker, now_ns: int) -> list[Fill]:
    return [fill for fill in booker.unsettled.values() if now_ns and fill.seen_ns >= now_ns - SETTLED_NS]


def _doubt(young: list[Fill], booker: Booker) -> tuple[int, int]:
    """Give how far collateral may be off: sales not yet paid in, purchases and their fees not yet paid out."""
    low = sum(fill.cost_micros for fill in young if fill.side is Side.SELL)
    high = sum(fill.cost_micros for fill in young if fill.side is Side.BUY)
    fees = sum(booker.orders[order_id].fees_micros for order_id in {fill.order_id for fill in young} if order_id)
    return low, high + max(fees, 0)


def _share_doubt(young: list[Fill]) -> dict[TokenKey, tuple[int, int]]:
    doubt: defaultdict[TokenKey, list[int]] = defaultdict(lambda: [0, 0])
    for fill in young:
        doubt[TokenKey(fill.window, fill.token)][fill.side is Side.SELL] += fill.amount_micros
    return {key: (low, high) for key, (low, high) in doubt.items()}


def core_standing(worlds: Any) -> Standing:
    """Give what the core says, of its own memory."""
    world = plain(worlds)[0]
    shares = {}
    for market in world["markets"]:
        if int(market["phase_code"]) in (Phase.NONE, Phase.SETTLED):
            continue
        for token, name in ((Token.UP, "up_micros"), (Token.DOWN, "down_micros")):
            if micros := int(market["position"][name]):
                shares[TokenKey(slug_of(market), token)] = micros
    open_micros = {
        str(int(order["order_id"])): int(order["open_micros"])
        for order in world["orders"]
        if int(order["state_code"]) != OrderState.NONE and int(order["open_micros"])
    }
    return Standing("the core", int(world["money"]["cash_micros"]), shares, {}, open_micros, pays_at_once=True)


async def collateral_at(rest: Rest) -> int:
    """Ask the venue what collateral we have, that behind open orders included.

    Raises:
        NoAnswer: it does not tell.
    """
    return await balance_at(rest, "COLLATERAL")


async def venue_standing(
    rest: Rest, books: Standing, tokens: Mapping[TokenKey, str], conditions: Mapping[str, str]
) -> Standing:
    """Ask the venue about all that the books hold or follow, and for every order that it lists as ours.

    A token that nobody can name is left as the books have it: nothing was heard against them.
    The data API is not asked: it lags by minutes (venue reference, section 8 item 27).

    Args:
        rest: Opened, with credentials.
        books: What to ask about.
        tokens: Token ids of the windows that are followed: asked about, held or not, unless they are decided.
        conditions: Window -> condition id, to ask for the others.

    Raises:
        NoAnswer: a part did not come; half a comparison proves nothing.
    """
    wanted = {*books.shares, *books.share_doubt_micros, *books.owed}
    wanted |= {key for key in tokens if key.window not in books.decided}
    ids = dict(tokens)
    for slug in sorted({key.window for key in wanted if key not in ids}):
        ids |= await tokens_of(rest, slug, conditions.get(slug, ""))
    held = {key: await balance_at(rest, f"CONDITIONAL&token_id={ids[key]}") for key in sorted(wanted) if key in ids}
    open_micros: dict[str, int] = {}
    for order in await rest.pages("/data/orders"):
        if isinstance(order, OrderUpdate):
            open_micros[order.id] = max(round(order.original_size * MICROS) - matched_micros(order), 0)
    collateral = await collateral_at(rest)
    owed = {key: held[key] for key in books.owed if key in held}
    unknown = {key: books.shares.get(key, 0) for key in wanted - held.keys() - books.owed.keys()}
    shares = {key: micros for key, micros in (held | unknown).items() if key not in books.owed and micros}
    return Standing("the venue", collateral, shares, owed, open_micros)


async def balance_at(rest: Rest, asset: str) -> int:
    """Ask the venue what we have of an asset, in the words of its query.

    Raises:
        NoAnswer: it does not tell.
    """
    kind = int(rest.signature_type)
    reply = await rest.call("GET", "/balance-allowance", query=f"asset_type={asset}&signature_type={kind}")
    if reply.status == 404 and asset.startswith("CONDITIONAL"):
        return 0  # the venue has forgotten the window: it is long over, and whatever it paid is paid
    if reply.status != 200 or not isinstance(reply.message, Balance):
        raise NoAnswer(f"GET /balance-allowance: {reply.status} {reply.words[:120]}")
    try:
        return int(float(reply.message.balance))
    except ValueError as error:
        raise NoAnswer(f"GET /balance-allowance: {reply.message.balance[:40]!r} is no number") from error


async def tokens_of(rest: Rest, slug: str, condition_id: str) -> dict[TokenKey, str]:
    """Ask for a window's token ids; none where the venue does not list it any more.

    Raises:
        NoAnswer: it does not tell.
    """
    if not condition_id:
        return {}
    reply = await rest.call("GET", f"/markets/{condition_id}", sealed=False)
    if reply.status == 404:
        return {}
    if reply.status != 200:
        raise NoAnswer(f"GET /markets/{condition_id[:18]}: {reply.status} {reply.words[:120]}")
    labels = {"up": Token.UP, "down": Token.DOWN}
    market = reply.message
    named = {each.outcome.lower(): each.token_id for each in market.tokens} if isinstance(market, Market) else {}
    return {TokenKey(slug, labels[label]): token_id for label, token_id in named.items() if label in labels}
