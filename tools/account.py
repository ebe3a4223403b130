"""Book fills, failures, settlements and rebates into our account at the venue: cash and shares in and out."""

from state.compiled import compiled
from state.events import Kind, Side
from state.exchange import VENUE_ORDERS, Exchange, MarketState, VenueOrder, VenueOrderState
from state.orders import Command, Liquidity, Reject
from state.units import BPS, MICROS
from tools.fees import fee_micros, rebate_payout_micros
from tools.parcels import REPORT, new_note

DAY_NS = 86_400_000_000_000

_BUY = int(Side.BUY)
_TAKER = int(Liquidity.TAKER)
_FREE, _HELD = int(VenueOrderState.FREE), int(VenueOrderState.HELD)
_FILLED, _FEE_CHARGED = int(Kind.FILLED), int(Kind.FEE_CHARGED)
_FILL_REVERSED, _REBATE_PAID = int(Kind.FILL_REVERSED), int(Kind.REBATE_PAID)
_MERGED, _OPEN = int(Kind.MERGED), int(MarketState.OPEN)
_OK, _NO_BALANCE, _CLOSED = int(Reject.NONE), int(Reject.NOT_ENOUGH_BALANCE), int(Reject.MARKET_CLOSED)


@compiled
def own_side(token: int, side: int) -> int:
    """Turn a side of a token's book into Up's book, or back: selling Down is bidding for Up."""
    return int(side) if token == 0 else 1 - int(side)


@compiled
def own_price(token: int, price_bps: int) -> int:
    """Turn a price of a token into Up's, or back: Down at q is Up at 1 - q."""
    return int(price_bps) if token == 0 else BPS - int(price_bps)


@compiled
def match_fee_micros(exchange: Exchange, slot: int, price_bps: int, amount_micros: int) -> int:
    """Give the taker fee of a match at the token's own price under the market's rule; `FEE_UNKNOWN` if it has none."""
    rules = exchange.markets[slot].rules
    by_notional = rules.fee_by_notional_code != 0
    return fee_micros(price_bps, amount_micros, rules.fee_rate_ppm, rules.fee_exponent_count, by_notional)


