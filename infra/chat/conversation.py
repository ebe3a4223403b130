"""A conversation with a record: turns of the chat graph, told as they happen, and remembered by thread.

The record is asked in a thread of its own, one question at a time, so that a growing session can be talked about while
the loop goes on. What is told of a turn is what was asked, then the answer in pieces, all of them verified before the
first one is sent, and at last the whole of it with who spoke.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.clock import now_ns
from infra.language_model.budget import Budget
from infra.language_model.client import LanguageModel, Unanswered
from infra.language_model.settings import ModelSettings, NoModel
from infra.record.answers import Answers
from infra.traces.aside import Step, aside_tree
from infra.traces.runs import Tree

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, BaseMessage
    from langgraph.checkpoint.base import BaseCheckpointSaver

Plain = dict[str, Any]

FOLDER: Final = Path("var/chat")
MEMORY: Final = "threads.sqlite"
DSN_VARIABLE: Final = "UPDOWN_CHAT_DSN"
"""Address of a PostgreSQL that remembers threads for several machines, without a password."""
SCHEMA: Final = "updown_chat"
"""The namespace of the tables there."""
BUDGET: Final = Path("var/model")
"""Where the day's budget is kept: the supervisor's and the chat's together."""
PIECE_WORDS: Final = 6
STEPS_MOST: Final = 40


@dataclass(frozen=True, slots=True)
class Asks:
    """The record is being asked."""

    question: str
    arguments: Plain


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of the answer; verified already."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The whole answer, and how it came about."""

    text: str
    by: str
    """model, or code."""
    failed: str
    """Why code spoke in the model's place; empty when it did not, or when there is no model."""
    checked_count: int
    """Figures and names that were held against the record."""
    asked: tuple[Plain, ...]


Said = Asks | Words | Answered


def open_model(told: ModelSettings | NoModel, folder: Path | None = BUDGET) -> LanguageModel | None:
    """Give the model that the settings name, behind the day's budget; None where they name none."""
    if isinstance(told, NoModel):
        return None
    return LanguageModel(told, Budget(folder, told.usd_per_day, told.tokens_per_day, now_ns))


def memory(folder: Path, dsn: str = "") -> "AbstractAsyncContextManager[BaseCheckpointSaver[str]]":
    """Open the memory of all threads: this machine's, for its user alone, or a database's, for all who share it.

    Args:
        folder: Of this machine's memory.
        dsn: Address of a PostgreSQL, without a password; empty: the memory is this machine's.

    Raises:
        StoreAway, StoreRefused: the database cannot be used.
    """
    if dsn:
        return _memory_in(dsn)
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / MEMORY).touch(mode=0o600)
    return AsyncSqliteSaver.from_conn_string(str(folder / MEMORY))


@asynccontextmanager
async def _memory_in(dsn: str) -> "AsyncIterator[BaseCheckpointSaver[str]]":
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg.conninfo import make_conninfo

    from infra.store import database

    with database.told(database.place_of(dsn)):
        link = await asyncio.to_thread(database.connect, dsn)
        link.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        link.close()
        ours = make_conninfo(dsn, options=f"-c search_path={SCHEMA}")
        async with AsyncPostgresSaver.from_conn_string(ours) as saver:
            await saver.setup()
            yield saver


@dataclass(slots=True)
class Conversation:
    """Threads of talk about one record."""

    answers: Answers
    model: LanguageModel | None = None
    saver: "BaseCheckpointSaver[str] | None" = None
    """Remembers threads; None forgets each turn."""
    trees: list[Tree] = field(default_factory=list)
    """Traces of the turns, for whoever sends them."""
    _steps: list[Step] = field(default_factory=list)
    _graph: Any = None
    _turns_count: int = 0
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(self, thread: str, text: str) -> AsyncIterator[Said]:
        """Take a user's words and tell what becomes of them; the last that is told is the whole answer."""
        async with self._one_at_a_time:
            began_ns, self._steps = now_ns(), []
            config: Any = {"configurable": {"thread_id": thread}, "recursion_limit": STEPS_MOST, "callbacks": []}
            said: Any = {"messages": [{"role": "user", "content": text}]}
            final: Any = None
            kept: Any = {"durability": "exit"} if self.saver is not None else {}
            async for mode, told in self._compiled().astream(said, config, stream_mode=["custom", "values"], **kept):
                if mode == "custom":
                    yield Asks(str(told["asks"]), dict(told["arguments"]))
                else:
                    final = told
            answered = answered_of(final["messages"][-1])
            self._trace(thread, text, answered, began_ns)
        for piece in _pieces(answered.text):
            yield Words(piece)
        yield answered

    async def reply(self, thread: str, text: str) -> Answered:
        """Take a user's words and give the whole answer."""
        async for told in self.ask(thread, text):
            if isinstance(told, Answered):
                return told
        raise AssertionError("a turn ends with its answer")

    def _compiled(self) -> Any:
        if self._graph is None:
            from graph.chat import Doors, build

            doors = Doors(answer=self._answer, reply=self._reply if self.model is not None else None)
            self._graph = build(doors).compile(checkpointer=self.saver, name="chat")
        return self._graph

    async def _answer(self, name: str, arguments: Plain) -> Plain:
        began_ns = now_ns()
        result = await asyncio.to_thread(self.answers.answer, name, arguments)
        self._steps.append(
            Step(name=name, start_ns=began_ns, end_ns=now_ns(), inputs=arguments, outputs=result, run_type="tool")
        )
        return result

    async def _reply(self, messages: "Sequence[BaseMessage]", functions: Sequence[Plain]) -> "AIMessage":
        from graph.chat import ModelFailed

        assert self.model is not None, "a graph without a model asks none"
        began_ns = now_ns()
        try:
            said, usage = await self.model.reply(messages, functions)
        except Unanswered as why:
            self._steps.append(
                Step(name="model", start_ns=began_ns, end_ns=now_ns(), run_type="llm", error=why.words)
            )  # fmt: skip
            raise ModelFailed(why.words) from None
        told = {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "usd": usage.usd, "model": usage.model}
        hashes = {"prompt_sha256": usage.prompt_sha256, "answer_sha256": usage.answer_sha256}
        self._steps.append(
            Step(name="model", start_ns=began_ns, end_ns=now_ns(), inputs=hashes, outputs=told, run_type="llm")
        )
        return said

    def _trace(self, thread: str, text: str, answered: Answered, began_ns: int) -> None:
        self._turns_count += 1
        whole = Step(
            name="chat turn", start_ns=began_ns, end_ns=now_ns(), inputs={"said": text},
            outputs={"answer": answered.text, "by": answered.by, "checked": answered.checked_count},
            error=answered.failed,
        )  # fmt: skip
        tags = (f"by:{answered.by}", f"mode:{self.answers.record.mode}")
        self.trees.append(aside_tree("chat turn", thread, began_ns, whole, self._steps, tags=tags))
        del self.trees[:-STEPS_MOST]


def answered_of(message: "AIMessage") -> Answered:
    """Read the graph's last message."""
    spoken = message.additional_kwargs["spoken"]
    return Answered(
        text=str(message.content), by=spoken["by"], failed=spoken["failed"],
        checked_count=int(spoken.get("checked", 0)), asked=tuple(message.additional_kwargs["asked"]),
    )  # fmt: skip


def _pieces(text: str) -> list[str]:
    """Cut an answer into pieces of some words, as it is read; together they are the answer."""
    words = text.split(" ")
    starts = range(0, len(words), PIECE_WORDS)
    return [(" " if at else "") + " ".join(words[at : at + PIECE_WORDS]) for at in starts]
