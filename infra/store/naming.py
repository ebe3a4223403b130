"""The name of a journal, by which stores know whose rows they hold."""

import hashlib
import json
from pathlib import Path

from infra.journal.errors import JournalMissing
from infra.journal.reader import entries, read_title_of

_CHARS = 16


def journal_id(folder: Path) -> str:
    """Name a journal: sixteen hex digits over its title and its first entry.

    Raises:
        JournalMissing: nothing was written down yet.
    """
    title = read_title_of(folder)
    first = next(entries(folder, torn_ok=True), None)
    if first is None:
        raise JournalMissing(f"{folder}: nothing was written down yet")
    told = json.dumps([title.created_ns, title.code, title.layouts], sort_keys=True).encode()
    return hashlib.sha256(told + first.data).hexdigest()[:_CHARS]
