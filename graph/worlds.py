"""Begin a world: zeroed memory with the parameters' priors in it."""

from graph.fusion import start_weights
from state.compiled import compiled
from state.events import ASSETS
from state.params import Params, hash_number
from state.records import one
from state.world import SLOTS, WORLD_VERSION, World
from tools.book import open_book
from tools.volatility import LEVEL_PRIOR_RATIO, open_volatility


def new_world(params: Params, cash_micros: int = 0) -> World:
    """Give a world that knows nothing yet but its parameters."""
    world = one(World)
    begin(world, params, hash_number(params), cash_micros)
    return world


@compiled
def begin(world: World, params: Params, params_hash: int, cash_micros: int) -> None:
    """Fill a zeroed world with the priors of its parameters."""
    world.version_code = WORLD_VERSION
    world.params = params
    world.params_hash = params_hash
    world.money.cash_micros = cash_micros
    world.phase_due_ns = 0
    start_weights(world.learner, params)
    for asset in range(ASSETS):
        state = world.assets[asset]
        open_volatility(state.volatility, params.sigma_prior_bps, params.sigma_prior_s, LEVEL_PRIOR_RATIO)
        state.variance_per_s = (params.sigma_prior_bps * 1e-4) ** 2
        state.front_slot_id = -1
    for slot in range(SLOTS):
        for token in range(2):
            open_book(world.markets[slot].books[token], 100)
