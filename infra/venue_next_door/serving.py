"""What the smaller REST servers share: refusals and unknown paths answered in JSON."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from infra.venue_next_door.refusals import Refusal, refused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def refusing_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals, ours and the library's, into the venue's JSON."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refused(refusal)
    except web.HTTPException as error:
        return refused(Refusal(error.reason, error.status))
