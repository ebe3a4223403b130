"""Book fills, failures, settlements and rebates into our account at the venue: cash and shares in and out."""

from state.compiled import compiled
from state.events import Kind, Side, Token
from state.exchange import FAILURES, VENUE_ORDERS, Draw, Exchange, VenueOrder, VenueOrderState
from state.orders import Liquidity
from state.units import BPS, MICROS
from tools.delays import draw_ppm, drawn_delay
from tools.fees import fee_micros, rebate_payout_micros
from tools.parcels import REPORT, post

DAY_NS = 86_400_000_000_000

_BUY, _UP = int(Side.BUY), int(Token.UP)
_TAKER = int(Liquidity.TAKER)
_FREE, _HELD = int(VenueOrderState.FREE), int(VenueOrderState.HELD)
_FILLED, _FEE_CHARGED = int(Kind.FILLED), int(Kind.FEE_CHARGED)
_FILL_REVERSED, _REBATE_PAID = int(Kind.FILL_REVERSED), int(Kind.REBATE_PAID)
_FAILED, _FAILURE = int(Draw.FAILED), int(Draw.FAILURE)
_FILLS_AN_ORDER = 1 << 12


@compiled
def own_side(token: int, side: int) -> int:
    """Turn a side of one token's book into Up's book, or back: selling Down is bidding for Up."""
    return int(side) if token == _UP else 1 - int(side)


@compiled
def own_price(token: int, price_bps: int) -> int:
    """Turn a price of one token into Up's, or back."""
    return int(price_bps) if token == _UP else BPS - int(price_bps)


@compiled
def match_fee_micros(exchange: Exchange, slot: int, price_bps: int, amount_micros: int) -> int:
    """Give the taker fee of a match at the token's own price under the market's rule; `FEE_UNKNOWN` if it has none."""
    rules = exchange.markets[slot].rules
    return fee_micros(
        price_bps, amount_micros, rules.fee_rate_ppm, rules.fee_exponent_count, rules.fee_by_notional_code != 0
    )


@compiled
def _move(
    exchange: Exchange, slot: int, token: int, side: int, value_micros: int, amount_micros: int, sign: int
) -> None:
    """Exchange cash for shares, or undo it with sign -1."""
    market = exchange.markets[slot]
    account = exchange.account
    value = sign * int(value_micros)
    shares = sign * int(amount_micros)
    if side == _BUY:
        account.cash_micros -= value
        account.bought_micros += value
    else:
        account.cash_micros += value
        account.sold_micros += value
        shares = -shares
    if token == _UP:
        market.up_micros += shares
    else:
        market.down_micros += shares