@compiled
def _move(
    exchange: Exchange,
    slot: int,
    token: int,
    side: int,
    value_micros: int,
    amount_micros: int,
    fee: int,
    equivalent: int,
    sign: int,
) -> None:
    """Exchange cash for shares with fee and fee-equivalent, or undo it with sign -1."""
    market = exchange.markets[slot]
    account = exchange.account
    value = sign * value_micros
    shares = sign * amount_micros
    if side == _BUY:
        account.cash_micros -= value
        account.bought_micros += value
    else:
        account.cash_micros += value
        account.sold_micros += value
        shares = -shares
    if token == 0:
        market.up_micros += shares
    else:
        market.down_micros += shares
    account.cash_micros -= sign * fee
    account.fees_micros += sign * fee
    if equivalent > 0:
        if exchange.clock_ns >= account.rebate_day_ns:
            account.rebate_day_ns = (int(exchange.clock_ns) // DAY_NS + 1) * DAY_NS
        rebate = equivalent * int(market.rules.rebate_ppm) // MICROS
        account.equivalent_micros = max(int(account.equivalent_micros) + sign * equivalent, 0)
        account.rebate_micros = max(int(account.rebate_micros) + sign * rebate, 0)


@compiled
def book_fill(exchange: Exchange, order: VenueOrder, up_price_bps: int, amount_micros: int, liquidity: int) -> None:
    """Fill part of an order at a price of Up's book: shares, cash, fee and notes.

    The amount is whole hundredths of a share, so price times amount is whole micros.
    """
    slot, token, amount = int(order.slot_id), int(order.token_code), int(amount_micros)
    side = own_side(token, int(order.side_code))
    price = own_price(token, up_price_bps)
    curve = match_fee_micros(exchange, slot, price, amount)
    fee = curve if liquidity == _TAKER else 0
    order.open_micros -= amount
    order.filled_micros += amount
    exchange.tally.fills_count += 1
    _move(exchange, slot, token, side, price * amount // BPS, amount, fee, curve - fee, 1)
    note = exchange.notes[new_note(exchange, REPORT, _FILLED, slot, int(order.order_id))]
    note.fee_micros = fee
    note.equivalent_micros = curve - fee
    note.event.token_code = token
    note.event.side_code = side
    note.event.price_bps = price
    note.event.amount_micros = amount
    note.event.code_id = liquidity
    if fee > 0:
        charge = new_note(exchange, REPORT, _FEE_CHARGED, slot, int(order.order_id))
        exchange.notes[charge].event.amount_micros = fee


@compiled
def reverse_fill(exchange: Exchange, index: int) -> None:
    """Undo a match that FAILED on chain: shares, cash and fee go back; the order itself does not open again.

    The fee comes back as a FEE_CHARGED row of a negative amount.
    """
    failure = exchange.failures[index]
    slot, token, side = int(failure.slot_id), int(failure.token_code), int(failure.side_code)
    price, amount, fee = int(failure.price_bps), int(failure.amount_micros), int(failure.fee_micros)
    _move(exchange, slot, token, side, price * amount // BPS, amount, fee, int(failure.equivalent_micros), -1)
    event = exchange.notes[new_note(exchange, REPORT, _FILL_REVERSED, slot, int(failure.order_id))].event
    event.token_code = token
    event.side_code = side
    event.price_bps = price
    event.amount_micros = amount
    if fee > 0:
        refund = new_note(exchange, REPORT, _FEE_CHARGED, slot, int(failure.order_id))
        exchange.notes[refund].event.amount_micros = -fee
    failure.due_ns = 0
    exchange.failures_count -= 1
    exchange.tally.failures_count += 1


@compiled
def merge_sets(exchange: Exchange, command: Command) -> None:
    """Turn complete sets back into dollars, and tell; what the account does not hold, or a market that ended, refuses.

    Doubt: the chain would take a merge after the end, too, until the sets are redeemed; nothing is won by it.
    """
    slot, amount = int(command.slot_id), int(command.amount_micros)
    market = exchange.markets[slot]
    why = _OK
    if market.state_code != _OPEN or command.at_ns < market.open_ns:
        why = _CLOSED
    elif amount <= 0 or amount > min(int(market.up_micros), int(market.down_micros)):
        why = _NO_BALANCE
    event = exchange.notes[new_note(exchange, REPORT, _MERGED, slot, int(command.order_id))].event
    event.flags_mask = why
    if why != _OK:
        return
    event.amount_micros = amount
    exchange.account.cash_micros += amount
    exchange.account.sold_micros += amount
    market.up_micros -= amount
    market.down_micros -= amount


@compiled
def pay_rebate(exchange: Exchange) -> None:
    """End the day: pay its rebate if it makes a dollar, and tell."""
    account = exchange.account
    paid = rebate_payout_micros(account.rebate_micros)
    if paid > 0:
        account.cash_micros += paid
        account.rebates_micros += paid
        exchange.notes[new_note(exchange, REPORT, _REBATE_PAID, 0, 0)].event.amount_micros = paid
    account.rebate_micros = 0
    account.equivalent_micros = 0


@compiled
def covers(
    exchange: Exchange, slot: int, token: int, side: int, price_bps: int, amount_micros: int, takes: bool
) -> bool:
    """Say whether free cash covers a purchase with its fee, or free shares a sale; what is open is not free."""
    market = exchange.markets[slot]
    cash = int(exchange.account.cash_micros)
    shares = int(market.up_micros) if token == 0 else int(market.down_micros)
    for index in range(VENUE_ORDERS):
        order = exchange.orders[index]
        if order.state_code == _FREE:
            continue
        open_micros, other = int(order.open_micros), int(order.token_code)
        if own_side(other, int(order.side_code)) == _BUY:
            price = own_price(other, int(order.price_bps))
            cash -= price * open_micros // BPS
            if order.state_code == _HELD:
                cash -= match_fee_micros(exchange, int(order.slot_id), price, open_micros)
        elif order.slot_id == slot and other == token:
            shares -= open_micros
    if side != _BUY:
        return amount_micros <= shares
    need = price_bps * amount_micros // BPS
    if takes:
        need += match_fee_micros(exchange, slot, price_bps, amount_micros)
    return need <= cash
