"""A sink: a server on this machine that takes traces as LangSmith does, and keeps them as lines of JSON.

It speaks what LangSmith's client sends (`/info`, `/runs/multipart` plain or packed with zstd, `/runs/batch`, `/runs`,
`/feedback`, `/sessions`) and OTLP (`/v1/traces`), so traces can be collected and looked at with no account and no
network. It keeps what it is given and judges nothing; what it cannot read is refused with its reason, and counted.
"""

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO
from uuid import UUID

import zstandard
from aiohttp import web

from infra.clock import now_ns
from infra.traces.kept import FILE, PARTS
from infra.traces.runs import moment, run_id

PORT: Final = 1984
"""Where LangSmith's own local server listens."""
HOST: Final = "127.0.0.1"
LARGEST_BYTES: Final = 64 * 2**20
"""Of one request, unpacked."""
ZSTD: Final = b"\x28\xb5\x2f\xfd"
GZIP: Final = b"\x1f\x8b"
GZIP_BITS: Final = 31
"""What tells zlib that a gzip head comes first."""
INFO: Final = {
    "version": "0.12.0",
    "license_expiration_time": None,
    "batch_ingest_config": {
        "scale_up_qsize_trigger": 1000, "scale_up_nthreads_limit": 16, "scale_down_nempty_trigger": 4,
        "size_limit": 100, "size_limit_bytes": 20_971_520, "use_multipart_endpoint": True,
    },
    "instance_flags": {"zstd_compression_enabled": True, "gzip_body_enabled": True},
}  # fmt: skip


class Unreadable(Exception):
    """A request is not what it says it is."""


@dataclass(slots=True)
class Sink:
    """Keeps what it is sent."""

    folder: Path
    counts: dict[str, int] = field(default_factory=dict)
    _file: TextIO | None = None

    def open(self) -> None:
        """Open the file, for the owner alone; goes on where one lies there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / FILE
        path.touch(mode=0o600)
        self._file = path.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def keep(self, kind: str, told: dict[str, Any]) -> None:
        """Write one thing down."""
        assert self._file is not None, "the sink is open"
        line = {"kind": kind, "got_ns": now_ns(), "told": told}
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def app(self) -> web.Application:
        """Give the server."""
        app = web.Application(client_max_size=LARGEST_BYTES, middlewares=[_refusing, self._written])
        app.add_routes(
            [
                web.get("/", self._about),
                web.get("/info", _info),
                web.post("/runs/multipart", self._multipart),
                web.post("/runs/batch", self._batch),
                web.post("/runs", self._post),
                web.patch("/runs/{run}", self._patch),
                web.post("/feedback", self._feedback),
                web.get("/sessions", _sessions),
                web.post("/v1/traces", self._spans),
                web.post("/otel/v1/traces", self._spans),
            ]
        )
        return app

    @web.middleware
    async def _written(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Answer when all of the request stands in the file."""
        answer: web.StreamResponse = await handler(request)
        assert self._file is not None, "the sink is open"
        self._file.flush()
        return answer

    async def _about(self, _: web.Request) -> web.Response:
        return web.json_response({"what": "updown traces sink", "kept": self.counts, "file": str(self.folder / FILE)})

    async def _multipart(self, request: web.Request) -> web.Response:
        body = await _body(request)
        for kind, told in runs_of(body, request.headers.get("Content-Type", "")):
            self.keep(kind, told)
        return web.json_response({"message": "Runs batch ingested"}, status=202)

    async def _batch(self, request: web.Request) -> web.Response:
        told = _object(await _body(request))
        for kind in ("post", "patch"):
            for run in told.get(kind) or ():
                self.keep(kind, run)
        return web.json_response({"message": "Runs batch ingested"}, status=202)

    async def _post(self, request: web.Request) -> web.Response:
        self.keep("post", _object(await _body(request)))
        return web.json_response({"message": "Run created"}, status=202)

    async def _patch(self, request: web.Request) -> web.Response:
        self.keep("patch", {**_object(await _body(request)), "id": request.match_info["run"]})
        return web.json_response({"message": "Run updated"}, status=202)

    async def _feedback(self, request: web.Request) -> web.Response:
        told = _object(await _body(request))
        self.keep("feedback", told)
        return web.json_response(told)

    async def _spans(self, request: web.Request) -> web.Response:
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp

        asked = otlp.ExportTraceServiceRequest()
        try:
            asked.ParseFromString(await _body(request))
        except DecodeError as error:
            raise Unreadable(f"no OTLP spans: {error}") from None
        for resource in asked.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.keep("span", _span(span))
        answer = otlp.ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


