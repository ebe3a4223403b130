"""Posting: the bytes of a request, and what each documented answer to it means."""

from typing import Any

import msgspec
import numpy as np
import pytest
from inline_snapshot import snapshot
from numpy.typing import NDArray
from order_messages import DOWN_ID, LISTING, OPEN_NS, SLOT, UP_ID

from infra.streams.intake import Intake
from infra.venues import posting, signing
from infra.venues.credentials import Credentials, Secret
from infra.venues.gateway import Gateway
from infra.venues.posting import Fate, body_of, outcome_of, outcomes_of, terms_of
from infra.venues.refusals import halting
from infra.venues.rest import Reply, Rest
from infra.venues.signing import Signer
from infra.venues.throttle import Throttle
from state.events import Side, Token
from state.orders import Act, Command, Reject, TimeInForce
from state.records import layout
from state.units import MICROS, NS_PER_S

SIGNER = Signer(Secret("11" * 32), "0x" + "22" * 20)


def place(**columns: Any) -> NDArray[Any]:
    """A PLACE command of ten shares of UP at 0.52."""
    command = np.zeros(1, layout(Command))
    told = {
        "act_code": Act.PLACE, "order_id": 7, "at_ns": OPEN_NS, "slot_id": 3, "token_code": Token.UP,
        "side_code": Side.BUY, "price_bps": 5_200, "amount_micros": 10 * MICROS, "tif_code": TimeInForce.GTC,
        "post_only": True,
    }  # fmt: skip
    for name, value in (told | columns).items():
        command[name] = value
    return command


def body(command: NDArray[Any]) -> Any:
    made = terms_of(command[0], UP_ID)
    assert not isinstance(made, Reject)
    signed = SIGNER.sign(made[0])
    return msgspec.json.decode(body_of(command[0], made[0], signed, SIGNER, "our-key")), signed


def test_a_post_only_bid_as_the_venue_reads_it() -> None:
    told, signed = body(place())
    assert told["order"].pop("signature") == signed.signature
    assert told["order"].pop("tokenId") == UP_ID
    assert told == snapshot(
        {
            "deferExec": False,
            "order": {
                "salt": 4316083524239619,
                "maker": "0x2222222222222222222222222222222222222222",
                "signer": "0x2222222222222222222222222222222222222222",
                "makerAmount": "5200000",
                "takerAmount": "10000000",
                "side": "BUY",
                "expiration": "0",
                "timestamp": "1792638000000",
                "metadata": "0x0000000000000000000000000000000000000000000000000000000000000000",
                "builder": "0x0000000000000000000000000000000000000000000000000000000000000000",
                "signatureType": 3,
            },
            "orderType": "GTC",
            "owner": "our-key",
            "postOnly": True,
        }
    )


def test_only_orders_with_an_end_carry_one_and_only_post_only_ones_say_so() -> None:
    gtd, _ = body(place(tif_code=TimeInForce.GTD, expires_ns=OPEN_NS + 300 * NS_PER_S))
    fak, _ = body(place(tif_code=TimeInForce.FAK, post_only=False, expires_ns=1))
    assert (gtd["orderType"], gtd["order"]["expiration"], gtd["postOnly"]) == ("GTD", "1792638300", True)
    assert (fak["orderType"], fak["order"]["expiration"], "postOnly" in fak) == ("FAK", "0", False)


def test_what_cannot_be_an_order_is_refused_before_it_is_one() -> None:
    assert terms_of(place(price_bps=5_205)[0], UP_ID) is Reject.OFF_TICK
    assert terms_of(place(amount_micros=1)[0], UP_ID) is Reject.BELOW_MIN_SHARES


def said(status: int, body: str, side: Side = Side.BUY, retry_after_s: float = 0.0) -> str:
    outcome = outcome_of(Reply(status, body.encode(), retry_after_s, 0, 0), side)
    words = [outcome.fate.value]
    if outcome.reject is not Reject.NONE:
        words.append(outcome.reject.name)
    if outcome.shares_micros:
        words.append(f"{outcome.shares_micros / MICROS:g} shares")
    if outcome.pause_s >= 0:
        words.append(f"pause {outcome.pause_s:g} s")
    if outcome.halt_why:
        words.append(f"halt: {outcome.halt_why}")
    return ", ".join(words)


