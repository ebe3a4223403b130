"""Write a journal: an append that costs about a microsecond, a thread that packs, writes and syncs behind it."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from infra.journal import blocks
from infra.journal.blocks import FORMAT_VERSION, ROW_BYTES, SEAL, TITLE, EntryKind, Item, Marks, layout_hashes
from infra.journal.errors import JournalError, JournalFailed, JournalForeign
from infra.journal.folder import sync_folder, take_lock
from infra.journal.recovery import Recovery, recover
from infra.journal.segments import SUFFIX, Title, title_bytes
from state.events import EVENT, EVENT_VERSION

SEGMENT_BYTES: Final = 64 << 20
BLOCK_ITEMS: Final = 1024
BLOCK_BYTES: Final = 1 << 20
BACKLOG_BYTES: Final = 64 << 20
"""An append waits while more than this is on its way to disk: a stalled disk slows us down, it does not eat memory."""
GATHER_S: Final = 0.005
"""How long the writing thread lets items gather before it makes a block."""
SYNC_S: Final = 0.1
"""Longest time between a write and its fdatasync."""


_CHUNK_ROWS: Final = BLOCK_BYTES // ROW_BYTES
_FRAME: Final = int(EntryKind.FRAME)


class _Word(NamedTuple):
    """Something the writing thread is told between items."""

    sync: bool
    last: bool
    told: Callable[[BaseException | None], None]
    """Called from the writing thread when it is done, with what writing failed with."""


class Journal:
    """A journal open for appending; one writer a folder, one thread that appends.

    Opening recovers: a torn end is cut off to the last whole block and kept beside the segment (`recovery` says how
    many bytes), and appending goes on after it. Closing seals. An error of the writing thread is raised by the next
    call, whatever that is.
    """

    def __init__(
        self,
        folder: Path,
        *,
        created_ns: int,
        code: str,
        layouts: Mapping[str, np.dtype[Any]] | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        sync_s: float = SYNC_S,
    ) -> None:
        """Open or create the journal in a folder.

        Args:
            folder: Made when absent.
            created_ns: The time now; handed in, so that a rehearsal can say another.
            code: Version of the code that writes.
            layouts: Record layouts by name, beside Event's own ("Mandate" for `append_mandate`).
            segment_bytes: A segment is sealed when it has grown beyond this.
            sync_s: Longest time between a write and its fdatasync.

        Raises:
            JournalBusy: somebody else writes it.
            JournalForeign: what lies there has another format or layout.
        """
        self.folder = folder
        self._created_ns, self._code = created_ns, code
        self._marks = Marks()
        self._layouts = layout_hashes({"Event": EVENT, **(layouts or {})})
        self._segment_bytes, self._sync_s = segment_bytes, sync_s
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(folder)
        self._file = -1
        try:
            self.recovery: Recovery = recover(folder)
            self._begin()
        except (JournalError, OSError):
            self._let_go()
            raise
        self.next_seq, self.next_row, self.next_mandate, self.next_params = self._marks
        self._waiting: list[Item | _Word] = []
        self._hurry = threading.Event()
        self._room = threading.Event()
        self._queued = self._written = 0
        self._words_said = self._words_heard = 0
        self._error: BaseException | None = None
        self._closed = self._asleep = False
        self._synced, self._synced_s = True, time.monotonic()
        self._compressor = blocks.compressor()
        self._pen = threading.Lock()
        """Held by whichever thread takes items up and writes them: blocks follow each other in the items' order."""
        self._thread = threading.Thread(target=self._run, name=f"journal {folder.name}", daemon=True)
        self._thread.start()

    # --- the appending thread

    def append_frame(self, source: int, connection: int, seen_ns: int, data: bytes) -> int:
        """Write down one message as it came; answers its sequence number."""
        return self._put((_FRAME, source, connection, seen_ns, data))

    def append_event(self, packed: bytes) -> int:
        """Write down one packed event row (`rows[i : i + 1].tobytes()`), the cheapest way; answers its ordinal."""
        assert len(packed) == ROW_BYTES
        first = self.next_row
        self._enqueue(packed, ROW_BYTES)
        self.next_row = first + 1
        self.next_seq += 1
        return first

    def append_events(self, rows: NDArray[Any]) -> int:
        """Write down event rows; answers the ordinal of the first. The array may be reused at once."""
        if rows.dtype != EVENT:
            raise TypeError(f"not event rows: {rows.dtype}")
        first = self.next_row
        for start in range(0, rows.size, _CHUNK_ROWS):
            packed = rows[start : start + _CHUNK_ROWS].tobytes()
            self._enqueue(packed, len(packed))
            self.next_row += len(packed) // ROW_BYTES
            self.next_seq += len(packed) // ROW_BYTES
        return first

    def append_mandate(self, packed: bytes, seen_ns: int) -> int:
        """Write down one packed mandate; answers the ordinal that MANDATE_GIVEN refers to."""
        if "Mandate" not in self._layouts:
            raise TypeError("this journal was opened without a layout for Mandate")
        self._put((EntryKind.MANDATE, 0, 0, seen_ns, packed))
        self.next_mandate += 1
        return self.next_mandate - 1

    def append_commands(self, commands: NDArray[Any], seen_ns: int) -> None:
        """Write down commands of the core, each an entry, for a replay to be held against."""
        if "Command" not in self._layouts:
            raise TypeError("this journal was opened without a layout for Command")
        for row in range(len(commands)):
            self._put((EntryKind.COMMAND, 0, 0, seen_ns, commands[row : row + 1].tobytes()))

    def append_params(self, data: bytes, seen_ns: int) -> int:
        """Write down one set of parameters; answers the ordinal that PARAMS_CHANGED refers to."""
        self._put((EntryKind.PARAMS, 0, 0, seen_ns, data))
        self.next_params += 1
        return self.next_params - 1

    def append_note(self, note: Mapping[str, Any], seen_ns: int) -> int:
        """Write down a JSON object for people and tools; answers its sequence number."""
        return self._put((EntryKind.NOTE, 0, 0, seen_ns, json.dumps(note, sort_keys=True).encode()))

    def flush(self, *, sync: bool = False, timeout_s: float = 30.0) -> None:
        """Wait until everything appended so far is written, and with `sync` safe on disk.

        Raises:
            JournalFailed: the writing thread met an error, or did not answer in time.
        """
        self._say(sync, False, timeout_s)

    def when_safe(self, told: Callable[[BaseException | None], None]) -> None:
        """Ask that everything appended so far be safe on disk soon, and never wait; `told` is called when it is.

        The calling thread hands it to the kernel, unless much is waiting or the other is at it: it has the interpreter
        already, and the disk can work while it goes on with something else.

        Raises:
            JournalFailed: writing failed, now or before.
        """
        if self._error is not None or self._closed:
            self._complain()
        if self._queued - self._written < BLOCK_BYTES and self._pen.acquire(blocking=False):
            try:
                self._take_up()
            except BaseException as error:  # boundary: kept, ends the writing thread, and is raised by every call
                self._error = error
                self._hurry.set()
                self._complain()
            finally:
                self._pen.release()
        self._put_word(_Word(True, False, told))

    def close(self) -> None:
        """Write and sync what is left, seal the last segment, and let the folder go. Closing twice does nothing."""
        if self._closed:
            return
        try:
            self._say(True, True, 60.0)
        finally:
            self._closed = True
            self._thread.join(timeout=5.0)
            self._let_go()

    def __enter__(self) -> "Journal":
        """Give the journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _put(self, item: tuple[int, int, int, int, bytes]) -> int:
        seq = self.next_seq
        self._enqueue(item, len(item[4]))
        self.next_seq = seq + 1
        return seq

    def _enqueue(self, item: Item, size: int) -> None:
        if self._error is not None or self._closed:
            self._complain()
        self._waiting.append(item)
        self._queued += size
        if self._asleep:
            self._hurry.set()
        elif self._queued - self._written > BACKLOG_BYTES:
            self._wait_for_room()

    def _wait_for_room(self) -> None:
        while self._queued - self._written > BACKLOG_BYTES // 2 and self._error is None:
            self._hurry.set()
            self._room.clear()
            self._room.wait(0.05)

    def _put_word(self, word: _Word) -> None:
        self._words_said += 1
        self._waiting.append(word)
        self._hurry.set()

    def _say(self, sync: bool, last: bool, timeout_s: float) -> None:
        if self._error is not None or self._closed:
            self._complain()
        done = threading.Event()
        self._put_word(_Word(sync, last, lambda _: done.set()))
        heard = done.wait(timeout_s)
        if self._error is not None:
            self._complain()
        if not heard:
            raise JournalFailed(
                f"{self.folder}: the disk did not answer within {timeout_s:g} s; see whether it is full"
            )

    def _complain(self) -> None:
        if self._error is not None:
            raise JournalFailed(
                f"{self.folder}: writing failed ({self._error}); items from {self._marks.seq} on are not written; "
                f"mend the disk and open the journal again"
            ) from self._error
        raise JournalFailed(f"{self.folder}: the journal is closed; open it again to append")

    # --- the writing thread

    def _run(self) -> None:
        word: _Word | None = None
        try:
            while word is None or not word.last:
                self._gather()
                with self._pen:
                    if self._error is not None:  # the appending thread's: a block may be torn, nothing may follow it
                        raise self._error
                    self._take_up()
                    if self._size >= self._segment_bytes:
                        self._next_segment()
                word = self._next_word()
                late = time.monotonic() - self._synced_s >= self._sync_s
                if not self._synced and (late or (word is not None and word.sync)):
                    self._sync()
                if word is not None:
                    if word.last:
                        self._seal_segment()
                    self._words_heard += 1
                    word.told(None)
        except BaseException as error:  # boundary: kept, and raised by the next call of the appending thread
            self._error = error
            self._room.set()
            for left in [word, *self._waiting]:
                if isinstance(left, _Word):
                    left.told(error)

    def _gather(self) -> None:
        """Wait until there is something to do, and then a little longer, so that blocks are not small."""
        if not self._waiting:
            self._asleep = True
            if not self._waiting:
                self._hurry.wait(None if self._synced else self._sync_s)
            self._asleep = False
            self._hurry.clear()
        hasty = self._words_said != self._words_heard
        if not hasty and len(self._waiting) < BLOCK_ITEMS and self._queued - self._written < BLOCK_BYTES:
            self._hurry.wait(GATHER_S)
            self._hurry.clear()

    def _take_up(self) -> None:
        """Take up to a block's worth of the items that wait before the next word, and write it; under the pen.

        The list is shared without a lock: appending and taking from the front are each one step of the interpreter.
        Swapping the list would lose what is appended to the old one in between.
        """
        taken = self._waiting[: self._fitting()]
        end = next((index for index, item in enumerate(taken) if isinstance(item, _Word)), len(taken))
        if end:
            self._write_items(cast(list[Item], taken[:end]))
            del self._waiting[:end]

    def _next_word(self) -> _Word | None:
        """Take the word that stands in front, if one does; words are for the writing thread."""
        stands = bool(self._waiting) and isinstance(self._waiting[0], _Word)
        return cast(_Word, self._waiting.pop(0)) if stands else None

    def _fitting(self) -> int:
        """Say how many of the waiting items make up a block."""
        if self._queued - self._written < BLOCK_BYTES:
            return BLOCK_ITEMS
        size = count = 0
        for item in self._waiting[:BLOCK_ITEMS]:
            size += len(item) if isinstance(item, bytes) else len(item[4]) if len(item) == 5 else 0
            if count and size > BLOCK_BYTES:
                break
            count += 1
        return count

    def _write_items(self, items: list[Item]) -> None:
        block, marks = blocks.pack(items, self._marks, self._compressor)
        self._write(block)
        self._marks = marks
        self._synced = False
        self._written += sum(len(item) if isinstance(item, bytes) else len(item[4]) for item in items)
        self._room.set()

    def _next_segment(self) -> None:
        self._sync()
        self._open_segment(self._segment_id + 1, self._seal_segment())

    def _sync(self) -> None:
        self._synced = True  # said before: what is written meanwhile asks for a sync of its own
        os.fdatasync(self._file)
        self._synced_s = time.monotonic()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        self._hash.update(data)
        self._size += len(data)

    # --- segments

    def _begin(self) -> None:
        """Go on in the segment that recovery left open, or begin a new one."""
        found = self.recovery
        self._marks = found.marks
        if found.open_segment is None:
            self._open_segment(found.last_segment_id + 1, found.last_hash)
            return
        if found.layouts != self._layouts:
            raise JournalForeign(
                f"{self.folder}: its records have other layouts than this code's; write to a new folder, "
                f"or close it with code {found.code}"
            )
        path = found.open_segment
        content = path.read_bytes()
        self._segment_id, self._size = found.last_segment_id, len(content)
        self._previous = found.last_hash
        self._hash = hashlib.sha256(self._previous.encode() + content)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def _open_segment(self, number: int, previous: str) -> None:
        path = self.folder / f"{number:06d}{SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        self._segment_id, self._size, self._previous = number, 0, previous
        self._hash = hashlib.sha256(previous.encode())
        title = Title(FORMAT_VERSION, EVENT_VERSION, self._layouts, self._code, self._created_ns, number, previous)
        self._write(blocks.pack_plain(TITLE, title_bytes(title), self._marks))
        os.fdatasync(self._file)
        sync_folder(self.folder)

    def _seal_segment(self) -> str:
        digest = self._hash.hexdigest()
        told = {"what": "seal", "segment": self._segment_id, "sha256": digest, "previous": self._previous}
        told |= {f"next_{name}": number for name, number in self._marks._asdict().items()}
        self._write(blocks.pack_plain(SEAL, json.dumps(told, sort_keys=True).encode(), self._marks))
        os.fdatasync(self._file)
        os.close(self._file)
        self._file = -1
        return digest

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        os.close(self._lock)
