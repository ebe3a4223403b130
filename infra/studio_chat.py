"""The chat as LangGraph Studio, agent-chat-ui and `langgraph dev` open it: about the record of `infra.studio_record`.

Input: `{"messages": [{"role": "user", "content": "why did you last trade?"}]}`. With UPDOWN_MODEL set a model speaks
and the verifier holds it to the record; without one code does. Threads are the server's.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from infra.compile_cache import prepare

prepare(show=True)

from langchain_core.messages import AIMessage, BaseMessage  # noqa: E402  (the compile cache goes first)

from graph.chat import Doors, ModelFailed, build  # noqa: E402
from infra.language_model.client import Unanswered  # noqa: E402
from infra.studio_record import STUDIO_RECORD, studio_model  # noqa: E402

_MODEL = studio_model(os.environ)


async def _answer(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return await asyncio.to_thread(STUDIO_RECORD.answer, name, arguments)


async def _reply(messages: Sequence[BaseMessage], functions: Sequence[dict[str, Any]]) -> AIMessage:
    assert _MODEL is not None, "a graph without a model asks none"
    try:
        said, _ = await _MODEL.reply(messages, functions)
    except Unanswered as why:
        raise ModelFailed(why.words) from None
    return said


chat = build(Doors(answer=_answer, reply=_reply if _MODEL is not None else None)).compile(name="chat")
