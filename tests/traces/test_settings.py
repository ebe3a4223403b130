"""Tracing is off until it is asked for, goes where the usual variables say, and shows no key."""

import pytest

from infra.traces.settings import Protocol, TracingRefused, settings_of, tracing_from

ON = {"LANGSMITH_TRACING": "true"}
HERE = {"LANGSMITH_ENDPOINT": "http://127.0.0.1:1984/"}


def test_without_a_word_it_is_off_whatever_key_lies_about() -> None:
    assert tracing_from({"LANGSMITH_API_KEY": "k", **HERE}) is None
    assert tracing_from({"LANGSMITH_TRACING": "false", **HERE}) is None


def test_an_endpoint_on_this_machine_needs_no_key_and_the_hosted_one_does() -> None:
    told = tracing_from(ON | HERE)
    assert told is not None and (told.endpoint, told.key) == ("http://127.0.0.1:1984", None)
    with pytest.raises(TracingRefused, match="updown traces sink"):
        tracing_from(ON)


@pytest.mark.parametrize(
    ("said", "protocol", "otlp"),
    [
        ({"LANGSMITH_TRACING_MODE": "otel", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, "otel",
         "http://localhost:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/x"}, "otel", "https://c/x"),
        ({"LANGSMITH_TRACING_MODE": "hybrid", **HERE}, "hybrid", "http://127.0.0.1:1984/otel/v1/traces"),
        ({"LANGSMITH_OTEL_ENABLED": "true", **HERE}, "hybrid", "http://127.0.0.1:1984/otel/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", **HERE}, "langsmith", ""),
    ],
)  # fmt: skip
def test_the_usual_variables_choose_the_protocol(said: dict[str, str], protocol: str, otlp: str) -> None:
    told = settings_of(ON | said)
    assert (told.protocol, told.otlp) == (Protocol(protocol), otlp)


@pytest.mark.parametrize(
    "said",
    [
        {"LANGSMITH_ENDPOINT": "ftp://x"}, {"LANGSMITH_ENDPOINT": "http://elsewhere.example"},
        {"LANGSMITH_TRACING_MODE": "carrier pigeon", **HERE}, {"LANGSMITH_TRACING_SAMPLING_RATE": "2", **HERE},
        {"LANGSMITH_TRACING_QUEUE_MAX_SIZE": "nan", **HERE},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_the_name_of_its_variable(said: dict[str, str]) -> None:
    with pytest.raises(TracingRefused, match="LANGSMITH_"):
        settings_of(ON | said)


def test_no_key_is_shown() -> None:
    told = settings_of(ON | HERE | {"LANGSMITH_API_KEY": "lsv2_hush", "OTEL_EXPORTER_OTLP_HEADERS": "a=hush",
                                    "LANGSMITH_TRACING_MODE": "hybrid"})  # fmt: skip
    assert "hush" not in repr(told) and "hush" not in told.words
