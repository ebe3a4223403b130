"""What LangSmith's side may do to us: each ends in a verdict of ours, and the sending thread lives on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.traces.langsmith_outlet import langsmith_outlet
from infra.traces.runs import Feedback, Growing, Tree
from infra.traces.sender import Answer
from infra.traces.settings import settings_of
from state.units import NS_PER_S

NOW_NS = 1_792_573_200 * NS_PER_S
HANGS, CUTS = 1, 2


@contextmanager
def other_side(*answers: int) -> Iterator[tuple[str, list[str]]]:
    """Answer posts with these statuses one after the other, then with 202; HANGS never answers, CUTS hangs up."""
    script, heard, over = list(answers), list[str](), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status = script.pop(0) if script else 202
            heard.append(self.path)
            if status == HANGS:
                over.wait(10.0)
            elif status != CUTS:
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def sent(*answers: int, feedback: bool = True) -> tuple[list[Answer], list[str]]:
    """Send a tree, with feedback upon it or without, as often as there are answers; give the verdicts."""
    growing = Growing("tests")
    root = growing.add("decision 1", None, start_ns=NOW_NS, end_ns=NOW_NS, inputs={}, outputs={})
    tree: Tree = growing.tree()
    told = [Feedback(run_id=root.run_id, start_ns=NOW_NS, key="filled", score=1.0)] if feedback else []
    with other_side(*answers) as (endpoint, heard):
        tracing = settings_of({"LANGSMITH_ENDPOINT": endpoint, "LANGSMITH_API_KEY": "lsv2_not_a_key"})
        outlet = langsmith_outlet(tracing, lambda _: None, timeout_ms=(500, 500))
        return [outlet.send([tree], told).answer for _ in range(max(len(answers), 1))], heard


@pytest.mark.parametrize("trouble", [HANGS, CUTS, 429, 500, 503])
def test_what_got_no_answer_is_worth_another_try(trouble: int) -> None:
    assert sent(202, trouble)[0][0] is Answer.AGAIN, "feedback in its own request"


@pytest.mark.parametrize("trouble", [400, 401, 403, 404, 409, 413, 422])
def test_what_was_turned_down_is_not_sent_again(trouble: int) -> None:
    assert sent(202, trouble)[0][0] is Answer.REFUSED


def test_what_was_taken_is_taken() -> None:
    verdicts, heard = sent()
    assert verdicts == [Answer.TAKEN] and heard == ["/runs/multipart"] * 2
