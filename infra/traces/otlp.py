"""OpenTelemetry as an outlet: the same trees as spans, for any collector that speaks OTLP over HTTP.

Trace and span ids are parts of the runs' ids. OpenTelemetry has no feedback: what became of a decision is a span of
its own below the root, named `feedback`, with the key, the score and the word as attributes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.traces.langsmith_outlet import hush
from infra.traces.runs import Feedback, Run, Tree
from infra.traces.sender import Answer, Told
from infra.traces.settings import Tracing

TIMEOUT_S: Final = 5.0
SERVICE: Final = "updown"
LONGEST: Final = 16_000
"""Characters of one attribute."""


@dataclass(slots=True)
class OtlpOutlet:
    """Sends run trees as spans."""

    exporter: Any
    resource: Any
    project: str

    def send(self, trees: Sequence[Tree], feedback: Sequence[Feedback]) -> Told:
        """Send them; the exporter tries once and a little longer, within its time-out."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        spans = [self._span(run) for tree in trees for run in tree] + [self._told(each) for each in feedback]
        if self.exporter.export(spans) is SpanExportResult.SUCCESS:
            return Told(Answer.TAKEN)
        return Told(Answer.AGAIN, "the OTLP collector did not take the spans")

    def _span(self, run: Run) -> Any:
        from opentelemetry.trace import Status, StatusCode

        attributes = {
            "langsmith.trace.name": run.name, "langsmith.span.kind": run.run_type,
            "langsmith.trace.session_name": self.project, "langsmith.span.tags": ", ".join(run.tags),
            "gen_ai.prompt": _short(run.inputs), "gen_ai.completion": _short(run.outputs),
            "updown.run_id": str(run.run_id), "updown.dotted_order": run.dotted_order,
            **{f"langsmith.metadata.{key}": _attribute(value) for key, value in run.metadata.items()},
        }  # fmt: skip
        parent = _context(run.trace_id, run.parent_id) if run.parent_id is not None else None
        status = Status(StatusCode.ERROR, run.error) if run.error else Status(StatusCode.OK)
        return self._readable(
            run.name, _context(run.trace_id, run.run_id), parent, attributes, run.start_ns, run.end_ns, status
        )

    def _told(self, feedback: Feedback) -> Any:
        from opentelemetry.trace import Status, StatusCode

        attributes: dict[str, Any] = {"feedback.key": feedback.key, "updown.run_id": str(feedback.run_id)}
        for name in ("score", "value", "comment"):
            if (value := getattr(feedback, name)) not in (None, ""):
                attributes[f"feedback.{name}"] = value
        at_ns = max(feedback.at_ns, feedback.start_ns)
        return self._readable(
            "feedback", _context(feedback.run_id, feedback.feedback_id), _context(feedback.run_id, feedback.run_id),
            attributes, at_ns, at_ns, Status(StatusCode.OK),
        )  # fmt: skip

    def _readable(
        self, name: str, context: Any, parent: Any, attributes: Mapping[str, Any], start_ns: int, end_ns: int,
        status: Any,
    ) -> Any:  # fmt: skip
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        return ReadableSpan(
            name=name, context=context, parent=parent, resource=self.resource, attributes=attributes, status=status,
            start_time=start_ns, end_time=end_ns, instrumentation_scope=InstrumentationScope(SERVICE),
        )  # fmt: skip


def _context(trace_id: Any, span_id: Any) -> Any:
    """Give a span's place: a trace's id is 128 bits of its root's, a span's the last 64 of its own."""
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(trace_id.int, span_id.int & (2**64 - 1), is_remote=False, trace_flags=TraceFlags(1))


def _short(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)[:LONGEST]


def _attribute(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, ensure_ascii=False)[:LONGEST]


def otlp_outlet(tracing: Tracing, say: Callable[[str], None]) -> OtlpOutlet:
    """Open the exporter of OpenTelemetry for the address that the settings name."""
    hush(say, "opentelemetry", "urllib3")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource

    headers = {name: secret.reveal() for name, secret in tracing.otlp_headers.items()}
    exporter = OTLPSpanExporter(endpoint=tracing.otlp, headers=headers, timeout=TIMEOUT_S)
    return OtlpOutlet(exporter, Resource.create({"service.name": SERVICE}), tracing.project)
