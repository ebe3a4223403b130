"""The server: OpenAI's chat completions over HTTP on 127.0.0.1, whole or as server-sent events, by a script.

It speaks as much of the protocol as OpenAI's own client and LangChain read. It counts tokens by a rule of thumb, keeps
what it was asked, and knows nothing: whatever it says stands in its script.
"""

import asyncio
import json
from types import TracebackType
from typing import Any, Final

from aiohttp import web

from infra.model_next_door.script import HTTP, Asked, Fault, Say, Script

HOST: Final = "127.0.0.1"
HUGE_CHARS: Final = 3_000_000
TRICKLE_S: Final = 0.05
WORDS_AT_ONCE: Final = 4
CREATED_S: Final = 1_790_000_000
"""Answers carry one date for all, so that the same script says the same bytes."""


class ModelNextDoor:
    """A server for as long as its block lasts; `base_url` is what a client is given."""

    def __init__(self, script: Script) -> None:
        """Take the script; it may be exchanged while the server runs."""
        self.script = script
        self.asked: list[Asked] = []
        """Bodies of all requests, in order."""
        self.keys: list[str] = []
        """Authorization headers of all requests."""
        self.base_url = ""
        self._runner: web.AppRunner | None = None
        self._over = asyncio.Event()

    async def __aenter__(self) -> "ModelNextDoor":
        """Begin to serve on a free port."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._completions)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://{HOST}:{port}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; whoever still waits is cut."""
        self._over.set()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "next-door", "object": "model"}]})

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        asked: Asked = await request.json()
        self.asked.append(asked)
        self.keys.append(request.headers.get("Authorization", ""))
        say = self.script(asked)
        if say.fault is Fault.CUTS:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if say.fault is Fault.SLOW:
            await self._wait(say.after_s)
        if say.fault in HTTP:
            status, code = HTTP[say.fault]
            told = {"message": say.text or "no", "type": code, "param": None, "code": code}
            return web.json_response({"error": told}, status=status)
        if say.fault in (Fault.HANGS, Fault.TRICKLES):
            return await self._never_end(request, say, asked)
        if asked.get("stream"):
            return await self._stream(request, say, asked)
        if say.fault is Fault.NOT_JSON:
            return web.Response(text=say.text or "<html>busy</html>", content_type="application/json")
        return web.json_response(_odd(completion(say, asked), say))

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return

    async def _never_end(self, request: web.Request, say: Say, asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        whole = json.dumps(completion(say, asked)).encode()
        await response.write(whole[: len(whole) // 2] if say.fault is Fault.HANGS else b" ")
        while not self._over.is_set():
            await self._wait(TRICKLE_S)
            if say.fault is Fault.TRICKLES:
                try:
                    await response.write(b" ")
                except ConnectionResetError:  # whoever asked has gone
                    break
        return response

    async def _stream(self, request: web.Request, say: Say, asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for delta, ended in _deltas(say):
            chunk = _head("chat.completion.chunk", asked) | {
                "choices": [{"index": 0, "delta": delta, "finish_reason": ended, "logprobs": None}]
            }
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def completion(say: Say, asked: Asked) -> dict[str, Any]:
    """Give a whole answer in the protocol's shape."""
    text = "x" * HUGE_CHARS if say.fault is Fault.HUGE else "" if say.fault is Fault.EMPTY else say.text
    refused = say.fault is Fault.REFUSAL
    message: dict[str, Any] = {
        "role": "assistant", "content": None if refused or say.calls else text,
        "refusal": (say.text or "I will not") if refused else None,
    }  # fmt: skip
    if say.calls:
        message["tool_calls"] = _calls(say)
    sent, came = len(json.dumps(asked.get("messages", []))) // 4, len(text) // 4 + 1
    return _head("chat.completion", asked) | {
        "choices": [{"index": 0, "message": message, "finish_reason": _ended(say), "logprobs": None}],
        "usage": {"prompt_tokens": sent, "completion_tokens": came, "total_tokens": sent + came},
    }


def _head(kind: str, asked: Asked) -> dict[str, Any]:
    return {"id": "chatcmpl-next-door", "object": kind, "created": CREATED_S, "model": asked.get("model", "?")}


def _ended(say: Say) -> str:
    if say.fault is Fault.CUT_OFF:
        return "length"
    if say.fault is Fault.FILTERED:
        return "content_filter"
    return "tool_calls" if say.calls else "stop"


def _calls(say: Say) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": "{not json" if say.fault is Fault.BAD_CALL else json.dumps(dict(call.arguments)),
            },
        }
        for number, call in enumerate(say.calls, 1)
    ]


def _odd(told: dict[str, Any], say: Say) -> Any:
    """Make an answer that is JSON and yet no answer."""
    if say.fault is Fault.NULL:
        return None
    if say.fault is Fault.NO_CHOICES:
        return told | {"choices": []}
    if say.fault is Fault.WRONG_TYPES:
        return told | {"choices": [{"index": "none", "message": "yes", "finish_reason": 7}]}
    return told


def _deltas(say: Say) -> list[tuple[dict[str, Any], str | None]]:
    out: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    if say.calls:
        calls = [call | {"index": at} for at, call in enumerate(_calls(say))]
        return [*out, ({"tool_calls": calls}, None), ({}, _ended(say))]
    words = say.text.split(" ")
    parts = [" ".join(words[at : at + WORDS_AT_ONCE]) for at in range(0, len(words), WORDS_AT_ONCE)]
    out += [({"content": (" " if at else "") + part}, None) for at, part in enumerate(parts)]
    return [*out, ({}, _ended(say))]
