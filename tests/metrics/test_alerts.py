"""Alerts: told when something begins and when it ends, to every receiver in its own words, and never with a secret."""

import asyncio
from dataclasses import replace

import pytest
from alert_receiver import AlertReceiver, receiving
from inline_snapshot import snapshot

from infra.alerts.alert import Alert
from infra.alerts.conditions import Conditions
from infra.alerts.sender import ROOM, AlertSender
from infra.alerts.settings import receivers_from
from infra.metrics.watched import Reading
from infra.settings import SettingsRefused
from infra.stack.program import free_port
from infra.terminal.glance import FeedPrice, Glance, LimitShown

HALTED = Alert(key="halted", began=True, words="the desk is halted (kill: <a file> & more)", session="s", mode="live")


def reading(
    *, halted: str = "", idle_s: float = 0.0, fast_state: str = "", okx: str = "good", used: float = 1.0
) -> Reading:
    glance = Glance(
        now_ns=0,
        feeds=(FeedPrice(name="okx", quality=okx), FeedPrice(name="bybit", quality="silent")),
        limits=(
            LimitShown(name="position", used=used, most=100.0, unit="$"),
            LimitShown(name="windows at risk", used=1, most=1, unit="windows"),
            LimitShown(name="book rests on", used=1.0, most=100.0, unit="$", is_floor=True),
        ),
    )
    return Reading(glance=glance, mode="live", code="c", idle_s=idle_s, halted=halted, fast_state=fast_state)


def story(*readings: Reading) -> list[list[str]]:
    conditions = Conditions("today")
    return [[alert.line for alert in conditions.look(each)] for each in readings]


def test_a_halt_is_told_once_and_its_end_once() -> None:
    halted = reading(halted="halt: the books differ")
    assert story(reading(), halted, halted, halted, reading(), reading()) == snapshot(
        [
            [],
            ["updown live session today: ALERT: the desk is halted (halt: the books differ)"],
            [],
            [],
            ["updown live session today: over: the desk is halted (halt: the books differ)"],
            [],
        ]
    )


def test_a_feed_that_blinks_is_nobodys_business() -> None:
    good, stale = reading(), reading(okx="stale")
    assert story(stale, stale, good, stale, stale, stale, stale, good) == snapshot(
        [
            [],
            [],
            [],
            [],
            [],
            ["updown live session today: ALERT: the feed okx is stale"],
            [],
            ["updown live session today: over: the feed okx is stale"],
        ]
    )


def test_a_limit_that_trembles_about_a_line_is_told_once() -> None:
    used = [50.0, 91.0, 89.0, 92.0, 85.0, 79.0, 85.0]
    assert story(*(reading(used=each) for each in used)) == snapshot(
        [
            [],
            ["updown live session today: ALERT: the limit 'position' is 91% used (91.00 of 100.00)"],
            [],
            [],
            [],
            ["updown live session today: over: the limit 'position' is 91% used (91.00 of 100.00)"],
            [],
        ]
    )


def test_a_session_that_says_nothing_ends_nothing_that_stood() -> None:
    """What is not known is not well: a limit that was near before the silence is still near in it."""
    near = reading(used=95.0)
    silent = replace(near, idle_s=31.0)
    assert story(near, silent, silent, near)[1:] == snapshot(
        [
            ["updown live session today: ALERT: nothing was written to its journal for 30 s: it hangs or has ended"],
            [],
            ["updown live session today: over: nothing was written to its journal for 30 s: it hangs or has ended"],
        ]
    )


def test_a_degraded_store_is_told_with_its_reason() -> None:
    assert story(reading(fast_state="redis at x: refused"), reading()) == snapshot(
        [
            ["updown live session today: ALERT: the shared fast state is away (redis at x: refused)"],
            ["updown live session today: over: the shared fast state is away (redis at x: refused)"],
        ]
    )


def environment(url: str) -> dict[str, str]:
    return {
        "UPDOWN_ALERT_WEBHOOK": f"{url}/hook/hush-hush",
        "UPDOWN_ALERT_SLACK": f"{url}/services/T0/hush-hush",
        "UPDOWN_ALERT_TELEGRAM_TOKEN": "42:hush-hush",
        "UPDOWN_ALERT_TELEGRAM_CHAT": "-100",
        "UPDOWN_ALERT_TELEGRAM_URL": url,
    }


class Waited:
    """Pauses that are kept and not waited for."""

    def __init__(self) -> None:
        self.spans: list[float] = []

    async def __call__(self, span_s: float) -> None:
        self.spans.append(span_s)


