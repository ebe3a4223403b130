"""Addresses: where every server is: production, the venue next door, or what a settings file names."""

from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Base addresses without a trailing slash; production, staging and the venue next door are the same code."""

    gamma: str = "https://gamma-api.polymarket.com"
    clob: str = "https://clob.polymarket.com"
    market_ws: str = "wss://ws-subscriptions-clob.polymarket.com/ws/market"
    user_ws: str = "wss://ws-subscriptions-clob.polymarket.com/ws/user"
    polybolt: str = "wss://ws-live-v2.polymarket.com/ws"
    rtds: str = "wss://ws-live-data.polymarket.com"
    binance_spot: str = "wss://data-stream.binance.vision"
    binance_usdm: str = "wss://fstream.binance.com"
    bybit: str = "wss://stream.bybit.com/v5/public/spot"
    okx: str = "wss://ws.okx.com:8443/ws/v5/public"
    coinbase_exchange: str = "wss://ws-feed.exchange.coinbase.com"
    coinbase: str = "wss://advanced-trade-ws.coinbase.com"
    polygon: str = "https://polygon.drpc.org"
    relayer: str = "https://relayer-v2.polymarket.com"
    data_api: str = "https://data-api.polymarket.com"
    geoblock: str = "https://polymarket.com"

    def abroad(self) -> list[str]:
        """Name the servers that are not on this machine."""
        return [name for name, address in asdict(self).items() if urlsplit(address).hostname not in LOOPBACK]


PRODUCTION = Addresses()
