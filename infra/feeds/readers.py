"""Readers: whose frames are read by what."""

from typing import Final

from infra.feeds import (
    binance,
    bybit,
    clob_rest,
    coinbase,
    gamma,
    okx,
    polybolt,
    polygon,
    polymarket_market,
    polymarket_user,
    rtds,
)
from infra.feeds.frames import Parser, Wire

PARSERS: Final[dict[Wire, Parser]] = {
    Wire.POLYMARKET_MARKET: polymarket_market.parse,
    Wire.POLYMARKET_USER: polymarket_user.parse,
    Wire.POLYBOLT: polybolt.parse,
    Wire.RTDS: rtds.parse,
    Wire.GAMMA: gamma.parse,
    Wire.CLOB_REST: clob_rest.parse,
    Wire.BINANCE_SPOT: binance.parse,
    Wire.BINANCE_USDM: binance.parse,
    Wire.BINANCE_COINM: binance.parse,
    Wire.BYBIT: bybit.parse,
    Wire.OKX: okx.parse,
    Wire.COINBASE: coinbase.parse,
    Wire.COINBASE_EXCHANGE: coinbase.parse_exchange,
    Wire.POLYGON: polygon.parse,
}
"""Whose frames are read by what."""
