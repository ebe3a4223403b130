"""The venue's host of subscriptions: the market channel for everybody, the user channel for who can show its keys."""

from functools import partial

from aiohttp import web

from infra.venue_next_door import market_socket, user_socket
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.lines import refusing
from infra.venue_next_door.market_socket import MarketChannel
from infra.venue_next_door.user_socket import UserChannel


def subscriptions_app(engine: Engine) -> web.Application:
    """Give the server of `/ws/market` and `/ws/user` (venue reference 4.1, 4.2); it listens to the engine at once."""
    app = web.Application()
    # Each channel has its own `refuse`: the fault of one leaves the other alone.
    for path, wire, serve in (
        ("/ws/market", market_socket.WIRE, MarketChannel(engine).serve),
        ("/ws/user", user_socket.WIRE, UserChannel(engine).serve),
    ):
        app.router.add_get(path, partial(refusing(engine.faults, wire), handler=serve))
    return app
