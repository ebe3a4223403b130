"""Faults on a switch: what may go wrong at the venue next door, where, from when and for how long."""

from dataclasses import dataclass, field
from enum import StrEnum

from infra.clock import Clock


class Fault(StrEnum):
    """Everything that can be made to go wrong, by name."""

    # Sockets: `where` is a wire's name in small letters (polymarket_market, polymarket_user, polybolt, rtds,
    # binance_spot, binance_usdm, bybit, okx, coinbase_exchange, coinbase), or "" for all.
    SILENT = "silent"
    """The socket stays open, pings are answered, and no data comes."""
    SLOW_CONSUMER = "slow_consumer"
    """Closed with 1013 "slow consumer: send buffer full" (PolyBolt: 4002)."""
    DISCONNECT = "disconnect"
    """Cut without a closing handshake; new connections are taken again at once."""
    REFUSE = "refuse"
    """New connections are refused with HTTP 503 while it lasts."""
    NO_SNAPSHOT = "no_snapshot"
    """Subscribing gives no snapshot: a reconnect without continuity."""
    DUPLICATE = "duplicate"
    """`value`: share of messages sent twice (1 = all)."""
    LATE = "late"
    """`value`: milliseconds by which every message is late, order kept."""
    REORDER = "reorder"
    """`value`: share of messages that swap places with the next."""
    MISSING = "missing"
    """`value`: share of messages that are never sent."""
    GARBLED = "garbled"
    """`value`: share of messages cut in the middle."""
    # REST: `where` is the beginning of a path ("/order", "/book", "/events"), or "" for all of the CLOB.
    TOO_EARLY = "too_early"
    """425: the matching engine restarts."""
    POST_ONLY_MODE = "post_only_mode"
    """503 with `post_only_mode` for everything but post-only orders and cancels."""
    RATE_LIMITED = "rate_limited"
    """429 with Retry-After and the Poly-RateLimit headers."""
    SERVER_ERROR = "server_error"
    """500 "could not run the execution"."""
    TIMEOUT_AFTER_ACCEPTANCE = "timeout_after_acceptance"
    """The order is taken, the answer never comes (the socket hangs for `value` seconds, then is cut)."""
    CLOUDFLARE = "cloudflare"
    """403 with an HTML page."""
    SLOW_ANSWER = "slow_answer"
    """`value`: milliseconds before each answer."""
    UNAUTHORIZED = "unauthorized"
    """401 on every authenticated call."""
    VERSION_MISMATCH = "version_mismatch"
    """`/version` says `value` and orders are refused with `order_version_mismatch`."""
    # The engine.
    CLOCK_SKEW = "clock_skew"
    """`value`: milliseconds that the venue's clock is ahead."""
    DELAYED_STATUS = "delayed_status"
    """`value`: milliseconds that news of orders and trades are held back on the user channel."""
    FAILED_TRADE = "failed_trade"
    """`value`: share of matches that turn out FAILED on chain."""
    RETRYING_TRADE = "retrying_trade"
    """`value`: share of matches that go through RETRYING first."""
    WRONG_STRIKE = "wrong_strike"
    """`value`: dollars by which the published priceToBeat is off."""
    LATE_STRIKE = "late_strike"
    """`value`: seconds by which priceToBeat is published later."""
    NOT_HYDRATED = "not_hydrated"
    """Windows listed meanwhile have no tokens on the CLOB until it ends."""
    TICK_CHANGE = "tick_change"
    """The tick of every open window becomes `value` (0.001) at once."""
    PHANTOM_LOCK = "phantom_lock"
    """Balances look `value` dollars smaller than they are, as if locked by orders that are gone."""
    HEARTBEAT_LOST = "heartbeat_lost"
    """Heartbeats are refused with 400 and another id."""
    UNSETTLED_SHARES = "unsettled_shares"
    """Shares cannot be sold before the match that brought them is on chain (venue reference 8, row 6)."""
    SHARED_TRADE = "shared_trade"
    """Matches of several resting orders of an account bear one trade's id (venue reference 8, row 18)."""
    OVERFILL = "overfill"
    """`value`: microshares that a take gets beyond what it asked for (venue reference 5.4; 8, row 19)."""
    SWAPPED_OUTCOMES = "swapped_outcomes"
    """The catalogue names Down, its token and its price before Up's (venue reference 8, row 35)."""
    UNRESOLVED = "unresolved"
    """Resolutions are held back, and `market_resolved` never comes."""
    # What a desk finds when it asks whether it may trade at all.
    GEOBLOCKED = "geoblocked"
    """Who asks from here may not trade (venue reference 5.9)."""
    CLOSED_ONLY = "closed_only"
    """Every account may only close positions."""
    NO_ALLOWANCE = "no_allowance"
    """No spender has an allowance, neither of collateral nor of tokens."""
    NOT_DEPLOYED = "not_deployed"
    """No deposit wallet stands on the chain."""
    UNKNOWN_FEE = "unknown_fee"
    """`value`: the fee rate that markets state, in catalogue and order book (the engine charges what it always did)."""
    UNKNOWN_LOOKBACK = "unknown_lookback"
    """`value`: seconds of the average on which the catalogue says that windows settle."""
    MARKET_VERSION = "market_version"
    """`value`: the number in the `version` of markets in the catalogue (9 is "v9")."""
    # Prices.
    ORACLE_GAP = "oracle_gap"
    """The settlement stream says nothing (the venue itself still settles by it)."""
    FEED_FREEZE = "feed_freeze"
    """An exchange feed repeats its last price; `where` is the wire's name."""
    DROPPED = "dropped"
    """PolyBolt says `value` dropped frames and skips so many sequence numbers, once."""


AT_THE_DOOR = frozenset(
    {
        Fault.GEOBLOCKED, Fault.CLOSED_ONLY, Fault.NO_ALLOWANCE, Fault.NOT_DEPLOYED, Fault.UNKNOWN_FEE,
        Fault.UNKNOWN_LOOKBACK, Fault.MARKET_VERSION,
    }
)  # fmt: skip
"""Faults for which a desk does not even start."""

OF_ONE_ROW = frozenset({Fault.UNSETTLED_SHARES, Fault.SHARED_TRADE, Fault.OVERFILL, Fault.SWAPPED_OUTCOMES})
"""Faults that stand for one known failure each; those of the middle of a day are all the others."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One fault, switched on for a stretch of the venue's time."""

    fault: Fault
    where: str = ""
    from_ns: int = 0
    until_ns: int = 1 << 62
    value: float = 1.0


@dataclass(slots=True)
class Faults:
    """The board of switches; servers and engine ask it at the moment that they act."""

    clock: Clock
    switches: list[Switch] = field(default_factory=list)

    def add(self, switch: Switch) -> None:
        """Switch a fault on."""
        self.switches.append(switch)

    def clear(self) -> None:
        """Switch everything off."""
        self.switches.clear()

    def value(self, fault: Fault, where: str = "") -> float:
        """Give a fault's value if it is on here and now, else 0; `where` may be longer than what was switched."""
        if not self.switches:
            return 0.0
        now_ns = self.clock.now_ns()
        for switch in self.switches:
            if switch.fault is fault and switch.from_ns <= now_ns < switch.until_ns and where.startswith(switch.where):
                return switch.value
        return 0.0

    def is_on(self, fault: Fault, where: str = "") -> bool:
        """Say whether a fault is on here and now."""
        return self.value(fault, where) != 0.0
