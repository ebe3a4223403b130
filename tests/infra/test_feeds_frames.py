"""Reading frames of any feed: tallies stay bounded, unknown fields are found at any depth, reasons stay short."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.feeds.frames import Parsed, Reading, Refused, Tally, Text, kind_of, offbeat, read_frame, unfamiliar, unread


class Leaf(msgspec.Struct):
    size: int


class Tree(msgspec.Struct, tag_field="kind", tag="tree"):
    leaves: list[Leaf]
    best: Leaf | None = None
    twigs: tuple[Leaf, ...] = ()
    name: str = msgspec.field(name="n", default="")


def read_tree(raw: bytes) -> Reading:
    tree = msgspec.json.decode(raw, type=Tree)
    if not tree.leaves:
        offbeat("a tree without\n leaves" + "!" * 500)
    return Reading(tree, raw, Tree)


def test_a_tally_counts_by_name_and_never_grows_past_its_bound() -> None:
    tally = Tally(names_max=2)
    for name in ("a", "b", "c", "d", "a"):
        tally.add("wire", name)
    assert tally.rows("wire", "name") == [
        {"wire": "(others)", "name": "(others)", "count": 2},
        {"wire": "wire", "name": "a", "count": 2},
        {"wire": "wire", "name": "b", "count": 1},
    ]
    assert tally.total == 5


@given(st.lists(st.text(max_size=3), max_size=200))
def test_a_tally_forgets_no_count(names: list[str]) -> None:
    tally = Tally(names_max=5)
    for name in names:
        tally.add(name)
    assert tally.total == len(names) and len(tally.counts) <= 6


def test_unknown_fields_are_found_at_any_depth_and_known_ones_passed_over() -> None:
    message = {
        "kind": "tree", "leaves": [{"size": 1, "vein": 2}, {"size": 2}], "best": {"size": 1, "hue": 3}, "n": "oak",
        "twigs": [{"size": 1, "knot": 1}], "name": "x", "bark": None,
    }  # fmt: skip
    found = ["Leaf.vein", "Leaf.hue", "Leaf.knot", "Tree.name", "Tree.bark"]
    assert list(unfamiliar(message, Tree)) == found
    assert list(unfamiliar(message, Tree, unread(Leaf="vein hue knot", Tree="bark"))) == ["Tree.name"]
    assert list(unfamiliar(3, Tree)) == []


def test_a_frame_is_an_object_an_array_or_words() -> None:
    oak = b'{"kind":"tree","leaves":[{"size":1}]}'
    tree = Tree([Leaf(1)])
    assert read_frame(oak, read_tree) == Parsed((tree,))
    assert read_frame(b" [" + oak + b"," + oak + b"]\n", read_tree) == Parsed((tree, tree))
    assert read_frame(b"hello ", read_tree, words=frozenset({b"hello"})) == Parsed((Text("hello"),))
    assert read_frame(b"hello", read_tree) == Refused("not JSON: JSON is malformed: invalid character (byte 0)")


def test_a_reason_is_one_short_line_and_names_the_type() -> None:
    refused = read_frame(b'{"kind":"tree","leaves":[],"type":"conifer"}', read_tree)
    assert isinstance(refused, Refused) and refused.kind == "conifer"
    assert refused.reason.startswith("a tree without leaves!") and len(refused.reason) == 200
    everything = read_frame(b'[{"kind":"tree","leaves":[]},3]', read_tree)
    assert isinstance(everything, Refused)
    some = read_frame(b'[{"kind":"tree","leaves":[]},3,{"kind":"tree","leaves":[{"size":1}]}]', read_tree)
    assert isinstance(some, Parsed) and len(some.refused) == 2 and len(some.messages) == 1


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"event_type":"book"}', "book"), (b'{"data":{"e":"kline"}}', "kline"), (b'{"arg":{"channel":"x"}}', "x"),
        (b'{"e":5}', ""), (b"[1]", "list"), (b"{", ""), (b'{"type":"' + b"y" * 99 + b'"}', "y" * 40),
    ],
)  # fmt: skip
def test_a_message_is_called_by_its_own_word(raw: bytes, kind: str) -> None:
    assert kind_of(raw) == kind


def test_broken_text_in_a_field_that_nobody_reads_is_named_by_the_audit_and_harms_nothing() -> None:
    raw = b'{"kind":"tree","leaves":[{"size":1}],"carved":"\xff"}'
    parsed = read_frame(raw, read_tree, audit=True)
    assert isinstance(parsed, Parsed) and parsed.unknown_fields == ("Tree.(not UTF-8 text)",)
    assert read_frame(raw, read_tree) == Parsed(parsed.messages)
