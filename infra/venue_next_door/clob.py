"""The CLOB over REST: one application out of its desks, with faults before the door and every refusal in JSON."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from infra.venue_next_door.chain_state import chain_of
from infra.venue_next_door.clob_account import PAGE, AccountDesk
from infra.venue_next_door.clob_auth import customers_of
from infra.venue_next_door.clob_orders import OrderDesk
from infra.venue_next_door.clob_public import PublicDesk
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.modes import Modes
from infra.venue_next_door.pages import page_body
from infra.venue_next_door.refusals import NOT_RUN, TOO_MANY, Refusal, answered, refused
from state.units import NS_PER_MS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BODY_BYTES_MAX: Final = 1 << 20
RETRY_AFTER_S: Final = 10
"""What a switched-on 429 asks for; how long real ones ask for is not documented."""
_CLOUDFLARE_PAGE: Final = (
    "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head>"
    "<body><h1>Sorry, you have been blocked</h1></body></html>"
)


async def _no_rewards(request: web.Request) -> web.Response:
    return answered(page_body([], "", PAGE))


async def _no_rebates(request: web.Request) -> web.Response:
    return answered([])


async def _no_builder_fees(request: web.Request) -> web.Response:
    return answered({"builder_maker_fee_rate_bps": 0, "builder_taker_fee_rate_bps": 0})


_NOTHING: Final = (
    web.get("/rewards/markets/current", _no_rewards),
    web.get("/rewards/markets/multi", _no_rewards),
    web.get("/rewards/markets/{condition}", _no_rewards),
    web.get("/rebates/current", _no_rebates),
    web.get("/builder/trades", _no_rewards),
    web.get("/fees/builder-fees/{code}", _no_builder_fees),
)
"""What this venue has none of, said in the shape that clients read."""


async def _meet_faults(engine: Engine, modes: Modes, path: str) -> web.Response | None:
    """Give the answer of a switched-on fault, if one is on for a path; may raise Refusal or wait."""
    faults = engine.faults
    if not faults.switches:
        modes.check_restart(path)
        return None
    slow_ms = faults.value(Fault.SLOW_ANSWER, path)
    if slow_ms:
        await engine.clock.sleep(int(slow_ms * NS_PER_MS))
    if faults.is_on(Fault.CLOUDFLARE, path):
        return web.Response(text=_CLOUDFLARE_PAGE, status=403, content_type="text/html")
    if faults.is_on(Fault.SERVER_ERROR, path):
        raise Refusal(NOT_RUN, 500)
    if faults.is_on(Fault.RATE_LIMITED, path):
        told = {"Retry-After": str(RETRY_AFTER_S), "Poly-RateLimit-Remaining": "0", "Poly-RateLimit-Tier": "standard"}
        raise Refusal(TOO_MANY, 429, headers={**told, "Poly-RateLimit-Warning": "false"})
    modes.check_restart(path)
    return None


def clob_app(engine: Engine) -> web.Application:
    """Give the CLOB's REST server over an engine; it listens to the engine's public rows from now on."""
    modes = Modes(engine.faults)
    customers, chain = customers_of(engine), chain_of(engine)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            answer = await _meet_faults(engine, modes, request.path)
            return answer if answer is not None else await handler(request)
        except Refusal as refusal:
            return refused(refusal)
        except web.HTTPException as error:
            return refused(Refusal(error.reason, error.status))

    app = web.Application(middlewares=[guard], client_max_size=BODY_BYTES_MAX)
    app.add_routes(PublicDesk(engine).routes())
    app.add_routes(OrderDesk(engine, customers, chain, modes).routes())
    app.add_routes(AccountDesk(engine, customers, chain).routes())
    app.add_routes(_NOTHING)
    return app