def posted(status: str, **changes: Any) -> str:
    told = {
        "success": True, "errorMsg": "", "orderID": "0x1", "status": status, "makingAmount": "", "takingAmount": "",
        "transactionsHashes": [], "tradeIDs": [],
    }  # fmt: skip
    return msgspec.json.encode(told | changes).decode()


def test_what_accepted_orders_became() -> None:
    assert {
        "live": said(200, posted("live")),
        "delayed": said(200, posted("delayed")),
        "unmatched": said(200, posted("unmatched")),
        "matched buying": said(200, posted("matched", takingAmount="10", makingAmount="5.2")),
        "matched selling": said(200, posted("matched", takingAmount="5.2", makingAmount="10"), Side.SELL),
        "a status nobody knows": said(200, posted("pondering")),
        "success without an id": said(200, posted("live", orderID="")),
        "success with an error": said(200, posted("live", errorMsg="not enough balance / allowance")),
    } == snapshot(
        {
            "live": "resting",
            "delayed": "held",
            "unmatched": "unmatched",
            "matched buying": "matched, 10 shares",
            "matched selling": "matched, 10 shares",
            "a status nobody knows": "unknown",
            "success without an id": "refused, FAILED",
            "success with an error": "refused, NOT_ENOUGH_BALANCE",
        }
    )


@pytest.mark.parametrize("key", ["error", "errorMsg"])
def test_what_refusals_mean(key: str) -> None:
    def refused(status: int, text: str) -> str:
        words = said(status, msgspec.json.encode({key: text}).decode())
        return words if len(words) < 45 else f"{words[:45]}..."

    assert {
        text[:50]: refused(status, text)
        for status, text in (
            (400, "invalid post-only order: order crosses book"),
            (400, "not enough balance / allowance: the balance is not enough -> balance: 1, order amount: 2"),
            (400, "order 0xab is invalid. Duplicated."),
            (400, "order couldn't be fully filled. FOK orders are fully filled or killed."),
            (400, "no orders found to match with FAK order. FAK orders are partially filled or killed if no match"),
            (400, "the market is not yet ready to process new orders"),
            (400, "order 0xab is invalid. Price (0.523) breaks minimum tick size rule: 0.01"),
            (400, "invalid amount for a marketable BUY order ($0.5), min size: $1"),
            (400, "order 0xab is invalid. Size (3) lower than the minimum: 5"),
            (400, "order_version_mismatch"),
            (400, "maker address not allowed, please use the deposit wallet flow"),
            (400, "the order signer address has to be the address of the API KEY"),
            (401, "Unauthorized/Invalid api key"),
            (403, "Trading restricted in your region, please refer to available regions"),
            (404, "no orderbook exists for the requested token id"),
            (425, "Too Early"),
            (429, "Too Many Requests"),
            (500, "could not run the execution"),
            (500, "order timed out"),
            (503, "post-only mode: only post-only orders and cancels are allowed"),
            (503, "something else"),
        )
    } == snapshot(
        {
            "invalid post-only order: order crosses book": "refused, POST_ONLY_WOULD_CROSS",
            "not enough balance / allowance: the balance is not": "refused, NOT_ENOUGH_BALANCE",
            "order couldn't be fully filled. FOK orders are ful": "refused, FOK_NOT_FILLED",
            "no orders found to match with FAK order. FAK order": "refused, FAK_NO_MATCH",
            "order 0xab is invalid. Duplicated.": "unknown",
            "order 0xab is invalid. Price (0.523) breaks minimu": "refused, OFF_TICK",
            "invalid amount for a marketable BUY order ($0.5), ": "refused, BELOW_MIN_NOTIONAL",
            "order 0xab is invalid. Size (3) lower than the min": "refused, BELOW_MIN_SHARES",
            "maker address not allowed, please use the deposit ": "refused, FAILED, halt: this account must trad...",
            "the order signer address has to be the address of ": "refused, FAILED, halt: the credentials belong...",
            "Trading restricted in your region, please refer to": "refused, FAILED, halt: trading is not allowed...",
            "the market is not yet ready to process new orders": "refused, MARKET_NOT_READY",
            "order_version_mismatch": "refused, FAILED, halt: the venue signs orders...",
            "post-only mode: only post-only orders and cancels ": "refused, POST_ONLY_MODE, pause 0 s",
            "Unauthorized/Invalid api key": "refused, FAILED, halt: the venue does not kno...",
            "no orderbook exists for the requested token id": "refused, MARKET_NOT_READY",
            "Too Early": "refused, RESTARTING, pause 0 s",
            "Too Many Requests": "refused, RATE_LIMITED, pause 0 s",
            "could not run the execution": "unknown",
            "order timed out": "unknown",
            "something else": "unknown",
        }
    )


