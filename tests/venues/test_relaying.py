"""Relaying: sets are made, merged and redeemed through the relayer next door, and what became of each is known."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polymarket._internal.actions.relayer import calls as official
from polymarket._internal.actions.relayer.signing.deposit_wallet import build_deposit_wallet_typed_data
from polymarket.types import EvmAddress
from relayer_stage import lived, stage

from infra.venues.credentials import throwaway_key
from infra.venues.relaying import DEADLINE_S, Fate, WalletRelayer, relayer_of
from infra.venues.rest import Reply
from infra.venues.signing import LocalKey, SignatureType
from infra.venues.wallet_calls import (
    ADAPTER,
    COLLATERAL,
    ROUTER,
    Pair,
    WalletCall,
    batch_digest,
    merge_call,
    redeem_call,
    split_call,
)
from state.events import Token
from state.units import MICROS, NS_PER_S

OLD = Pair("0x" + "ab" * 32)
NEW = Pair("0x01" + "cd" * 15 + "00" * 15, routed=True)


@lived
async def test_a_set_is_made_of_a_dollar_and_turned_back_into_it() -> None:
    async with stage() as on:
        made = await on.relayer.split(on.pair, 7 * MICROS)
        assert (made.fate, on.holding()) == (Fate.CONFIRMED, (-7.0, 7.0, 7.0))
        assert made.transaction_hash.startswith("0x")
        back = await on.relayer.merge(on.pair, 5 * MICROS)
        assert (back.fate, on.holding()) == (Fate.CONFIRMED, (-2.0, 2.0, 2.0))


@lived
async def test_winners_are_paid_once_however_often_it_is_asked() -> None:
    async with stage(200) as on:
        assert (await on.relayer.split(on.pair, 3 * MICROS)).fate is Fate.CONFIRMED
        await on.desk.until_true(lambda: on.venue.window.outcome is not None, "the outcome")
        for _ in range(2):
            assert (await on.relayer.redeem(on.pair, Token.UP, 3 * MICROS)).fate is Fate.CONFIRMED
        assert on.holding() == (0.0, 0.0, 0.0)


@lived
async def test_what_the_chain_undoes_is_told_as_failed() -> None:
    async with stage() as on:
        told = await on.relayer.merge(on.pair, MICROS)
        assert told.fate is Fate.FAILED and "reverted" in told.why
        early = await on.relayer.redeem(on.pair, Token.UP, MICROS)
        assert early.fate is Fate.FAILED
        assert on.holding() == (0.0, 0.0, 0.0)


@lived
async def test_a_lost_answer_is_not_an_undone_deed() -> None:
    """The relayer took it and we did not hear: the wallet's nonce says that it has acted, so nothing is sent again."""
    async with stage() as on:
        on.line.lose_answers = 1
        told = await on.relayer.split(on.pair, 4 * MICROS)
        assert told.fate is Fate.UNKNOWN and "acted since" in told.why
        assert (on.holding(), on.line.submits) == ((-4.0, 4.0, 4.0), 1)


@pytest.mark.rehearsal
@lived
async def test_a_lost_submission_is_known_to_be_undone_once_its_deadline_has_passed() -> None:
    async with stage(-500, speed=120.0) as on:
        on.line.lose_submits = 1
        told = await on.relayer.split(on.pair, 4 * MICROS)
        assert told.fate is Fate.REFUSED and "did nothing" in told.why
        assert (await on.relayer.split(on.pair, 4 * MICROS)).fate is Fate.CONFIRMED


@pytest.mark.rehearsal
@lived
async def test_a_batch_that_was_taken_and_never_done_is_refused_only_when_it_can_not_be_done_any_more() -> None:
    """The relayer says that it has it, and nothing comes of it: patience ends long before the batch's own deadline."""
    async with stage(-500, speed=120.0) as on:
        on.line.swallows, on.line.tells_no_state = 1, True
        began_ns = on.venue.clock.now_ns()
        told = await on.relayer.split(on.pair, 4 * MICROS)
        assert told.fate is Fate.REFUSED and "did nothing" in told.why
        assert on.venue.clock.now_ns() - began_ns > DEADLINE_S * NS_PER_S


@pytest.mark.rehearsal
@lived
async def test_a_batch_of_which_nothing_is_told_was_done_all_the_same() -> None:
    async with stage(-500, speed=120.0) as on:
        on.line.tells_no_state = True
        told = await on.relayer.split(on.pair, 4 * MICROS)
        assert told.fate is Fate.UNKNOWN and "acted since" in told.why
        assert on.holding() == (-4.0, 4.0, 4.0)


