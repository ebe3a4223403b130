"""Discovery: every window from before it opens until after it is decided, found by its computable name.

Nothing is listed and nothing is pushed: names are reckoned from the clock, the catalogue is asked until it knows them
(venue reference 2.2 to 2.6). A window is told as LISTED before it opens; then the catalogue's own words come as frames
whenever they say something new, which the Decoder turns into rules, a price to beat and an outcome.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from infra.addresses import Addresses
from infra.clock import Clock
from infra.feeds import clob_rest, gamma
from infra.feeds.frames import Parsed, Refused, Wire
from infra.feeds.listings import Listing, listing_of, window_of_slug
from infra.streams.intake import Arrived, What
from infra.streams.rest import Answer, Missed, Rest
from state.events import Asset, Token
from state.units import NS_PER_S

LOG: Final = logging.getLogger("updown.streams")

POLL_S: Final = 5.0
"""Between two questions about one window; the catalogue takes 500 in ten seconds (venue reference 5.7)."""
SETTLED_STRIKE_S: Final = 60.0
"""Between two looks at a price to beat that was published: it has been corrected before."""
WARN_S: Final = 180.0
ALARM_S: Final = 600.0
"""A window without an outcome so long after its end is odd, and then very odd (venue reference 10)."""
KEEP_S: Final = 180.0
"""A decided window is followed for so much longer: late news of trades belong to it."""
GIVE_UP_S: Final = 6 * 3600.0
"""A window that is not decided by then is let go; somebody has to look after it by hand."""

_NOTHING: Final = (0.0, 0.0, None)

LENGTHS: Final = {300: "5m", 900: "15m"}
"""Windows whose names can be reckoned: the four-hour grid follows US Eastern time and is left out."""


def slug_of(asset: Asset, open_s: int, span_s: int) -> str:
    """Give a window's name.

    >>> slug_of(Asset.BTC, 1792638000, 300)
    'btc-updown-5m-1792638000'
    """
    return f"{asset.name.lower()}-updown-{LENGTHS[span_s]}-{open_s}"


def _nobody(_: Listing) -> None:
    pass


class Windows(Protocol):
    """Hears of windows, and of what the catalogue says of them: an intake, or who stands before it."""

    def put(self, arrived: Arrived) -> None:
        """Take something in; never waits."""


@dataclass(slots=True)
class Discovery:
    """Follows windows as they come; a window's whole life is `_follow`, read from top to bottom."""

    addresses: Addresses
    clock: Clock
    intake: Windows
    rest: Rest
    assets: Sequence[Asset] = (Asset.BTC,)
    span_s: int = 300
    ahead: int = 3
    on_listed: Callable[[Listing], None] = _nobody
    """Is told after LISTED went into the intake: from now on its tokens may be subscribed."""
    on_unlisted: Callable[[Listing], None] = _nobody
    listed: dict[str, Listing] = field(default_factory=dict)
    """Windows that are followed now, by slug, as the catalogue described them last."""
    _tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _told: dict[str, tuple[float, float, Token | None]] = field(default_factory=dict)
    """What the frames of a window have said: price to beat, final price, outcome."""
    _group: asyncio.TaskGroup | None = None
    _asked_for: list[str] = field(default_factory=list)
    """Windows that somebody wants followed as soon as this lives."""

    async def run(self) -> None:
        """Live until cancelled: at each window's start, begin with the next that came into sight."""
        span_ns = self.span_s * NS_PER_S
        async with asyncio.TaskGroup() as group:
            self._group = group
            for slug in self._asked_for:
                self.follow(slug)
            while True:
                first = self.clock.now_ns() // span_ns
                for number in range(self.ahead + 1):
                    for asset in self.assets:
                        self.follow(slug_of(asset, (first + number) * self.span_s, self.span_s))
                await self.clock.sleep_until((first + 1) * span_ns)

    def follow(self, slug: str) -> None:
        """Follow a window by its name, past ones too: after a restart somebody may still hold something there."""
        _, open_ns, span_s = window_of_slug(slug)
        if self._group is None:
            self._asked_for.append(slug)
            return
        if slug not in self._tasks:
            task = self._group.create_task(self._follow(slug, open_ns, open_ns + span_s * NS_PER_S), name=slug)
            self._tasks[slug] = task
            task.add_done_callback(lambda _: self._tasks.pop(slug, None))

    # One window.

    async def _follow(self, slug: str, open_ns: int, close_ns: int) -> None:
        """Live through one window."""
        listing = await self._find(slug, close_ns)
        if listing is None:
            LOG.warning("%s was never listed", slug)
            return
        self._put(What.LISTED, Wire.GAMMA, self.clock.now_ns(), listing=listing)
        self.listed[slug] = listing
        self.on_listed(listing)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rules(listing))
            await self.clock.sleep_until(open_ns)
            await self._strike(slug, close_ns)
            await self._outcome(slug, close_ns)
        await self.clock.sleep(round(KEEP_S * NS_PER_S))
        listing = self.listed.pop(slug)
        self._told.pop(slug, None)
        self._put(What.UNLISTED, Wire.GAMMA, self.clock.now_ns(), listing=listing)
        self.on_unlisted(listing)

    async def _find(self, slug: str, close_ns: int) -> Listing | None:
        """Ask until the catalogue knows the window whole and orders are taken; of a past one it need not say so."""
        while True:
            over = self.clock.now_ns() >= close_ns
            found = await self._look(slug, over)
            if over and isinstance(found, Missed):
                found = await self._look(slug, False)
            if not isinstance(found, Missed):
                if found[0].accepting_orders or over:
                    return found[0]
                found = self.rest.expected(Wire.GAMMA, "listed, but takes no orders yet")
            if self.clock.now_ns() > close_ns + round(GIVE_UP_S * NS_PER_S):
                return None
            await self._pause(found)

    async def _rules(self, listing: Listing) -> None:
        """Ask the CLOB once for the rules of its own market object; until it knows the tokens it has none to tell."""
        url = f"{self.addresses.clob}/clob-markets/{listing.condition_id}"
        while self.clock.now_ns() < listing.close_ns:
            answer = await self.rest.get(Wire.CLOB_REST, url)
            if isinstance(answer, Answer):
                parsed = clob_rest.parse(answer.raw)
                short = parsed.messages[0] if isinstance(parsed, Parsed) and parsed.messages else None
                if isinstance(short, clob_rest.ShortMarket) and short.condition_id == listing.condition_id:
                    known = {token.token_id for token in short.tokens}
                    if known == {listing.up_token, listing.down_token}:
                        self._put(What.FRAME, Wire.CLOB_REST, answer.seen_ns, answer.raw)
                        return
                    answer = self.rest.missed(Wire.CLOB_REST, "other tokens than the catalogue's, or none yet")
                else:
                    why = parsed.reason if isinstance(parsed, Refused) else "not the market that was asked for"
                    answer = self.rest.missed(Wire.CLOB_REST, why)
            await self._pause(answer)

    async def _strike(self, slug: str, close_ns: int) -> None:
        """Ask for the price to beat until it is published, and now and then whether it still stands."""
        while (now_ns := self.clock.now_ns()) < close_ns:
            found = await self._look(slug, False)
            if isinstance(found, Missed):
                await self._pause(found, close_ns)
                continue
            self._tell_news(slug, *found)
            published = found[0].price_to_beat_usd != 0.0
            span_s = SETTLED_STRIKE_S if published else POLL_S
            await self.clock.sleep_until(min(now_ns + round(span_s * NS_PER_S), close_ns))

    async def _outcome(self, slug: str, close_ns: int) -> None:
        """Ask until the window is decided; what was resolved is seen with `closed=true` only (venue reference 2.2)."""
        warned = 0
        while (late_s := (self.clock.now_ns() - close_ns) / NS_PER_S) < GIVE_UP_S:
            found = await self._look(slug, True)
            if not isinstance(found, Missed):
                self._tell_news(slug, *found)
                if found[0].outcome is not None:
                    return
            for limit, level in ((WARN_S, logging.WARNING), (ALARM_S, logging.ERROR)):
                if late_s >= limit > warned:
                    warned = round(limit)
                    LOG.log(level, "%s has no outcome %.0f s after its end", slug, late_s)
                    self.rest.life(Wire.GAMMA).complaint = f"{slug} has no outcome {late_s:.0f} s after its end"
            await self._pause(found)
        LOG.error("%s is let go without an outcome; look after it by hand", slug)

    # Looking.

    async def _look(self, slug: str, over: bool) -> tuple[Listing, Answer] | Missed:
        """Ask the catalogue about one window."""
        gamma_url = self.addresses.gamma
        url = f"{gamma_url}/events?slug={slug}&closed=true" if over else f"{gamma_url}/events/slug/{slug}"
        answer = await self.rest.get(Wire.GAMMA, url)
        if isinstance(answer, Missed):
            return answer
        parsed = gamma.parse(answer.raw)
        if isinstance(parsed, Refused):
            return self.rest.missed(Wire.GAMMA, parsed.reason)
        pairs = [pair for message in parsed.messages for pair in gamma.windows_in(message) if pair[0].slug == slug]
        if not pairs:
            if over:
                return self.rest.expected(Wire.GAMMA, "not closed yet")
            return self.rest.missed(Wire.GAMMA, "an answer about something else")
        listing = listing_of(*pairs[0])
        return self.rest.missed(Wire.GAMMA, listing.reason) if isinstance(listing, Refused) else (listing, answer)

    def _tell_news(self, slug: str, listing: Listing, answer: Answer) -> None:
        """Hand the catalogue's words on when they say something that they did not say before."""
        facts = (listing.price_to_beat_usd, listing.final_price_usd, listing.outcome)
        if facts != self._told.get(slug, _NOTHING):
            self._put(What.FRAME, Wire.GAMMA, answer.seen_ns, answer.raw)
        self._told[slug] = facts
        self.listed[slug] = listing

    async def _pause(self, missed: object, until_ns: int = 1 << 62) -> None:
        after_s = missed.after_s if isinstance(missed, Missed) else 0.0
        now_ns = self.clock.now_ns()
        await self.clock.sleep_until(min(now_ns + round(max(POLL_S, after_s) * NS_PER_S), until_ns))

    def _put(self, what: What, wire: Wire, seen_ns: int, raw: bytes = b"", listing: Listing | None = None) -> None:
        self.intake.put(Arrived(what, wire, 0, seen_ns, raw, listing=listing))
