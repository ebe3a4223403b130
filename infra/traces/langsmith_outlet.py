"""LangSmith as an outlet: its own client for the wire, with every setting said and nothing of it left to run alone."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from infra.clock import monotonic_ns
from infra.traces.runs import Feedback, Tree, as_sent, moment
from infra.traces.sender import Answer, Told
from infra.traces.settings import Tracing
from state.units import NS_PER_S

TIMEOUT_MS: Final = (3_000, 10_000)
"""To connect, and to be answered."""
BOUNDARY: Final = "updown-feedback"
TRY_AGAIN: Final = frozenset({408, 425, 429})
SAID_EVERY_S: Final = 60
SAID_MOST: Final = 300
"""Characters of a complaint: the client's own name every run of a batch."""


class Hushed(logging.Handler):
    """Lets one complaint of a library through a minute, shortened, and counts the others."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say
        self._silent_until_ns = 0
        self.unsaid = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, or count it."""
        if monotonic_ns() < self._silent_until_ns:
            self.unsaid += 1
            return
        self._silent_until_ns = monotonic_ns() + SAID_EVERY_S * NS_PER_S
        said = " ".join(record.getMessage().split())[:SAID_MOST]
        self._say(f"{record.name}: {said}" + (f" ({self.unsaid} more unsaid)" if self.unsaid else ""))
        self.unsaid = 0


def hush(say: Callable[[str], None], *names: str) -> None:
    """Let libraries complain at most once a minute, in a line."""
    handler = Hushed(say)
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False


@dataclass(slots=True)
class LangSmithOutlet:
    """Sends run trees and feedback to LangSmith, or to whatever speaks its protocol."""

    client: Any
    project: str
    errors: list[Exception] = field(default_factory=list)
    """What the client says of a request of its own; emptied before each."""
    _project_id: Any = None

    def send(self, trees: Sequence[Tree], feedback: Sequence[Feedback]) -> Told:
        """Send them, runs first: feedback is upon runs that are there."""
        from langsmith.utils import LangSmithError

        self.errors.clear()
        try:
            self.client.multipart_ingest(create=[as_sent(run, self.project) for tree in trees for run in tree])
            if self.errors:
                return _told(self.errors[-1])
            if feedback:
                self._tell(feedback)
        except (LangSmithError, OSError) as error:  # a time-out reaches us as `requests` raised it
            return _told(error)
        return Told(Answer.TAKEN)

    def _tell(self, feedback: Sequence[Feedback]) -> None:
        """Send all in one request, as parts beside those of runs; the client would make a request of each."""
        session_id = self._session_id()
        parts = [(f"feedback.{each.feedback_id}", _as_sent(each, session_id)) for each in feedback]
        body = b"".join(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: application/json; '
            f"length={len(told)}\r\n\r\n".encode() + told + b"\r\n"
            for name, told in parts
        )  # fmt: skip
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        self.client.request_with_retries(
            "POST", "/runs/multipart", stop_after_attempt=1, headers=headers,
            request_kwargs={"data": body + f"--{BOUNDARY}--\r\n".encode()},
        )  # fmt: skip

    def _session_id(self) -> Any:
        """Give the project's id, which feedback has to name; asked for once it is there."""
        from langsmith.utils import LangSmithNotFoundError

        if self._project_id is None:
            try:
                self._project_id = self.client.read_project(project_name=self.project).id
            except LangSmithNotFoundError:
                return None
        return self._project_id


def _as_sent(feedback: Feedback, session_id: Any) -> bytes:
    told = {
        "id": str(feedback.feedback_id), "run_id": str(feedback.run_id), "trace_id": str(feedback.run_id),
        "key": feedback.key, "score": feedback.score, "value": feedback.value, "comment": feedback.comment or None,
        "session_id": str(session_id) if session_id is not None else None,
        "start_time": moment(feedback.start_ns).isoformat(), "created_at": moment(feedback.at_ns).isoformat(),
        "modified_at": moment(feedback.at_ns).isoformat(), "feedback_source": {"type": "api", "metadata": {}},
    }  # fmt: skip
    return json.dumps({name: value for name, value in told.items() if value is not None}).encode()


def _told(error: Exception) -> Told:
    """Say whether another try is worth it: not when the request was understood and turned down."""
    why = f"{type(error).__name__}: {' '.join(str(error).split())[:SAID_MOST]}"
    status = _status_of(error)
    turned_down = 400 <= status < 500 and status not in TRY_AGAIN
    return Told(Answer.REFUSED if turned_down else Answer.AGAIN, why)


def _status_of(error: BaseException | None) -> int:
    """Give the status of the answer that an error of the client came from; 0: there was none."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return int(status)
        error = error.__cause__ or error.__context__
    return 0


def langsmith_outlet(
    tracing: Tracing, say: Callable[[str], None], timeout_ms: tuple[int, int] = TIMEOUT_MS
) -> LangSmithOutlet:  # fmt: skip
    """Open LangSmith's client with everything said: no thread, sampling, retries or surroundings of its own."""
    os.environ["LANGSMITH_USE_DAEMON"] = "true"  # its pool of threads must not hold the end of the process
    hush(say, "langsmith", "urllib3")
    from langsmith import Client
    from urllib3.util import Retry

    errors: list[Exception] = []
    client = Client(
        api_url=tracing.endpoint, api_key=tracing.key.reveal() if tracing.key is not None else None,
        workspace_id=tracing.workspace or None, auto_batch_tracing=False, timeout_ms=timeout_ms,
        retry_config=Retry(total=0), omit_traced_runtime_info=True, tracing_sampling_rate=1.0,
        tracing_mode="langsmith", tracing_error_callback=errors.append, disable_prompt_cache=True,
    )  # fmt: skip
    return LangSmithOutlet(client, tracing.project, errors)
