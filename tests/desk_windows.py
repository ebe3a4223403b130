"""Windows for stories of exposure: several at once, with shares that are held and orders that are out."""

from desk_story import SHARE, Kind, Liquidity, OrderState, Story, StrikeSource, Token, trading

from state.events import Source


def hold(story: Story, slot: int, token: Token, shares: float, cents: int, second: float = 30.0) -> None:
    """Shares that were bought in a window, as its venue tells."""
    story.tell(
        second, Kind.FILLED, slot, Source.POLYMARKET_USER, ref_id=0, token_code=token, price_bps=cents * 100,
        amount_micros=round(shares * SHARE), code_id=Liquidity.MAKER,
    )  # fmt: skip


def several(count: int, assets: tuple[int, ...] = (0,), **params: float) -> Story:
    """So many windows open at once, each with its strike and its book; the desk is not on call."""
    story = trading(may_take_count=0, may_quote_count=0, **params)
    story.answers = False
    for slot in range(count):
        asset = assets[slot % len(assets)]
        if slot > 0:
            story.list_market(slot, opens_s=0, asset=asset, second=30)
            story.price(30.1, 100_000.0, asset)
            story.strike(30.1, 100_000.0, slot=slot, source=StrikeSource.VENUE)
            story.book(30.2, 4_900, 5_100, slot=slot)
    return story


def out(story: Story, row: int, token: Token, shares: int, cents: int, slot: int = 0) -> None:
    """An order that is out: it rests, and may match or not."""
    order, market = story.world.orders[row], story.market(slot)
    order.order_id, order.slot_id, order.state_code, order.token_code = 100 + row, slot, OrderState.RESTING, token
    order.price_bps, order.post_only = cents * 100, True
    order.amount_micros = order.open_micros = shares * SHARE
    market.orders_count += 1
    market.pending_micros[token] += shares * SHARE
    market.pending_cost_micros += shares * SHARE * cents // 100
