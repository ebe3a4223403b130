"""Take in what the desk gives: mandates and new parameters, each an event with a record of its own."""

from typing import Final

from state.compiled import compiled
from state.desk import FEATURES, DecisionLine, Mandate, View
from state.params import Params
from state.units import NS_PER_S
from state.world import SAMPLE_LEFT_S, SAMPLES, SLOTS, Market, World

NANO: Final = 1e9
MASK_32: Final = 0xFFFFFFFF
WHOLE_MOST: Final = 9e18


@compiled
def number_mandate(world: World, view: View, mandate: Mandate) -> None:
    """Give a mandate its number, and the hashes of what it was given on: the view and the parameters."""
    world.next_mandate_id += 1
    mandate.mandate_id = world.next_mandate_id
    mandate.run_id = world.next_mandate_id
    mandate.params_hash = world.params_hash
    mandate.view_hash = hash_view(view)


@compiled
def hash_view(view: View) -> int:
    """Hash what the desk saw to 32 bits: market, moment, both books' touches, and every price to a nano-unit."""
    whole = (
        view.event_seq,
        view.now_ns,
        view.slot_id,
        view.open_ns,
        view.bid_bps[0],
        view.ask_bps[0],
        view.bid_bps[1],
        view.ask_bps[1],
        view.book_notional_micros,
        view.cost_micros,
        _whole(view.nowcast_usd, NANO),
        _whole(view.strike_usd, NANO),
        _whole(view.p_fair, NANO),
        _whole(view.variance_per_s, NANO * NANO),
        _whole(view.flow_signed_micros, 1.0),
    )
    word = 0x811C9DC5
    for number in whole:
        for half in (number & MASK_32, number >> 32 & MASK_32):
            word = ((word ^ half) * 0x01000193) & MASK_32
    return word


@compiled
def _whole(value: float, grain: float) -> int:
    """Count a value in grains, held inside what 63 bits can tell."""
    return int(min(max(value * grain, -WHOLE_MOST), WHOLE_MOST))


@compiled
def accept_mandate(world: World, slot: int, mandate: Mandate) -> bool:
    """Let a mandate stand in its market; an older one, or one for a window that has gone, is refused and counted."""
    market = world.markets[slot]
    late = mandate.mandate_id <= market.mandate.mandate_id
    if late or mandate.given_ns < market.open_ns or mandate.given_ns >= market.close_ns:
        world.refused_count += 1
        return False
    market.mandate = mandate
    market.used_micros = 0
    _sample(market, mandate)
    return True


@compiled
def _sample(market: Market, mandate: Mandate) -> None:
    """Keep what was thought at each of the window's sampling moments, until the outcome is known."""
    left_ns = market.close_ns - mandate.given_ns
    passed = 0
    while passed < SAMPLES and left_ns <= SAMPLE_LEFT_S[passed] * NS_PER_S:
        passed += 1
    if passed <= market.next_sample_id:
        return
    # Moments that passed without a mandate share the one that came after them, and are kept once.
    row = market.samples_count
    market.next_sample_id = passed
    market.samples_count = row + 1
    sample = market.samples[row]
    sample.taken_ns = mandate.given_ns
    sample.p_up = mandate.p_up
    sample.p_mid = mandate.p_mid
    sample.p_fair = mandate.p_fair
    sample.p_point = mandate.p_point
    sample.has_mid = mandate.has_mid
    sample.has_fair = mandate.has_fair
    for i in range(FEATURES):
        sample.features_logodds[i] = mandate.features_logodds[i]


@compiled
def write_line(view: View, mandate: Mandate, side_code: int, line: DecisionLine) -> None:
    """Write one run of the desk as its line in the ledger of decisions."""
    line.at_ns = mandate.given_ns
    line.event_seq = mandate.view_seq
    line.mandate_id = mandate.mandate_id
    line.left_ns = view.close_ns - view.now_ns
    line.p_up = mandate.p_up
    line.p_low = mandate.p_low
    line.p_high = mandate.p_high
    line.p_mid = mandate.p_mid if mandate.has_mid else -1.0
    line.p_fair = mandate.p_fair if mandate.has_fair else -1.0
    line.p_point = mandate.p_point if mandate.has_fair else -1.0
    for token in range(2):
        line.edge_bps[token] = mandate.edge_bps[token]
        line.ask_bps[token] = mandate.ask_bps[token]
    line.shares_micros = max(mandate.shares_micros[0], mandate.shares_micros[1])
    line.slot_id = view.slot_id
    line.reason_code = mandate.reason_code
    line.gate_code = mandate.gate_code
    line.side_code = side_code
    line.take_mask = mandate.take_mask
    line.quote_mask = mandate.quote_mask
    line.exit_mask = mandate.exit_mask
    line.open_s = view.open_ns // NS_PER_S


@compiled
def change_params(world: World, params: Params, params_hash: int) -> None:
    """Put new parameters in force, and withdraw every mandate that was given under the old ones.

    What rests under such a mandate is pulled at the next look, and the desk is asked anew: no order of ours stands on a
    judgement that is no longer ours. The weights already learnt stay, only their priors would differ.
    """
    world.params_hash = params_hash
    world.params = params
    for slot in range(SLOTS):
        mandate = world.markets[slot].mandate
        mandate.until_ns = min(mandate.until_ns, world.now_ns)
