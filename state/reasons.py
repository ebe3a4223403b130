"""Why: one code and one sentence for everything the desk may say of itself."""

from enum import IntEnum
from types import MappingProxyType
from typing import Final


class Gate(IntEnum):
    """The stage that spoke."""

    NONE = 0
    LOOK = 1
    SIGNAL = 2
    VALIDATE = 3
    RISK = 4
    SIZE = 5


class Reason(IntEnum):
    """Why an agent said what it said, why a gate closed, why an order went out."""

    NONE = 0
    # look: what the data will not bear
    RULES_UNKNOWN = 1
    NO_BOOK = 2
    BOOK_STALE = 3
    BOOK_CROSSED = 4
    COMPLEMENT_BROKEN = 5
    NO_REFERENCE = 6
    REFERENCE_STALE = 7
    FEEDS_DISAGREE = 8
    STRIKE_UNKNOWN = 9
    COVERAGE_THIN = 10
    NOT_OPEN = 11
    TOO_EARLY = 12
    TOO_LATE = 13
    STRIKE_DISPUTED = 14
    # signal
    EDGE_THIN = 20
    NO_SIDE = 21
    PRICE_EXTREME = 22
    # validate
    EVIDENCE_AGAINST = 30
    SKILL_BELOW_BOOK = 31
    # risk
    HALTED = 40
    DAILY_LOSS = 41
    LIQUIDITY_LOW = 42
    CONCURRENT_FULL = 43
    POSITION_FULL = 44
    CORRELATED = 45
    TAIL_LOSS = 46
    PLATFORM = 47
    # size
    STAKE_BELOW_MINIMUM = 50
    # arming
    ARMED_LIMIT = 58
    # agents
    FAIR_ABOVE_BOOK = 60
    FAIR_BELOW_BOOK = 61
    FAIR_AT_BOOK = 62
    COMPLETE_SET_CHEAP = 63
    COMPLETE_SET_DEAR = 64
    LEADER_UP = 65
    LEADER_DOWN = 66
    LEADER_QUIET = 67
    LAG_UNKNOWN = 68
    LAG_INSIDE_HOLD = 69
    DEPTH_EVEN = 70
    DEPTH_LEANS_UP = 71
    DEPTH_LEANS_DOWN = 72
    DEPTH_THIN = 73
    FLOW_UP = 74
    FLOW_DOWN = 75
    FLOW_QUIET = 76
    FLOW_TOXIC = 77
    # commands
    TAKE_EDGE = 80
    QUOTE_EDGE = 81
    EDGE_GONE = 82
    MANDATE_ENDED = 83
    MANDATE_FORBIDS = 84
    REQUOTE = 85
    WINDOW_ENDING = 86
    OPERATOR_PULLED = 87
    # platform: what is not sound (state.platform)
    SETTLEMENT_SLOW = 90
    TRADES_FAIL = 91
    VENUE_RESTARTING = 92
    FEEDS_STALE = 93
    ORACLE_APART = 94
    FEE_SURGE = 95
    CHAIN_BEHIND = 96
    # the averaging minute
    SPOT_ONE_SIDED = 97
    SPOT_RUNS_AWAY = 98
    # complete sets, and what is asked twice
    SETS_MERGED = 110
    CANCEL_REPEATED = 111
    # making or taking, and exits
    TAKE_WORTH_MORE = 120
    QUOTE_WORTH_MORE = 121
    QUOTE_ADVERSE = 122
    CHURN_SPENT = 123
    EXIT_WORTH_MORE = 124