@lived
async def test_a_key_that_is_told_in_another_shape_is_repeated_nowhere() -> None:
    async with stage() as on:
        call = on.desk.rest.call

        async def bent(method: str, path: str, **named: Any) -> Reply:
            reply = await call(method, path, **named)
            return (
                replace(reply, status=201, raw=b'{"apiKey": "k", "hush": "a secret"}') if "builder" in path else reply
            )

        on.desk.rest.call = bent  # type: ignore[method-assign]
        told = await on.relayer.split(on.pair, MICROS)
        assert (told.fate, told.why) == (Fate.REFUSED, "no builder key: 201 an answer that cannot be read")
        on.desk.rest.call = call  # type: ignore[method-assign]
        assert (await on.relayer.split(on.pair, MICROS)).fate is Fate.CONFIRMED
        assert on.relayer._key is not None
        secrets = on.relayer._key.secret.reveal(), on.relayer._key.passphrase.reveal()
        assert not any(each in repr(vars(on.relayer)) for each in secrets)


@lived
async def test_a_busy_wallet_and_a_full_queue_are_waited_for_and_a_plain_no_is_not() -> None:
    async with stage() as on:
        on.line.refusals = [(400, "wallet busy: active action"), (429, "too many"), (400, "batch nonce 9 does not")]
        assert (await on.relayer.split(on.pair, MICROS)).fate is Fate.CONFIRMED
        on.line.refusals = [(400, "simulation failed: paused")]
        told = await on.relayer.split(on.pair, MICROS)
        assert (told.fate, told.why) == (Fate.REFUSED, "400 simulation failed: paused")
        assert on.line.submits == 1


@lived
async def test_nobody_there_is_a_refusal_and_the_builder_key_is_withdrawn_at_the_end() -> None:
    async with stage() as on:
        lost = WalletRelayer("http://127.0.0.1:9", on.venue.clock, LocalKey(throwaway_key()), "0x" + "1" * 40,
                             on.desk.rest)  # fmt: skip
        told = await lost.split(on.pair, MICROS)
        assert told.fate is Fate.REFUSED and "no connection" in told.why
        await lost.close()
        reply = await on.desk.rest.call("GET", "/auth/builder-api-key")
        assert reply.raw == b"[]"


def test_an_own_account_has_no_relayer() -> None:
    key = LocalKey(throwaway_key())
    assert relayer_of("http://127.0.0.1:9", None, key, key.address, SignatureType.EOA, None) is None  # type: ignore[arg-type]


@given(amount=st.integers(1, 10**13), nonce=st.integers(0, 10**6), deadline=st.integers(0, 2**33))
def test_calls_and_batches_are_the_official_clients_own(amount: int, nonce: int, deadline: int) -> None:
    condition, new = OLD.condition_id, "0x" + NEW.condition_id[2:64]
    adapter, router, dollars = EvmAddress(ADAPTER), EvmAddress(ROUTER), EvmAddress(COLLATERAL)
    theirs = [
        official.ctf_split_position_call(target=adapter, collateral=dollars, condition_id=condition, amount=amount),
        official.ctf_merge_positions_call(target=adapter, collateral=dollars, condition_id=condition, amount=amount),
        official.ctf_redeem_positions_call(ctf=adapter, collateral=dollars, condition_id=condition),
        official.router_split_call(router=router, condition_id=new, amount=amount),
        official.router_merge_call(router=router, condition_id=new, amount=amount),
        official.redeem_v2_call(router=router, condition_id=new, outcome_index=1, amount=amount),
    ]
    ours = [
        split_call(OLD, amount), merge_call(OLD, amount), redeem_call(OLD, Token.UP, amount),
        split_call(NEW, amount), merge_call(NEW, amount), redeem_call(NEW, Token.DOWN, amount),
    ]  # fmt: skip
    assert [(call.target, call.wire["data"]) for call in ours] == [(str(call.to), call.data) for call in theirs]
    from eth_account.messages import _hash_eip191_message, encode_typed_data

    wallet = EvmAddress("0x" + "2b" * 20)
    typed = build_deposit_wallet_typed_data(
        wallet=wallet, calls=theirs, nonce=str(nonce), deadline=str(deadline), chain_id=137
    )  # fmt: skip
    digest = _hash_eip191_message(encode_typed_data(full_message=typed))
    assert batch_digest(str(wallet), nonce, deadline, tuple(ours)) == digest


def test_a_wallet_call_never_sends_value() -> None:
    assert WalletCall("0x" + "1" * 40, b"").wire["value"] == "0"
