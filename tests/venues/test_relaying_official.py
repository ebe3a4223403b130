"""polymarket-client's own relayer actions, unmodified, at the venue next door: it makes sets and turns them back."""

from dataclasses import replace

import pytest
from live_venue import LiveVenue, venue_of_now
from polymarket import SecureClient
from polymarket._internal.environment import PRODUCTION_CONFIG, create_environment
from polymarket.environments import Environment

from infra.venues.credentials import throwaway_key
from state.events import Token
from state.units import MICROS

pytestmark = pytest.mark.rehearsal


def environment_of(venue: LiveVenue) -> Environment:
    """Their production environment with our addresses in it."""
    places = venue.addresses
    config = replace(
        PRODUCTION_CONFIG, clob_url=places.clob, gamma_url=places.gamma, relayer_url=places.relayer,
        rpc_url=places.polygon, clob_user_ws_url=places.user_ws,
    )  # fmt: skip
    return create_environment(name="next door", config=config)


def test_it_makes_sets_and_merges_them_with_a_builder_key_of_its_own() -> None:
    with venue_of_now() as venue:
        key, places = throwaway_key(), environment_of(venue)
        with SecureClient.create(private_key="0x" + key.reveal(), environment=places) as first:
            builder = first.create_builder_api_key()
        with SecureClient.create(private_key="0x" + key.reveal(), environment=places, api_key=builder) as client:
            condition = venue.window.condition_id
            client.split_position(condition_id=condition, amount=6 * MICROS).wait()
            tokens = venue.window.tokens
            held = [int(client.get_balance_allowance(asset_type="CONDITIONAL", asset_id=tokens[each]).balance)
                    for each in Token]  # fmt: skip
            assert held == [6 * MICROS, 6 * MICROS]
            client.merge_positions(condition_id=condition, amount=6 * MICROS).wait()
            after = client.get_balance_allowance(asset_type="CONDITIONAL", asset_id=tokens[Token.UP])
            assert int(after.balance) == 0