def test_answers_that_are_not_the_venues_own() -> None:
    assert "bot wall" in said(403, "<!DOCTYPE html><html><body>blocked</body></html>")
    assert said(502, "<html>bad gateway</html>") == "unknown"
    assert said(429, "{}", retry_after_s=7) == "refused, RATE_LIMITED, pause 7 s"
    told = '{"error": "post-only mode: only post-only orders", "code": "post_only_mode", "retry_after_seconds": 90}'
    assert said(503, told) == "refused, POST_ONLY_MODE, pause 90 s"
    assert halting("INVALID_ORDER_MIN_SIZE", 400) == ""


def test_an_answer_of_success_that_cannot_be_read_leaves_the_order_in_doubt() -> None:
    """The order may live: told as refused, its money would be free and be spent a second time."""
    live = posted("live")
    assert {
        "a number for an amount": said(200, posted("matched", takingAmount=10)),
        "no status": said(200, live.replace('"live"', "null")),
        "cut in the middle": said(200, live[: len(live) // 2]),
        "nothing": said(200, ""),
        "created": said(201, live),
        "taken for later": said(202, "{}"),
        "a page of a proxy": said(200, "<html>please wait</html>"),
        "a plain no": said(200, posted("", success=False, errorMsg="not enough balance / allowance")),
        "a fault": said(200, '{"error": "not enough balance / allowance"}'),
    } == snapshot(
        {
            "a number for an amount": "unknown",
            "no status": "unknown",
            "cut in the middle": "unknown",
            "nothing": "unknown",
            "created": "resting",
            "taken for later": "unknown",
            "a page of a proxy": "unknown, halt: the venue's bot wall stands between us and the venue",
            "a plain no": "refused, NOT_ENOUGH_BALANCE",
            "a fault": "refused, NOT_ENOUGH_BALANCE",
        }
    )


@pytest.mark.parametrize(
    ("status", "body", "fates"),
    [
        (200, f"[{posted('live')}, {posted('matched')}]", [Fate.RESTING, Fate.MATCHED]),
        (200, f"[{posted('live')}]", [Fate.UNKNOWN] * 2),
        (200, posted("live"), [Fate.UNKNOWN] * 2),
        (200, "[{", [Fate.UNKNOWN] * 2),
        (200, '{"error": "too many orders"}', [Fate.REFUSED] * 2),
        (429, '{"error": "Too Many Requests"}', [Fate.REFUSED] * 2),
        (500, "", [Fate.UNKNOWN] * 2),
    ],
)
def test_a_batch_without_an_answer_to_each_of_its_orders_refuses_none(
    status: int, body: str, fates: list[Fate]
) -> None:
    told = outcomes_of(Reply(status, body.encode(), 0.0, 0, 0), [Side.BUY, Side.BUY])
    assert [each.fate for each in told] == fates


def test_older_names_mean_the_same() -> None:
    names = (
        "INVALID_ORDER_MIN_TICK_SIZE", "INVALID_ORDER_MIN_SIZE", "INVALID_ORDER_NOT_ENOUGH_BALANCE",
        "INVALID_POST_ONLY_ORDER", "FOK_ORDER_NOT_FILLED_ERROR", "MARKET_NOT_READY", "INVALID_POST_ONLY_ORDER_TYPE",
    )  # fmt: skip
    assert {name: said(400, f'{{"error": "{name}"}}') for name in names} == snapshot(
        {
            "INVALID_ORDER_MIN_TICK_SIZE": "refused, OFF_TICK",
            "INVALID_ORDER_MIN_SIZE": "refused, BELOW_MIN_SHARES",
            "INVALID_ORDER_NOT_ENOUGH_BALANCE": "refused, NOT_ENOUGH_BALANCE",
            "INVALID_POST_ONLY_ORDER": "refused, POST_ONLY_WOULD_CROSS",
            "FOK_ORDER_NOT_FILLED_ERROR": "refused, FOK_NOT_FILLED",
            "MARKET_NOT_READY": "refused, MARKET_NOT_READY",
            "INVALID_POST_ONLY_ORDER_TYPE": "refused, FAILED",
        }
    )


class HandClock:
    """A clock that is moved by hand."""

    speed_ratio = 1.0
    at_ns = OPEN_NS

    def now_ns(self) -> int:
        return self.at_ns

    async def sleep(self, span_ns: int) -> None:
        self.at_ns += span_ns

    async def sleep_until(self, at_ns: int) -> None:
        self.at_ns = max(self.at_ns, at_ns)


def test_the_throttle_lets_twenty_through_and_then_twenty_a_second() -> None:
    clock = HandClock()
    throttle = Throttle(clock)
    burst = [throttle.refusal(False) for _ in range(25)]
    assert burst == [Reject.NONE] * 20 + [Reject.RATE_LIMITED] * 5
    clock.at_ns += NS_PER_S // 2
    later = [throttle.refusal(False) for _ in range(12)]
    assert later == [Reject.NONE] * 10 + [Reject.RATE_LIMITED] * 2


def test_pauses_grow_while_the_venue_insists_and_let_post_only_orders_through_where_it_does() -> None:
    clock = HandClock()
    throttle = Throttle(clock)
    spans = []
    for _ in range(5):
        throttle.pause(Reject.RESTARTING, 0.0)
        assert throttle.refusal(True) is Reject.RESTARTING
        spans.append((throttle.pause_until_ns - clock.at_ns) / NS_PER_S)
        clock.at_ns = throttle.pause_until_ns
        assert throttle.refusal(False) is Reject.NONE
    assert spans == [1, 2, 4, 8, 8]
    throttle.went_well()
    throttle.pause(Reject.POST_ONLY_MODE, 120.0)
    assert (throttle.refusal(True), throttle.refusal(False)) == (Reject.NONE, Reject.POST_ONLY_MODE)


def test_a_prepared_window_leaves_nothing_to_reckon_for_its_first_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Domain, parties and the body's common text are there when a window is followed, not when its order is urgent."""
    clock = HandClock()
    rest = Rest("http://127.0.0.1:1", clock, SIGNER, Credentials("our-key", Secret("c2VjcmV0"), Secret("word")))
    gateway = Gateway(rest, clock, SIGNER, Intake(clock))
    posting._form.cache_clear()
    SIGNER._constants.clear()
    gateway.prepare(LISTING, SLOT)
    formed = posting._form.cache_info().misses
    monkeypatch.setattr(signing, "domain_of", None)
    for token, token_id in ((Token.UP, UP_ID), (Token.DOWN, DOWN_ID)):
        command = place(slot_id=SLOT, token_code=token)[0]
        made = terms_of(command, token_id)
        assert not isinstance(made, Reject)
        assert body_of(command, made[0], SIGNER.sign(made[0]), SIGNER, "our-key")
    assert posting._form.cache_info().misses == formed == 2


def test_a_short_pause_cuts_no_long_one_short_nor_hides_why() -> None:
    clock = HandClock()
    throttle = Throttle(clock)
    throttle.pause(Reject.POST_ONLY_MODE, 120.0)
    throttle.pause(Reject.RATE_LIMITED, 7.0)
    throttle.pause(Reject.POST_ONLY_MODE, 5.0)
    assert (throttle.refusal(True), throttle.pause_reject) == (Reject.RATE_LIMITED, Reject.POST_ONLY_MODE)
    clock.at_ns += 8 * NS_PER_S
    assert (throttle.refusal(True), throttle.refusal(False)) == (Reject.NONE, Reject.POST_ONLY_MODE)
    clock.at_ns += 111 * NS_PER_S
    assert throttle.refusal(False) is Reject.POST_ONLY_MODE
    clock.at_ns += NS_PER_S
    assert throttle.refusal(False) is Reject.NONE