@compiled
def _charge(exchange: Exchange, slot: int, fee: int, equivalent: int, sign: int) -> None:
    account = exchange.account
    account.cash_micros -= sign * fee
    account.fees_micros += sign * fee
    if equivalent == 0:
        return
    if exchange.clock_ns >= account.rebate_day_ns:
        account.rebate_day_ns = (int(exchange.clock_ns) // DAY_NS + 1) * DAY_NS
    rebate = equivalent * int(exchange.markets[slot].rules.rebate_ppm) // MICROS
    account.equivalent_micros = max(int(account.equivalent_micros) + sign * equivalent, 0)
    account.rebate_micros = max(int(account.rebate_micros) + sign * rebate, 0)


@compiled
def book_fill(exchange: Exchange, order: VenueOrder, up_price_bps: int, amount_micros: int, liquidity: int) -> None:
    """Fill part of an order at a price of Up's book: shares, cash, fee, messages, and the chance that it fails later.

    The amount is whole hundredths of a share, so price times amount is whole micros.
    """
    slot, token = int(order.slot_id), int(order.token_code)
    side = own_side(token, int(order.side_code))
    price = own_price(token, up_price_bps)
    amount = int(amount_micros)
    curve = match_fee_micros(exchange, slot, price, amount)
    fee = curve if liquidity == _TAKER else 0
    equivalent = 0 if liquidity == _TAKER else curve
    order.open_micros -= amount
    order.filled_micros += amount
    order.fills_count += 1
    _move(exchange, slot, token, side, price * amount // BPS, amount, 1)
    _charge(exchange, slot, fee, equivalent, 1)
    exchange.tally.fills_count += 1
    order_id = int(order.order_id)
    post(exchange, REPORT, _FILLED, slot, order_id, token, side, price, amount, liquidity, 0)
    if fee > 0:
        post(exchange, REPORT, _FEE_CHARGED, slot, order_id, 0, 0, 0, fee, 0, 0)
    terms = exchange.terms
    subject = order_id * _FILLS_AN_ORDER + int(order.fills_count)
    if terms.failure_ppm > 0 and draw_ppm(terms.seed_id, subject, _FAILED) < terms.failure_ppm:
        after = drawn_delay(terms.failure, terms.seed_id, subject, _FAILURE)
        _doom(exchange, order_id, slot, token, side, price, amount, fee, equivalent, after)


@compiled
def _doom(
    exchange: Exchange,
    order_id: int,
    slot: int,
    token: int,
    side: int,
    price_bps: int,
    amount_micros: int,
    fee: int,
    equivalent: int,
    after_ns: int,
) -> None:
    if exchange.failures_count >= FAILURES:
        exchange.tally.overflow_count += 1
        return
    index = 0
    while exchange.failures[index].due_ns != 0:
        index += 1
    failure = exchange.failures[index]
    failure.due_ns = max(int(exchange.clock_ns) + after_ns, 1)
    failure.order_id = order_id
    failure.slot_id = slot
    failure.token_code = token
    failure.side_code = side
    failure.price_bps = price_bps
    failure.amount_micros = amount_micros
    failure.fee_micros = fee
    failure.equivalent_micros = equivalent
    exchange.failures_count += 1
    exchange.next_deed_ns = min(exchange.next_deed_ns, failure.due_ns)


@compiled
def reverse_fill(exchange: Exchange, index: int) -> None:
    """Undo a match that FAILED on chain: shares, cash and fee go back; the order itself does not open again.

    The fee comes back as a FEE_CHARGED row of a negative amount.
    """
    failure = exchange.failures[index]
    slot, token, side = int(failure.slot_id), int(failure.token_code), int(failure.side_code)
    price, amount, fee = int(failure.price_bps), int(failure.amount_micros), int(failure.fee_micros)
    order_id = int(failure.order_id)
    _move(exchange, slot, token, side, price * amount // BPS, amount, -1)
    _charge(exchange, slot, fee, int(failure.equivalent_micros), -1)
    post(exchange, REPORT, _FILL_REVERSED, slot, order_id, token, side, price, amount, 0, 0)
    if fee > 0:
        post(exchange, REPORT, _FEE_CHARGED, slot, order_id, 0, 0, 0, -fee, 0, 0)
    failure.due_ns = 0
    exchange.failures_count -= 1
    exchange.tally.failures_count += 1


@compiled
def forget_failures(exchange: Exchange, slot: int) -> None:
    """Call off what was to fail in a market: once settled or listed anew, its matches stand."""
    for index in range(FAILURES):
        if exchange.failures[index].due_ns != 0 and exchange.failures[index].slot_id == slot:
            exchange.failures[index].due_ns = 0
            exchange.failures_count -= 1


@compiled
def pay_out(exchange: Exchange, slot: int, outcome: int) -> None:
    """Settle what we hold in a market: a dollar a share of the token that won, nothing for the other."""
    market = exchange.markets[slot]
    payout = int(market.up_micros) if outcome == _UP else int(market.down_micros)
    exchange.account.cash_micros += payout
    exchange.account.payouts_micros += payout
    market.up_micros = 0
    market.down_micros = 0


@compiled
def pay_rebate(exchange: Exchange) -> None:
    """End the day: pay its rebate if it makes a dollar, and tell."""
    account = exchange.account
    paid = rebate_payout_micros(account.rebate_micros)
    if paid > 0:
        account.cash_micros += paid
        account.rebates_micros += paid
        post(exchange, REPORT, _REBATE_PAID, 0, 0, 0, 0, 0, paid, 0, 0)
    account.rebate_micros = 0
    account.equivalent_micros = 0


@compiled
def covers(
    exchange: Exchange, slot: int, token: int, side: int, price_bps: int, amount_micros: int, takes: bool
) -> bool:
    """Say whether free cash covers a purchase with its fee, or free shares a sale; what is open is not free."""
    price, amount = int(price_bps), int(amount_micros)
    if side == _BUY:
        need = price * amount // BPS + (match_fee_micros(exchange, slot, price, amount) if takes else 0)
        return need <= int(exchange.account.cash_micros) - _bound_cash(exchange)
    market = exchange.markets[slot]
    held = int(market.up_micros) if token == _UP else int(market.down_micros)
    return amount <= held - _bound_shares(exchange, slot, token)


@compiled
def _bound_cash(exchange: Exchange) -> int:
    bound = 0
    for index in range(VENUE_ORDERS):
        order = exchange.orders[index]
        if order.state_code != _FREE and own_side(int(order.token_code), int(order.side_code)) == _BUY:
            price, amount = own_price(int(order.token_code), int(order.price_bps)), int(order.open_micros)
            bound += price * amount // BPS
            if order.state_code == _HELD:
                bound += match_fee_micros(exchange, int(order.slot_id), price, amount)
    return bound


@compiled
def _bound_shares(exchange: Exchange, slot: int, token: int) -> int:
    bound = 0
    for index in range(VENUE_ORDERS):
        order = exchange.orders[index]
        if order.state_code == _FREE or order.slot_id != slot or order.token_code != token:
            continue
        if own_side(token, int(order.side_code)) != _BUY:
            bound += int(order.open_micros)
    return bound