def send(receiver: AlertReceiver, alerts: list[Alert], *kinds: str) -> tuple[AlertSender, list[str], list[float]]:
    said: list[str] = []
    waited = Waited()

    async def run() -> AlertSender:
        async with receiving(receiver):
            all_of_them = receivers_from(environment(receiver.url))
            chosen = [each for each in all_of_them if not kinds or each.kind in kinds]
            async with AlertSender(chosen, said.append, waited) as sender:
                for alert in alerts:
                    sender.tell(alert)
            return sender

    return asyncio.run(run()), said, waited.spans


def test_each_receiver_is_told_in_its_own_words() -> None:
    receiver = AlertReceiver()
    sender, said, _ = send(receiver, [HALTED])
    assert (said, [post.sent for post in sender.posts]) == ([], [1, 1, 1])
    assert sorted(receiver.told) == snapshot(
        [
            (
                "/bot42:hush-hush/sendMessage",
                {
                    "chat_id": "-100",
                    "text": "updown live session s: ALERT: the desk is halted (kill: <a file> & more)",
                    "disable_web_page_preview": True,
                },
            ),
            (
                "/hook/hush-hush",
                {
                    "text": "updown live session s: ALERT: the desk is halted (kill: <a file> & more)",
                    "key": "halted",
                    "began": True,
                    "words": "the desk is halted (kill: <a file> & more)",
                    "session": "s",
                    "mode": "live",
                },
            ),
            (
                "/services/T0/hush-hush",
                {
                    "text": "updown live session s: ALERT: the desk is halted (kill: &lt;a file&gt; &amp; more)",
                    "mrkdwn": False,
                },
            ),
        ]
    )


def test_a_receiver_that_stumbles_is_asked_again_as_it_wishes() -> None:
    receiver = AlertReceiver(statuses=[500, 429, 200], headers={"Retry-After": "7"})
    sender, said, spans = send(receiver, [HALTED], "webhook")
    assert (said, sender.failed, len(receiver.told), spans) == ([], 0, 3, [7.0, 7.0])


def test_a_receiver_that_fails_is_given_up_told_of_and_counted() -> None:
    receiver = AlertReceiver(statuses=[503])
    sender, said, spans = send(receiver, [HALTED], "webhook")
    assert (sender.failed, len(receiver.told), spans) == (1, 4, [1.0, 2.0, 4.0])
    assert said == [f"an alert did not reach webhook: it answered 503, 4 times: {HALTED.line}"]


def test_who_refuses_for_good_is_not_asked_again() -> None:
    receiver = AlertReceiver(statuses=[404])
    sender, said, spans = send(receiver, [HALTED], "slack")
    assert (sender.failed, len(receiver.told), spans) == (1, 1, [])
    assert "hush" not in " ".join(said)


def test_nobody_listens_and_no_address_is_said() -> None:
    said: list[str] = []

    async def run() -> AlertSender:
        chosen = receivers_from(environment(f"http://127.0.0.1:{free_port()}"))
        async with AlertSender(chosen, said.append, Waited()) as sender:
            sender.tell(HALTED)
        return sender

    sender = asyncio.run(run())
    assert (sender.failed, len(said)) == (3, 3)
    assert "hush" not in " ".join(said) and "hush" not in repr(sender)


def test_too_many_at_once_lose_the_oldest_and_are_counted() -> None:
    receiver = AlertReceiver()
    alerts = [replace(HALTED, words=str(number)) for number in range(ROOM + 5)]
    sender, _, _ = send(receiver, alerts, "webhook")
    assert sender.failed == sender.posts[0].dropped == 5
    assert [told["words"] for _, told in receiver.told] == [str(number) for number in range(5, ROOM + 5)]


def test_nonsense_is_refused_without_repeating_it() -> None:
    refused = []
    for wrong in (
        {"UPDOWN_ALERT_WEBHOOK": "http://hooks.example/hush-hush"},
        {"UPDOWN_ALERT_SLACK": "hush-hush"},
        {"UPDOWN_ALERT_TELEGRAM_TOKEN": "42:hush-hush"},
    ):
        with pytest.raises(SettingsRefused) as error:
            receivers_from(wrong)
        refused.append(str(error.value))
    assert refused == snapshot(
        [
            "UPDOWN_ALERT_WEBHOOK is no address to send to: it must begin with https://",
            "UPDOWN_ALERT_SLACK is no address to send to: it must begin with https://",
            "UPDOWN_ALERT_TELEGRAM_TOKEN and UPDOWN_ALERT_TELEGRAM_CHAT go together: set both or none",
        ]
    )
    assert receivers_from({}) == ()