WORDS: Final = MappingProxyType(
    {
        Reason.NONE: "nothing to say",
        Reason.RULES_UNKNOWN: "a rule of this market is unknown or unsupported, so it is not traded",
        Reason.NO_BOOK: "there is no whole two-sided view of the book",
        Reason.BOOK_STALE: "the book is older than allowed",
        Reason.BOOK_CROSSED: "the book is crossed",
        Reason.COMPLEMENT_BROKEN: "the two tokens' books contradict each other",
        Reason.NO_REFERENCE: "no price reference: fair value cannot be reckoned",
        Reason.REFERENCE_STALE: "the price reference is older than allowed",
        Reason.FEEDS_DISAGREE: "the price feeds disagree by more than allowed",
        Reason.STRIKE_UNKNOWN: "the price to beat is not known well enough",
        Reason.COVERAGE_THIN: "too many seconds of the average are missing",
        Reason.NOT_OPEN: "the window is not open",
        Reason.TOO_EARLY: "the window has only just opened",
        Reason.TOO_LATE: "the window is about to close",
        Reason.STRIKE_DISPUTED: "the venue's price to beat is not what our own average said",
        Reason.EDGE_THIN: "the edge after costs is too thin",
        Reason.NO_SIDE: "there is nobody to trade with on the side we would want",
        Reason.PRICE_EXTREME: "the price is too near 0 or 1",
        Reason.EVIDENCE_AGAINST: "the sequential test speaks against the strategy: paused",
        Reason.SKILL_BELOW_BOOK: "the forecast has lately scored worse than the book itself: paused",
        Reason.HALTED: "trading is halted",
        Reason.DAILY_LOSS: "the day's loss limit is reached",
        Reason.LIQUIDITY_LOW: "the whole book rests on less than the liquidity minimum",
        Reason.CONCURRENT_FULL: "as many windows as allowed carry risk already",
        Reason.POSITION_FULL: "the position limit of the window is used up",
        Reason.CORRELATED: "windows that move together have used their common limit",
        Reason.TAIL_LOSS: "a jump of the price would lose more than allowed",
        Reason.PLATFORM: "the platform is not sound enough for new risk",
        Reason.STAKE_BELOW_MINIMUM: "the stake is below what the venue accepts",
        Reason.ARMED_LIMIT: "the limit that the desk was armed with is used up",
        Reason.FAIR_ABOVE_BOOK: "fair value lies above the book's middle",
        Reason.FAIR_BELOW_BOOK: "fair value lies below the book's middle",
        Reason.FAIR_AT_BOOK: "fair value agrees with the book",
        Reason.COMPLETE_SET_CHEAP: "both tokens together cost less than a dollar after fees",
        Reason.COMPLETE_SET_DEAR: "both tokens together sell for more than a dollar after fees",
        Reason.LEADER_UP: "the leading feed has risen and the book has not followed yet",
        Reason.LEADER_DOWN: "the leading feed has fallen and the book has not followed yet",
        Reason.LEADER_QUIET: "the leading feed has not moved",
        Reason.LAG_UNKNOWN: "no lag between the feeds and the book has been established",
        Reason.LAG_INSIDE_HOLD: "the book follows faster than the taker hold lets us act",
        Reason.DEPTH_EVEN: "depth is even on both sides",
        Reason.DEPTH_LEANS_UP: "more depth bids for UP than offers it",
        Reason.DEPTH_LEANS_DOWN: "more depth offers UP than bids for it",
        Reason.DEPTH_THIN: "there is little depth near the touch",
        Reason.FLOW_UP: "takers have been buying UP",
        Reason.FLOW_DOWN: "takers have been buying DOWN",
        Reason.FLOW_QUIET: "there has been little trading",
        Reason.FLOW_TOXIC: "trading is one-sided enough to be informed",
        Reason.TAKE_EDGE: "taken: the posterior's worse end beats the price and all costs",
        Reason.QUOTE_EDGE: "quoted: the price leaves the wanted edge at the posterior's worse end",
        Reason.EDGE_GONE: "pulled: the edge of the quote is gone",
        Reason.MANDATE_ENDED: "pulled: the mandate ended",
        Reason.MANDATE_FORBIDS: "pulled: the new mandate does not allow it",
        Reason.REQUOTE: "pulled to quote at a better price",
        Reason.WINDOW_ENDING: "pulled: the window is about to close",
        Reason.OPERATOR_PULLED: "pulled by the operator",
        Reason.SETTLEMENT_SLOW: "a match of ours is not confirmed on chain for longer than allowed",
        Reason.TRADES_FAIL: "too many of our recent trades failed on chain or had to be tried again",
        Reason.VENUE_RESTARTING: "the venue restarts, or takes post-only orders alone",
        Reason.FEEDS_STALE: "too many of our price feeds are silent",
        Reason.ORACLE_APART: "the settlement stream and the exchanges tell different prices",
        Reason.FEE_SURGE: "Polygon's base fee is far above its recent median",
        Reason.CHAIN_BEHIND: "Polygon's newest block that we know is too old",
        Reason.SPOT_ONE_SIDED: "one exchange is swept to one side in the minute that settles this window",
        Reason.SPOT_RUNS_AWAY: "one exchange's price runs away from the others in the minute that settles this window",
        Reason.SETS_MERGED: "merged: both tokens together are a dollar that need not wait for the settlement",
        Reason.CANCEL_REPEATED: "cancelled again: the first cancel was never answered",
        Reason.TAKE_WORTH_MORE: "taking now is worth more than a place in the queue",
        Reason.QUOTE_WORTH_MORE: "a place in the queue is worth more than taking now",
        Reason.QUOTE_ADVERSE: "not quoted: by the time a bid is filled, fair value has moved by more than its edge",
        Reason.CHURN_SPENT: "not quoted: the window's cancels of this minute are used up",
        Reason.EXIT_WORTH_MORE: "closed: buying the other token is worth more than waiting for the settlement",
    }
)
"""The sentence for each reason; a test holds that none is missing."""
