"""Gamma, the catalogue of the venue next door: events and markets by slug, by id, and in pages.

Behaviour: venue reference 2.2 to 2.4. Answers are a few seconds old, as the real ones are. The shapes of its refusals
are from memory of the real service; nothing in the reference holds them.
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault, Faults
from infra.venue_next_door.gamma_objects import TAGS, Catalogue, encode, is_closed, series_object
from infra.venue_next_door.gamma_queries import Unprocessable, page_by_keyset, page_by_offset, select
from infra.venue_next_door.nouns import Window
from infra.venue_next_door.window_words import event_id_of, series_id_of, series_slug_of
from state.units import NS_PER_MS, NS_PER_S

CACHED_NS: Final = 3 * NS_PER_S
CACHED_MOST: Final = 512
JSON: Final = "application/json"


def _answer(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=encode(body), status=status, content_type=JSON)


def _missing(what: str) -> web.Response:
    return _answer({"type": "not found error", "error": f"{what} not found"}, 404)


class Gamma:
    """Answers what the catalogue is asked."""

    def __init__(self, engine: Engine) -> None:
        """Listen to an engine from now on."""
        self._engine = engine
        self._catalogue = Catalogue(engine)
        self._cached: dict[str, tuple[int, bytes]] = {}

    def _windows(self) -> list[Window]:
        return list(self._engine.windows.values())

    # One object.

    async def event_by_slug(self, request: web.Request) -> web.Response:
        """Answer `/events/slug/{slug}`."""
        return self._by_slug(request, events=True)

    async def market_by_slug(self, request: web.Request) -> web.Response:
        """Answer `/markets/slug/{slug}`."""
        return self._by_slug(request, events=False)

    def _by_slug(self, request: web.Request, *, events: bool) -> web.Response:
        # Whether the rule of `closed=true` holds for this path, too, the reference leaves open; the strict reading is
        # served, for a client that asks so is right under both.
        window = self._engine.windows.get(request.match_info["slug"])
        asked_closed = request.query.get("closed", "").lower() == "true"
        if window is None or (is_closed(window, self._engine.now_ns()) and not asked_closed):
            return _missing("slug")
        return self._one(request, window, events=events)

    async def event_by_id(self, request: web.Request) -> web.Response:
        """Answer `/events/{id}`; a resolved one, too."""
        return self._by_id(request, events=True)

    async def market_by_id(self, request: web.Request) -> web.Response:
        """Answer `/markets/{id}`; a resolved one, too."""
        return self._by_id(request, events=False)

    def _by_id(self, request: web.Request, *, events: bool) -> web.Response:
        wanted = request.match_info["id"]
        if not wanted.isdecimal():
            return _answer({"type": "validation error", "error": "id is invalid"}, 422)
        for window in self._windows():
            if wanted == (event_id_of(window) if events else str(window.gamma_id)):
                return self._one(request, window, events=events)
        return _missing("id")

    def _one(self, request: web.Request, window: Window, *, events: bool) -> web.Response:
        return self._kept(request, lambda: encode(self._written(window, events=events)))

    def _written(self, window: Window, *, events: bool) -> dict[str, Any]:
        write = self._catalogue.event if events else self._catalogue.market
        return write(window, self._engine.now_ns())

    async def tags(self, request: web.Request) -> web.Response:
        """Answer the tags of an event or a market, the same for all."""
        return _answer(TAGS)

    # Listings.

    async def events(self, request: web.Request) -> web.Response:
        """Answer `/events`."""
        return self._kept(request, lambda: self._listing(request, events=True))

    async def markets(self, request: web.Request) -> web.Response:
        """Answer `/markets`."""
        return self._kept(request, lambda: self._listing(request, events=False))

    def _listing(self, request: web.Request, *, events: bool) -> bytes:
        chosen = select(self._windows(), request.query, self._engine.now_ns(), events=events)
        page = page_by_offset(chosen, request.query, self._catalogue.volume_usd)
        return encode([self._written(window, events=events) for window in page])

    async def events_by_keyset(self, request: web.Request) -> web.Response:
        """Answer `/events/keyset`."""
        return self._kept(request, lambda: self._keyset(request, "events"))

    async def markets_by_keyset(self, request: web.Request) -> web.Response:
        """Answer `/markets/keyset`."""
        return self._kept(request, lambda: self._keyset(request, "markets"))

    def _keyset(self, request: web.Request, name: str) -> bytes:
        events = name == "events"
        chosen = select(self._windows(), request.query, self._engine.now_ns(), events=events)
        page, following = page_by_keyset(chosen, request.query, self._catalogue.volume_usd)
        body: dict[str, Any] = {name: [self._written(window, events=events) for window in page]}
        return encode(body if following is None else body | {"next_cursor": following})

    async def series(self, request: web.Request) -> web.Response:
        """Answer `/series` and `/series/{id}`."""
        known = {series_id_of(window): window for window in self._windows()}
        wanted = request.match_info.get("id")
        if wanted is not None:
            return _answer(series_object(known[wanted])) if wanted in known else _missing("id")
        slugs = request.query.getall("slug", [])
        return _answer([series_object(w) for w in known.values() if not slugs or series_slug_of(w) in slugs])

    # What is a few seconds old.

    def _kept(self, request: web.Request, make: Callable[[], bytes]) -> web.Response:
        """Give what was answered to the same address a moment ago, or make it anew."""
        now_ns = self._engine.clock.now_ns()
        address = request.path_qs
        made_ns, body = self._cached.get(address, (0, b""))
        if not body or not 0 <= now_ns - made_ns < CACHED_NS:
            try:
                body = make()
            except Unprocessable as error:
                return _answer({"type": "validation error", "error": str(error)}, 422)
            if len(self._cached) >= CACHED_MOST:
                self._cached.clear()
            made_ns = now_ns
            self._cached[address] = (made_ns, body)
        age_s = (now_ns - made_ns) // NS_PER_S
        headers = {"Cache-Control": f"public, max-age={CACHED_NS // NS_PER_S}", "Age": str(age_s)}
        return web.Response(body=body, content_type=JSON, headers=headers)


def _value(faults: Faults, fault: Fault, path: str) -> float:
    """Give a fault's value where a switch names this path; one without a path means the CLOB."""
    now_ns = faults.clock.now_ns()
    for switch in faults.switches:
        is_on = switch.fault is fault and switch.from_ns <= now_ns < switch.until_ns
        if is_on and switch.where and path.startswith(switch.where):
            return switch.value
    return 0.0