@web.middleware
async def _refusing(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except Unreadable as error:
        return web.json_response({"detail": str(error)}, status=422)
    return answer


async def _info(_: web.Request) -> web.Response:
    return web.json_response(INFO)


async def _sessions(request: web.Request) -> web.Response:
    """Give the project of that name; every name is one here."""
    name = request.query.get("name", "default")
    number = run_id("sink", name, 0)
    began = moment(0).isoformat()
    told = {"id": str(number), "name": name, "tenant_id": str(UUID(int=0)), "start_time": began}
    return web.json_response([{**told, "reference_dataset_id": None}])


async def _body(request: web.Request) -> bytes:
    """Give a request's bytes, unpacked if they are packed; never more than a stated size."""
    body = await request.read()
    try:
        if body[:4] == ZSTD:
            with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as packed:
                body = packed.read(LARGEST_BYTES + 1)
        elif body[:2] == GZIP:
            body = zlib.decompressobj(GZIP_BITS).decompress(body, LARGEST_BYTES + 1)
    except (zstandard.ZstdError, zlib.error) as error:
        raise Unreadable(f"neither zstd nor gzip: {error}") from None
    if len(body) > LARGEST_BYTES:
        raise Unreadable(f"more than {LARGEST_BYTES} bytes unpacked")
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError as error:
        raise Unreadable(f"no JSON: {error}") from None
    if not isinstance(told, dict):
        raise Unreadable("no JSON object")
    return told


def runs_of(body: bytes, content_type: str) -> list[tuple[str, dict[str, Any]]]:
    """Read a multipart request: each run's own part, with its inputs, outputs and the rest from parts of their own.

    Raises:
        Unreadable: it is no multipart request of runs and feedback.
    """
    _, _, boundary = content_type.partition("boundary=")
    if not boundary:
        raise Unreadable("a multipart request without a boundary")
    mark = b"\r\n--" + boundary.split(";")[0].strip('" ').encode()
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for piece in (b"\r\n" + body).split(mark)[1:]:
        if piece.startswith(b"--"):
            break
        head, empty, content = piece.strip(b"\r\n").partition(b"\r\n\r\n")
        if not empty:
            raise Unreadable("a part without a head")
        kind, _, rest = _name_of(head).partition(".")
        number, _, part = rest.partition(".")
        if kind not in ("post", "patch", "feedback", "attachment"):
            raise Unreadable(f"a part named {kind!r}")
        if kind == "attachment":
            continue
        told = found.setdefault((kind, number), {"id": number})
        value = _value(content)
        if part in PARTS:
            told[part] = value
        elif isinstance(value, dict):
            told.update(value)
    return [(kind, told) for (kind, _), told in found.items()]


def _name_of(head: bytes) -> str:
    for line in head.decode("latin-1").split("\r\n"):
        if line.lower().startswith("content-disposition"):
            _, _, name = line.partition('name="')
            return name.partition('"')[0]
    raise Unreadable("a part without a name")


def _value(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise Unreadable(f"a part that is no JSON: {error}") from None


def _span(span: Any) -> dict[str, Any]:
    """Give a span as JSON."""
    attributes = {each.key: _any_value(each.value) for each in span.attributes}
    return {
        "trace_id": span.trace_id.hex(), "span_id": span.span_id.hex(), "parent_span_id": span.parent_span_id.hex(),
        "name": span.name, "start_ns": span.start_time_unix_nano, "end_ns": span.end_time_unix_nano,
        "status": span.status.code, "attributes": attributes,
    }  # fmt: skip


def _any_value(value: Any) -> Any:
    which = value.WhichOneof("value")
    return getattr(value, which) if which in ("string_value", "int_value", "double_value", "bool_value") else str(value)
