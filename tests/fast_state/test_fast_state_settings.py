"""Where the shared fast state is: the environment's word, refused in one line where it is nonsense."""

import pytest
from inline_snapshot import snapshot

from infra.fast_state.settings import RedisPlace, place_of, redis_from
from infra.settings import SettingsRefused


def test_without_a_word_the_fast_state_is_the_process_s_own() -> None:
    assert redis_from({}) is None
    assert redis_from({"UPDOWN_REDIS_URL": " ", "UPDOWN_REDIS_SHARE": "nonsense"}) is None


def test_an_address_with_all_its_parts_and_the_password_never_shown() -> None:
    place = redis_from({"UPDOWN_REDIS_URL": "rediss://desk:pa%40ss@redis.example:7000/3", "UPDOWN_REDIS_SHARE": "0.25"})
    assert place is not None
    assert place.password is not None and place.password.reveal() == "pa@ss"
    assert (place.words, place.share, place.is_encrypted) == ("redis at redis.example:7000", 0.25, True)
    assert "pa@ss" not in repr(place) and "pa%40ss" not in repr(place)
    assert place_of("redis://127.0.0.1") == RedisPlace(host="127.0.0.1")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:6379", "http://127.0.0.1", "redis://", "redis://:hush@x:port", "redis://:hush@x/books"]
)
def test_nonsense_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        redis_from({"UPDOWN_REDIS_URL": url})
    assert str(refused.value) == snapshot(
        "UPDOWN_REDIS_URL is no address of a Redis server: write redis://127.0.0.1:6379/0"
    )


@pytest.mark.parametrize("share", ["half", "0", "-1", "1.5", "nan"])
def test_a_share_is_a_part(share: str) -> None:
    with pytest.raises(SettingsRefused, match="above 0 and at most 1"):
        redis_from({"UPDOWN_REDIS_URL": "redis://127.0.0.1", "UPDOWN_REDIS_SHARE": share})
