"""What the venue next door knows: windows, accounts, orders and trades, as its servers show them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from state.events import Asset, Side, Token
from state.orders import TimeInForce
from state.units import NS_PER_S


@dataclass(slots=True)
class Window:
    """One up/down window as the venue knows it; everything about it that changes, changes in the engine alone."""

    slug: str
    """`btc-updown-5m-<unix seconds of the start>`."""
    asset: Asset
    open_s: int
    span_s: int
    slot: int
    """Slot in the venue's own rows (not the desk's)."""
    condition_id: str
    """0x and 64 hex digits."""
    question_id: str
    gamma_id: int
    tokens: tuple[str, str]
    """Token ids as decimal text, by `state.events.Token`: UP, DOWN."""
    version: str = "v1"
    """"v2": its orders are signed under domain "3" and the ids are position ids."""
    tick_bps: int = 100
    min_shares: int = 5
    fee_rate: float = 0.07
    lookback_s: int = 60
    listed_ns: int = 0
    hydrated_ns: int = 0
    """From here on the CLOB knows its tokens and takes orders."""
    strike_usd: float = 0.0
    """0 until known to the venue."""
    strike_published_ns: int = 0
    """From here on Gamma shows `priceToBeat`; 0: not yet."""
    final_usd: float = 0.0
    outcome: Token | None = None
    resolved_ns: int = 0

    @property
    def open_ns(self) -> int:
        """Give its start."""
        return self.open_s * NS_PER_S

    @property
    def close_ns(self) -> int:
        """Give its end."""
        return (self.open_s + self.span_s) * NS_PER_S


class OrderStatus(StrEnum):
    """An order's status in the venue's words (venue reference 4.2, 5.3)."""

    LIVE = "LIVE"
    MATCHED = "MATCHED"
    DELAYED = "DELAYED"
    UNMATCHED = "UNMATCHED"
    CANCELED = "CANCELED"
    CANCELED_MARKET_RESOLVED = "CANCELED_MARKET_RESOLVED"
    CANCELED_EXPIRED_ORDER = "CANCELED_EXPIRED_ORDER"
    INVALID = "INVALID"


class TradeStatus(StrEnum):
    """How far a trade has come on its way to the chain."""

    MATCHED = "MATCHED"
    MINED = "MINED"
    CONFIRMED = "CONFIRMED"
    RETRYING = "RETRYING"
    FAILED = "FAILED"


@dataclass(slots=True)
class PlacedOrder:
    """One order of an account; kept after its end, so that trades can be shown."""

    order_hash: str
    """The EIP-712 digest: its id to the world."""
    order_id: int
    """Its number in the matching model."""
    owner: str
    """API key."""
    maker_address: str
    window: Window
    token: Token
    side: Side
    price_bps: int
    amount_micros: int
    tif: TimeInForce
    post_only: bool
    expiration_s: int
    created_ns: int
    status: OrderStatus = OrderStatus.LIVE
    reason: str = ""
    """Free text of a refusal or an end, in the venue's words."""
    matched_micros: int = 0
    trade_ids: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Say whether it can still match."""
        return self.status in (OrderStatus.LIVE, OrderStatus.DELAYED)


@dataclass(slots=True)
class Trade:
    """One match of one of an account's orders; it is not money before CONFIRMED."""

    trade_id: str
    order: PlacedOrder
    is_maker: bool
    price_bps: int
    """Of the order's own token."""
    amount_micros: int
    fee_micros: int
    matched_ns: int
    changed_ns: int
    status: TradeStatus = TradeStatus.MATCHED
    transaction_hash: str = ""
    """Empty until MINED."""
    shared_id: str = ""
    """Id of another trade that it is told under, where a fault wants it so."""

    @property
    def told_id(self) -> str:
        """Give the id that the world sees."""
        return self.shared_id or self.trade_id


@dataclass(slots=True)
class Account:
    """One customer: keys, wallet, and its own matching model over the common market."""

    owner_address: str
    """The EOA that signs (checksummed)."""
    wallet_address: str
    """Deposit wallet of signature type 3 (checksummed); the EOA itself for type 0."""
    api_key: str
    secret: str
    """urlsafe base64."""
    passphrase: str
    nonce: int = 0
    exchange: Any = None
    """Array of `state.exchange.Exchange`, shape (1,): owned by the engine."""
    orders: dict[str, PlacedOrder] = field(default_factory=dict)
    """By hash."""
    trades: dict[str, Trade] = field(default_factory=dict)
    """By trade id, in the order they happened."""
    heartbeat_id: str = ""
    """What the next heartbeat must carry; empty: none was ever accepted."""
    heartbeat_ns: int = 0
    closed_only: bool = False


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that has passed the checks of form, signature, amounts and owner; the engine checks the rest."""

    order_hash: str
    maker_address: str
    token_id: str
    side: Side
    price_bps: int
    amount_micros: int
    tif: TimeInForce
    post_only: bool
    expiration_s: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine says to a new order at once."""

    order: PlacedOrder
    """Status LIVE, DELAYED, MATCHED (filled at once), or INVALID/UNMATCHED with `reason` in the venue's words."""
    error: str = ""
    """The documented text of a refusal (venue reference 5.8); empty when accepted."""
    http_status: int = 200
    """400, 404, 425, 503 ... of a refusal."""


@dataclass(frozen=True, slots=True)
class BookLevel:
    """One price of a token's book."""

    price_bps: int
    amount_micros: int


@dataclass(frozen=True, slots=True)
class BookShown:
    """One token's whole book as the venue shows it now, our customers' orders in it."""

    window: Window
    token: Token
    bids: tuple[BookLevel, ...]
    """Ascending: the best is last."""
    asks: tuple[BookLevel, ...]
    """Descending: the best is last."""
    at_ns: int
    last_trade_bps: int = 0
