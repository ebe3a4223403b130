"""Shapes: which keys and JSON types the messages of one type have, and where two shapes differ."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

ID: Final = re.compile(r"0x[0-9a-fA-F]{8,}|\d{12,}|[0-9a-f]{8}-[0-9a-f-]{27}")
"""A key like this is not a name but what somebody is called: all of them are one key `*`."""

HERE: Final = "only here"
MISSING: Final = "missing"


@dataclass(slots=True)
class Shape:
    """What was seen at one place of the messages of one type."""

    types: set[str] = field(default_factory=set)
    """Of string, number, boolean, null, object, array."""
    keys: dict[str, "Shape"] = field(default_factory=dict)
    objects_count: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    """In how many of those objects each key stood."""
    item: "Shape | None" = None
    """Of an array's items, all together."""

    def take(self, value: Any) -> None:
        """Take one more value into account."""
        self.types.add(type_of(value))
        if isinstance(value, dict):
            self.objects_count += 1
            names = set()
            for name, child in value.items():
                called = "*" if ID.fullmatch(name) else name
                names.add(called)
                self.keys.setdefault(called, Shape()).take(child)
            for called in names:
                self.seen[called] = self.seen.get(called, 0) + 1
        elif isinstance(value, list):
            for child in value:
                if self.item is None:
                    self.item = Shape()
                self.item.take(child)

    def needs(self, name: str) -> bool:
        """Say whether every object seen had a key."""
        return self.seen[name] == self.objects_count


def type_of(value: Any) -> str:
    """Name a value's JSON type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array"


def shape_of(messages: Iterable[Any]) -> Shape:
    """Give the common shape of messages of one type."""
    shape = Shape()
    for message in messages:
        shape.take(message)
    return shape


def differences(ours: Shape, theirs: Shape, at: str = "") -> Iterator[tuple[str, str]]:
    """Give where ours differs from theirs, as place and what is there.

    A key that only some of theirs have may be missing in ours. What was null in all of theirs, or an array or object
    with nothing in it, says nothing of what could be.
    """
    told = theirs.types - {"null"}
    odd = ours.types - theirs.types if told else set()
    if odd:
        yield at or ".", f"{_listed(odd)} where theirs is {_listed(theirs.types)}"
    for name, child in sorted(ours.keys.items()):
        if name not in theirs.keys:
            if theirs.keys:
                yield f"{at}.{name}", HERE
        else:
            yield from differences(child, theirs.keys[name], f"{at}.{name}")
    for name in sorted(theirs.keys):
        if name not in ours.keys and ours.objects_count and theirs.needs(name):
            yield f"{at}.{name}", MISSING
    if ours.item is not None and theirs.item is not None:
        yield from differences(ours.item, theirs.item, f"{at}[]")


def _listed(types: set[str]) -> str:
    return " or ".join(sorted(types))
