"""The command `chat`: talk about a session or a run; every number in an answer stands in its record."""

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infra.cli.failures import Misuse
from infra.cli.speech import AsJson, answer, note, say
from infra.cli.why import Of, opened

if TYPE_CHECKING:
    from infra.chat.conversation import Answered, Conversation

THREAD: Final = "desk"
PROMPT: Final = "> "


def chat(
    words: Annotated[
        str | None, typer.Option("--ask", metavar="TEXT", help="Ask this alone, and end; without it, talk.")
    ] = None,
    of: Of = None,
    thread: Annotated[str, typer.Option(help="A conversation's name; it is remembered under it.")] = THREAD,
    as_json: AsJson = False,
) -> None:
    """Talk about a session or a run: why a trade fired or not, what a change would have made, what it earned.

    A model answers when UPDOWN_MODEL names one, and a program holds every number and name in its answer against the
    record; without a model, or when it fails, code answers. Nothing can be changed from here. An empty line ends it.
    Threads are remembered in var/chat, or in the PostgreSQL that UPDOWN_CHAT_DSN names.

    Example: updown chat --ask "why was decision 17 allowed?"
    """
    if not thread.strip() or len(thread) > 80:
        raise Misuse("--thread must be a name of 1 to 80 characters")
    if as_json and words is None:
        raise Misuse("--json needs --ask TEXT")
    from infra.chat.conversation import DSN_VARIABLE, FOLDER, Conversation, memory, open_model
    from infra.language_model.settings import NoModel, read_model
    from infra.record.answers import Answers

    told = read_model(os.environ)
    answers = Answers(opened(of))

    async def talk() -> None:
        async with memory(FOLDER, os.environ.get(DSN_VARIABLE, "")) as saver:
            conversation = Conversation(answers, open_model(told), saver)
            if not as_json:
                say(f"About {answers.record.folder}. " + (told.words if isinstance(told, NoModel) else told.model))
            for text in [words] if words is not None else _typed():
                answered = await _turn(conversation, thread, text, quiet=as_json)
                if as_json:
                    _tell(answered)
            _send(conversation)

    asyncio.run(talk())


def _typed() -> Iterator[str]:
    """Give what is typed, a line a turn, until an empty line or the end."""
    while True:
        if sys.stdin.isatty():
            sys.stderr.write(PROMPT)
            sys.stderr.flush()
        line = sys.stdin.readline().strip()
        if not line:
            return
        yield line


async def _turn(conversation: "Conversation", thread: str, text: str, *, quiet: bool) -> "Answered":
    from infra.chat.conversation import Answered, Asks, Words

    async for told in conversation.ask(thread, text):
        if isinstance(told, Answered):
            if not quiet:
                say(f"\n[{told.checked_count} figures and names checked against the record; by {told.by}]")
            return told
        if quiet:
            continue
        if isinstance(told, Asks):
            given = " ".join(f"{name}={value}" for name, value in told.arguments.items())
            say(f"[{told.question} {given}]".replace(" ]", "]"))
        elif isinstance(told, Words):
            sys.stdout.write(told.text)
            sys.stdout.flush()
    raise AssertionError("a turn ends with its answer")


def _tell(answered: "Answered") -> None:
    answer(
        {
            "answer": answered.text,
            "by": answered.by,
            "failed": answered.failed,
            "checked": answered.checked_count,
            "asked": list(answered.asked),
        }
    )


def _send(conversation: "Conversation") -> None:
    """Send the turns' traces, where tracing is asked for."""
    from infra.traces.settings import is_wanted, settings_of

    if not is_wanted(os.environ):
        return
    from infra.traces.tracer import open_sender

    sender = open_sender(settings_of(os.environ), os.environ, note)
    for tree in conversation.trees:
        sender.offer(tree)
    sender.close()
