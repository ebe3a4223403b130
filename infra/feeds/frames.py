"""Frames as they come off a wire: who may send them, how one is read, and what its reading answers."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NoReturn

import msgspec


class Wire(IntEnum):
    """Whose frames these are: one number a protocol, kept in journals, never given anew."""

    POLYMARKET_MARKET = 1
    POLYMARKET_USER = 2
    POLYBOLT = 3
    RTDS = 4
    GAMMA = 5
    CLOB_REST = 6
    BINANCE_SPOT = 7
    BINANCE_USDM = 8
    BINANCE_COINM = 9
    BYBIT = 10
    OKX = 11
    COINBASE = 12
    COINBASE_EXCHANGE = 13
    POLYGON = 14


class Text(msgspec.Struct, frozen=True, gc=False):
    """A frame that is plain words instead of JSON: an answer to a ping, a greeting, a notice."""

    words: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame, or one message of it, that we will not act on, with a one-line reason."""

    reason: str
    kind: str = ""
    """The message's own name for its type, where it could be read."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one frame said: typed messages, and whatever of it could not be read."""

    messages: tuple[Any, ...]
    refused: tuple[Refused, ...] = ()
    """Single messages of an array that were refused while the others stand."""
    unknown_fields: tuple[str, ...] = ()
    """Fields that no message type of ours names, as `Type.field`; looked for only in an audit."""


FRAME_BYTES_MAX: Final = 32 * 1024 * 1024
"""Nothing that we subscribe to or ask for comes near this; what does is not read at all."""

_REASON_CHARS_MAX: Final = 200

READ_ERRORS: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""Everything that reading bytes as typed JSON can raise; `Offbeat` is for meaning, these are for form."""


class Offbeat(Exception):
    """A message of good form whose content cannot be: it is refused, with these words as the reason."""


def offbeat(reason: str) -> NoReturn:
    """Refuse the message at hand; for use inside expressions and lookups."""
    raise Offbeat(reason)


def refusal(error: Exception, kind: str = "") -> Refused:
    """Put an error of reading into one line."""
    if isinstance(error, Offbeat):
        words = str(error)
    elif isinstance(error, msgspec.ValidationError):
        words = f"not of the expected form: {error}"
    elif isinstance(error, RecursionError):
        words = "nested too deep"
    elif isinstance(error, UnicodeError):
        words = "not UTF-8 text"
    else:
        words = f"not JSON: {error}"
    line = " ".join(words.split())
    return Refused(line[:_REASON_CHARS_MAX], kind)


class Reading(msgspec.Struct, gc=False):
    """One message as read, with what an audit needs to look for fields that we do not know."""

    message: Any
    raw: bytes
    shape: type[msgspec.Struct]
    """The type that `raw` was read as; differs from the message's where an old form was brought to the new one."""
    wrapper: type[msgspec.Struct] | None = None
    """The type of the envelope around it, where there is one."""


ReadOne = Callable[[bytes], Reading]
"""Reads one JSON object as one message; may raise any of `READ_ERRORS` or `Offbeat`, and nothing else."""

_PARTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_UNTYPED: Final = msgspec.json.Decoder()


def read_frame(
    raw: bytes,
    read_one: ReadOne,
    *,
    words: frozenset[bytes] = frozenset(),
    audit: bool = False,
    known: frozenset[str] = frozenset(),
) -> Parsed | Refused:
    """Read a frame that is an object, an array of objects or plain words; never raises.

    Args:
        raw: The frame's bytes.
        read_one: The feed's own reader of one object.
        words: Frames that the feed sends as plain text, the empty frame among them where it is one.
        audit: Name the unknown fields, too; about as dear as the reading itself.
        known: Fields that are known and left unread on purpose, as `Type.field`.
    """
    text = raw.strip()
    if text in words:
        return Parsed((Text(text.decode("ascii", "replace")),))
    if not text:
        return Refused("empty frame")
    if len(raw) > FRAME_BYTES_MAX:
        return Refused(f"frame of more than {FRAME_BYTES_MAX} bytes")
    parts = [text]
    if text[:1] == b"[":
        try:
            parts = [bytes(part) for part in _PARTS.decode(text)]
        except READ_ERRORS as error:
            return refusal(error)
    return _read_parts(parts, read_one, audit, known)


