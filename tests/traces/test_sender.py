"""The sender never waits: what finds no room is dropped, oldest first, and counted; an end comes in time."""

import threading
import time
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from infra.traces.runs import Feedback, Growing, Tree, run_id
from infra.traces.scrub import Scrubber, scrubber_of
from infra.traces.sender import Answer, Sender, Told
from infra.traces.settings import settings_of
from infra.traces.tracer import open_sender


def tree(number: int, said: str = "") -> Tree:
    growing = Growing("tests")
    root = growing.add(f"decision {number}", None, start_ns=number, end_ns=number, inputs={"said": said}, outputs={})
    growing.add(f"look {number}", root, start_ns=number + 1, end_ns=number + 1, inputs={}, outputs={})
    return growing.tree()


class Shut:
    """An outlet that takes what comes only once it is opened, and answers as it was told to."""

    def __init__(self, *answers: Told) -> None:
        self.open = threading.Event()
        self.began = threading.Event()
        self.answers = list(answers)
        self.got: list[Tree] = []
        self.feedback: list[Feedback] = []

    def send(self, trees: Sequence[Tree], feedback: Sequence[Feedback]) -> Told:
        self.began.set()
        assert self.open.wait(30)
        answer = self.answers.pop(0) if self.answers else Told(Answer.TAKEN)
        if answer.answer is Answer.TAKEN:
            self.got += trees
            self.feedback += feedback
        return answer


def names(got: Sequence[Tree]) -> list[str]:
    return [each[0].name for each in got]


def test_what_finds_no_room_is_dropped_oldest_first_and_told_with_what_is_sent() -> None:
    outlet = Shut()
    sender = Sender([outlet], Scrubber(), room=3)
    sender.start()
    sender.offer(tree(0))
    assert outlet.began.wait(30)  # it is under way; the others wait
    for number in range(1, 8):
        sender.offer(tree(number))
    outlet.open.set()
    counts = sender.close(30.0)
    assert names(outlet.got) == ["decision 0", "decision 5", "decision 6", "decision 7"]
    assert (counts.offered, counts.sent, counts.dropped, counts.left) == (8, 4, 4, 0)
    assert outlet.got[1][0].metadata["dropped_before"] == 4


def test_what_nobody_answers_is_sent_again_and_what_is_refused_is_not() -> None:
    outlet = Shut(Told(Answer.AGAIN, "no line"), Told(Answer.TAKEN), Told(Answer.REFUSED, "not wanted"))
    outlet.open.set()
    sender = Sender([outlet], Scrubber(), room=3)
    sender.start()
    sender.offer(tree(1))
    sender.wait_for_idle(30.0)
    sender.offer(tree(2))
    counts = sender.close(30.0)
    assert names(outlet.got) == ["decision 1"]
    assert (counts.sent, counts.tries, counts.refused, counts.why) == (1, 1, 1, "not wanted")


def test_an_endpoint_that_cannot_be_reached_holds_up_neither_the_offers_nor_the_end() -> None:
    surroundings = {"LANGSMITH_ENDPOINT": "http://127.0.0.1:9"}
    sender = open_sender(settings_of(surroundings), surroundings, lambda _: None)
    for number in range(5_000):
        sender.offer(tree(number))
    began = time.monotonic()
    counts = sender.close(0.5)
    assert time.monotonic() - began < 20.0, "the deadline is half a second; this only tells it from for ever"
    assert counts.sent == 0 and counts.dropped + counts.left == counts.offered == 5_000
    assert "127.0.0.1" in counts.why


def test_nothing_unscrubbed_ever_waits_in_the_queue() -> None:
    outlet = Shut()
    outlet.open.set()
    sender = Sender([outlet], scrubber_of({"MY_SECRET": "open sesame"}), room=3)
    sender.offer(tree(1, "he said open sesame"))
    sender.start()
    sender.close(30.0)
    assert outlet.got[0][0].inputs == {"said": "he said [scrubbed]"}


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 4 * 10**18))
def test_ids_are_reckoned_have_the_shape_of_version_7_and_stand_in_the_order_of_time(
    session: str, name: str, at_ns: int
) -> None:
    number = run_id(session, name, at_ns)
    assert number == run_id(session, name, at_ns) != run_id(session + "x", name, at_ns)
    assert (number.version, number.variant) == (7, "specified in RFC 4122")
    assert number < run_id(session, name, at_ns + 10**6)


@given(st.lists(st.integers(0, 10**15), min_size=2, max_size=8))
def test_a_dotted_order_begins_with_its_parents_and_sorts_by_time(starts: list[int]) -> None:
    growing = Growing("tests")
    root = growing.add("root", None, start_ns=min(starts), end_ns=max(starts), inputs={}, outputs={})
    runs = [
        growing.add(f"run {at}", root, start_ns=start, end_ns=start, inputs={}, outputs={})
        for at, start in enumerate(starts)
    ]
    assert all(run.dotted_order.startswith(f"{root.dotted_order}.") for run in runs)
    by_order = sorted(runs, key=lambda run: run.dotted_order)
    assert [run.start_ns // 1_000 for run in by_order] == sorted(start // 1_000 for start in starts)
