"""Parts of a session: what runs beside the shell until the session ends, and ends the session when it fails."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from infra.shell.shell import Shell


def begin_part(shell: Shell | Callable[[], Shell], life: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Let a part run; what it fails with becomes the shell's fault, which ends the session: starting is recovering.

    Args:
        shell: The session's, or who gives it, where it is put together later.
        life: What the part does until it is cancelled.
    """

    def ended(task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        its = shell if isinstance(shell, Shell) else shell()
        its.fault = its.fault or error

    task = asyncio.create_task(life)
    task.add_done_callback(ended)
    return task
