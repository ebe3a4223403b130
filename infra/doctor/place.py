"""Where we stand: may one trade from here, whose clock is right, and which version does the venue speak."""

from typing import Final

import msgspec

from infra.addresses import Addresses
from infra.clock import Clock
from infra.doctor.check import Check, ready, refused, warning
from infra.feeds.frames import READ_ERRORS, Wire
from infra.streams.clock_offset import HALT_NS, WARN_NS, Skew, Verdict, bounds_of
from infra.streams.rest import Answer, Missed, Rest
from state.units import NS_PER_S

ORDERS_VERSION: Final = 2
"""What `GET /version` says of the order book that this code was written for (venue reference 1.2)."""
QUESTIONS: Final = 5
"""So many times the venue is asked for its time ..."""
STEP_NS: Final = NS_PER_S // 4
"""... each a quarter of a second later in its second, so that a second's turn is among them."""


class Geoblock(msgspec.Struct):
    """`/api/geoblock` (venue reference 5.9)."""

    blocked: bool
    country: str = ""
    region: str = ""


class Version(msgspec.Struct):
    """`/version`."""

    version: int


_GEOBLOCK: Final = msgspec.json.Decoder(Geoblock)
_VERSION: Final = msgspec.json.Decoder(Version)


async def look_at_geoblock(rest: Rest, addresses: Addresses) -> Check:
    """Ask whether the venue lets anybody trade from here."""
    return judge_geoblock(await rest.get(Wire.GAMMA, f"{addresses.geoblock}/api/geoblock"))


def judge_geoblock(answer: Answer | Missed) -> Check:
    """Judge the answer; without one nobody knows whether trading is allowed, and then it is not."""
    name = "geoblock"
    if isinstance(answer, Missed):
        return refused(name, f"nobody says whether trading is allowed here ({answer.why})", "check the connection")
    try:
        told = _GEOBLOCK.decode(answer.raw)
    except READ_ERRORS:
        return refused(name, "the answer says neither yes nor no", "check the address `geoblock` of the settings")
    where = " ".join(part for part in (told.country, told.region) if part) or "an unnamed place"
    if told.blocked:
        return refused(name, f"trading is not allowed from {where}", "trade only from where it is; never around this")
    return ready(name, f"trading is allowed from {where}")


async def look_at_version(rest: Rest, addresses: Addresses) -> Check:
    """Ask which generation of orders the order book takes."""
    return judge_version(await rest.get(Wire.CLOB_REST, f"{addresses.clob}/version"))


def judge_version(answer: Answer | Missed) -> Check:
    """Judge the answer: another version means that orders are signed otherwise (venue reference 8, row 15)."""
    name = "version"
    if isinstance(answer, Missed):
        return refused(name, f"the order book does not say its version ({answer.why})", "try again when it is up")
    try:
        told = _VERSION.decode(answer.raw).version
    except READ_ERRORS:
        return refused(name, "the order book's version is no number", "update this program before trading")
    if told != ORDERS_VERSION:
        words = f"the order book speaks version {told}, this program {ORDERS_VERSION}"
        return refused(name, words, "update this program before trading")
    return ready(name, f"the order book speaks version {told}")


async def look_at_clock(rest: Rest, addresses: Addresses, clock: Clock) -> Check:
    """Ask the venue for its time a few times."""
    skew = Skew()
    for number in range(QUESTIONS):
        if number:
            await clock.sleep(STEP_NS)
        answer = await rest.get(Wire.CLOB_REST, f"{addresses.clob}/time")
        bounds = bounds_of(answer) if isinstance(answer, Answer) else None
        if bounds is not None:
            skew.add(bounds)
    return judge_skew(skew)


def judge_skew(skew: Skew) -> Check:
    """Judge how far the clocks are apart: signed requests carry whole seconds of ours (venue reference 10)."""
    name, mend = "clock", "have this machine's clock set by NTP"
    if skew.verdict is Verdict.UNKNOWN:
        return refused(name, "the venue does not tell its time", "try again when it is up")
    words = (
        f"the venue's clock is {skew.offset_ns / NS_PER_S:+.2f} s from ours, give or take "
        f"{skew.bound_ns / NS_PER_S:.2f} s"
    )
    if skew.verdict is Verdict.HALT:
        return refused(name, f"{words} (at most {HALT_NS / NS_PER_S:g} s)", mend)
    if skew.verdict is Verdict.WARN:
        return warning(name, f"{words} (wanted: below {WARN_NS / NS_PER_S:g} s)", mend)
    return ready(name, words)
