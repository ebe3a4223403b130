"""Which model is asked: read from the environment, and a wrong word is one line that never repeats the key."""

import pytest

from infra.language_model.settings import ModelSettings, NoModel, read_model
from infra.settings import SettingsRefused

KEY = "sk-not-a-real-key-0123456789"


def test_without_a_name_or_a_key_there_is_no_model_and_the_reason_says_how_to_name_one() -> None:
    assert read_model({}) == NoModel(
        "no model is set: UPDOWN_MODEL names one, UPDOWN_MODEL_KEY or OPENAI_API_KEY its key, UPDOWN_MODEL_BASE_URL "
        "another server"
    )
    nothing = read_model({"UPDOWN_MODEL": "gpt-x"})
    assert isinstance(nothing, NoModel) and "no key for gpt-x" in nothing.words


def test_a_server_on_this_machine_needs_no_key() -> None:
    told = read_model({"UPDOWN_MODEL": "qwen", "UPDOWN_MODEL_BASE_URL": "http://127.0.0.1:8000/v1"})
    assert isinstance(told, ModelSettings) and told.key.reveal() == "none"


def test_the_key_is_shown_nowhere() -> None:
    told = read_model({"UPDOWN_MODEL": "gpt-x", "OPENAI_API_KEY": KEY, "UPDOWN_MODEL_USD_PER_DAY": "1.5"})
    assert isinstance(told, ModelSettings) and told.usd_per_day == 1.5
    assert KEY not in repr(told) and KEY not in str(told.key)


@pytest.mark.parametrize(
    ("variable", "said", "part"),
    [
        ("UPDOWN_MODEL_BASE_URL", "localhost:8000", "must be an address"),
        ("UPDOWN_MODEL_BASE_URL", "http://example.com/v1", "use https"),
        ("UPDOWN_MODEL_BASE_URL", f"https://me:{KEY}@example.com/v1", "the key belongs into"),
        ("UPDOWN_MODEL_TIMEOUT_S", "soon", "a number from 1 to 600"),
        ("UPDOWN_MODEL_TIMEOUT_S", "nan", "a number from 1 to 600"),
        ("UPDOWN_MODEL_RETRIES", "1.5", "a whole number from 0 to 5"),
        ("UPDOWN_MODEL_USD_PER_DAY", "-1", "a number from 0"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(variable: str, said: str, part: str) -> None:
    with pytest.raises(SettingsRefused, match=part) as refused:
        read_model({"UPDOWN_MODEL": "gpt-x", "OPENAI_API_KEY": KEY, variable: said})
    assert KEY not in str(refused.value) and "\n" not in str(refused.value)
