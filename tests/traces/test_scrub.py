"""No secret, account or order id passes the scrubber, whatever it is called and wherever it lies."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from infra.traces.scrub import HIDDEN, Scrubber, is_telling, scrubber_of

HEX = "0123456789abcdefABCDEF"
addresses = st.text(HEX, min_size=40, max_size=130).map("0x{}".format)
keys = st.text(HEX, min_size=64, max_size=64)
owners = st.uuids().map(str)
told = st.one_of(addresses, keys, owners)
tokens = st.text("abcXYZ019_-", min_size=20, max_size=60).map("sk-{}".format)
words = st.sampled_from(["why", "note", "answer", "says: ", "", "(", "order ", '"', "=", "\n", "é"])
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(["UP", "thin"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip


@given(told, words, words, plain)
def test_what_has_the_shape_of_one_is_taken_out_of_any_place(secret: str, before: str, after: str, rest: Any) -> None:
    value = {"a": rest, "b": [{"c": f"{before}{secret} {after}"}], f"{before} {secret}": 1}
    assert secret not in json.dumps(Scrubber().value(value), ensure_ascii=False)


@given(tokens, st.sampled_from(["", "with ", "key=", '"', "(", "7"]))
def test_a_key_of_a_host_is_taken_out_wherever_a_word_begins(secret: str, before: str) -> None:
    assert secret not in Scrubber().text(f"{before}{secret} and more")
    assert Scrubber().text("a risk-adjusted-return") == "a risk-adjusted-return"


@given(st.text("abcdefghijkmnopqrstuvwxyz", min_size=8, max_size=30), words, words)
def test_a_secret_of_the_environment_is_known_by_heart(secret: str, before: str, after: str) -> None:
    scrubber = scrubber_of({"LANGSMITH_API_KEY": secret, "HOME": "/root"})
    said = scrubber.value({"x": [f"{before}{secret}{after}"]})
    assert secret not in json.dumps(said)
    assert secret not in repr(scrubber)


@given(st.one_of(st.text(min_size=1), st.integers(), st.lists(st.text(min_size=1), min_size=1)))
def test_a_name_that_tells_loses_its_value_whatever_that_is(value: Any) -> None:
    for name in ("private_key", "apiKey", "passphrase", "wallet", "owner", "order_hash", "address", "Authorization"):
        assert Scrubber().value({"in": {name: value}}) == {"in": {name: HIDDEN}}


@given(plain)
def test_what_holds_no_secret_stays_as_it_is(value: Any) -> None:
    assert Scrubber().value(value) == value


def test_what_a_decision_is_made_of_is_kept() -> None:
    kept = {
        "side": "UP",
        "token": "DOWN",
        "token_code": 1,
        "params_hash": "0b394af5dcda90a5",
        "decision": 12,
        "input_tokens": 900,
        "thread_id": "btc-updown-5m-1792573200",
        "maker": True,
        "why": "the key question",
    }
    assert Scrubber().value(kept) == kept


def test_a_receipt_is_told_without_its_secrets() -> None:
    receipt = {
        "model": "gpt", "base_url": "https://me:pass@host/v1", "headers": {"Authorization": "Bearer abc.def"},
        "said": "buy at 0x52908400098527886E0F7030069857D2E4169EE7 with sk-proj_abcdefghijklmnop, not UP",
        "orderHash": "0x12", "orders": [7, 8],
    }  # fmt: skip
    assert Scrubber().value(receipt) == snapshot(
        {
            "model": "gpt",
            "base_url": "https://[scrubbed]@host/v1",
            "headers": {"Authorization": "[scrubbed]"},
            "said": "buy at [scrubbed] with [scrubbed], not UP",
            "orderHash": "[scrubbed]",
            "orders": [7, 8],
        }
    )


def test_which_names_tell() -> None:
    assert is_telling("UPDOWN_PRIVATE_KEY") and is_telling("apiSecret") and is_telling("funderAddress")
    assert not is_telling("why") and not is_telling("params_hash") and not is_telling("key_figure")