def _read_parts(parts: list[bytes], read_one: ReadOne, audit: bool, known: frozenset[str]) -> Parsed | Refused:
    messages: list[Any] = []
    refused: list[Refused] = []
    odd: list[str] = []
    for part in parts:
        try:
            reading = read_one(part)
        except (*READ_ERRORS, Offbeat) as error:
            refused.append(refusal(error, kind_of(part)))
            continue
        messages.append(reading.message)
        if audit:
            odd += _odd_fields(part, reading, known)
    if refused and not messages:
        return refused[0]
    return Parsed(tuple(messages), tuple(refused), tuple(odd))


def _odd_fields(part: bytes, reading: Reading, known: frozenset[str]) -> Iterator[str]:
    try:
        whole = _UNTYPED.decode(part)
        message = whole if reading.wrapper is None else _UNTYPED.decode(reading.raw)
    except READ_ERRORS as error:
        # Typed reading steps over what it does not want, broken text in it included.
        yield f"{reading.shape.__name__}.({refusal(error).reason})"
        return
    if reading.wrapper is not None:
        yield from unfamiliar(whole, reading.wrapper, known)
    yield from unfamiliar(message, reading.shape, known)


_KIND_FIELDS: Final = ("event_type", "e", "topic", "channel", "op", "event", "type")


def kind_of(part: bytes) -> str:
    """Give a message's own word for its type, as far as it has one that can be read."""
    try:
        message = _UNTYPED.decode(part)
    except READ_ERRORS:
        return ""
    if not isinstance(message, dict):
        return type(message).__name__
    within = [message, *(message[name] for name in ("data", "arg") if isinstance(message.get(name), dict))]
    words = (each.get(name) for each in within for name in _KIND_FIELDS)
    return next((word[:40] for word in words if isinstance(word, str)), "")


@dataclass(slots=True)
class Tally:
    """Count what was odd, by any words that name it, without growing for ever."""

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    names_max: int = 1000

    def add(self, *names: str, count: int = 1) -> None:
        """Count one oddity; past the bound new names are counted together as `(others)`."""
        if names not in self.counts and len(self.counts) >= self.names_max:
            names = ("(others)",) * len(names)
        self.counts[names] += count

    def rows(self, *columns: str) -> list[dict[str, Any]]:
        """Give the counts as plain rows for a table, most frequent first."""
        named = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [dict(zip(columns, names, strict=True)) | {"count": count} for names, count in named]

    @property
    def total(self) -> int:
        """Say how many oddities were counted in all."""
        return self.counts.total()


Parser = Callable[..., Parsed | Refused]
"""Every feed's `parse(raw, *, audit=False)`: pure, total, and silent about everything but its answer."""


def unread(**names: str) -> frozenset[str]:
    """Name fields that are known and left unread on purpose: by type, the names in one text.

    >>> sorted(unread(Tag="a b"))
    ['Tag.a', 'Tag.b']
    """
    return frozenset(f"{shape}.{name}" for shape, text in names.items() for name in text.split())


def unfamiliar(message: Any, shape: type[msgspec.Struct], ignored: frozenset[str] = frozenset()) -> Iterator[str]:
    """Name the fields of a decoded JSON object that its message type does not have, nested ones too.

    Args:
        message: Plain value as decoded without a type.
        shape: The struct that the same bytes were read as.
        ignored: Fields that are known and left unread on purpose, as `Type.field`.
    """
    if not isinstance(message, dict):
        return
    known = _nested(shape)
    for name, value in message.items():
        if name not in known:
            if (label := f"{shape.__name__}.{name}") not in ignored:
                yield label
        elif (inner := known[name]) is not None:
            for item in value if isinstance(value, list) else (value,):
                yield from unfamiliar(item, inner, ignored)


@lru_cache(maxsize=256)
def _nested(shape: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct] | None]:
    info = msgspec.inspect.type_info(shape)
    assert isinstance(info, msgspec.inspect.StructType)
    known: dict[str, type[msgspec.Struct] | None] = {each.encode_name: _struct_in(each.type) for each in info.fields}
    if info.tag_field is not None:
        known[info.tag_field] = None
    return known


def _struct_in(kind: msgspec.inspect.Type) -> type[msgspec.Struct] | None:
    if isinstance(kind, msgspec.inspect.StructType):
        return kind.cls
    if isinstance(kind, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        return _struct_in(kind.item_type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return next((inner for each in kind.types if (inner := _struct_in(each)) is not None), None)
    return None