def faulty(engine: Engine) -> Middleware:
    """Give a middleware that answers as the faults of REST say, where they name a path of Gamma."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        faults, path = engine.faults, request.path
        if faults.switches:
            slow_ms = _value(faults, Fault.SLOW_ANSWER, path)
            if slow_ms:
                await engine.clock.sleep(round(slow_ms * NS_PER_MS))
            if _value(faults, Fault.CLOUDFLARE, path):
                page = "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head></html>"
                return web.Response(status=403, text=page, content_type="text/html")
            if _value(faults, Fault.RATE_LIMITED, path):
                return web.Response(status=429, text="Too Many Requests", headers={"Retry-After": "1"})
            if _value(faults, Fault.SERVER_ERROR, path):
                return _answer({"type": "internal error", "error": "internal server error"}, 500)
        return await handler(request)

    return answer


def gamma_app(engine: Engine) -> web.Application:
    """Give the server of the catalogue (venue reference 2.2); it listens to the engine at once."""
    gamma = Gamma(engine)
    app = web.Application(middlewares=[faulty(engine)])
    for path, handler in (
        ("/events", gamma.events),
        ("/events/keyset", gamma.events_by_keyset),
        ("/events/slug/{slug}", gamma.event_by_slug),
        ("/events/{id}", gamma.event_by_id),
        ("/events/{id}/tags", gamma.tags),
        ("/markets", gamma.markets),
        ("/markets/keyset", gamma.markets_by_keyset),
        ("/markets/slug/{slug}", gamma.market_by_slug),
        ("/markets/{id}", gamma.market_by_id),
        ("/markets/{id}/tags", gamma.tags),
        ("/series", gamma.series),
        ("/series/{id}", gamma.series),
        ("/tags", gamma.tags),
    ):
        app.router.add_get(path, handler)
    return app
