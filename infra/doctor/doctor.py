"""The doctor: every check, in the order in which one thing needs another."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from infra.addresses import Addresses
from infra.clock import Clock
from infra.doctor.account import (
    ask_collateral,
    cash_micros_of,
    judge_funds,
    judge_wallet,
    look_at_closed_only,
    look_at_credentials,
    look_at_key,
    look_at_signing,
)
from infra.doctor.chain import look_at_allowances, stands
from infra.doctor.check import Check, State, refused
from infra.doctor.feeds import look_at_feeds
from infra.doctor.machine import judge_lease, look_at_disk, look_at_software
from infra.doctor.market import LiveMarket, find_market, judge_market, order_version
from infra.doctor.minima import judge_settings, minima_of
from infra.doctor.place import look_at_clock, look_at_geoblock, look_at_version
from infra.feeds.frames import Offbeat
from infra.shell.lease import lease_folder, look_at
from infra.streams.rest import Rest as Questions
from infra.venues.credentials import Credentials
from infra.venues.rest import NoAnswer, Rest
from infra.venues.secrets import Identity
from state.params import Params
from state.units import MICROS

FEEDS_S: Final = 10.0
"""Real seconds that the streams are given to speak."""
CHECKS: Final = 14
"""Rows of the table that come whatever is found, the feeds as one: for progress."""

Told = Callable[[int, int], None]


def _nobody(_done: int, _of: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What is to be looked at."""

    addresses: Addresses
    clock: Clock
    params: Params
    identity: Identity | None = field(default=None, repr=False)
    why_no_identity: str = ""
    """Why there is no key, in one line for the operator."""
    folder: Path
    """Where the session's journal is or will be."""
    leases: Path = field(default_factory=lambda: lease_folder(os.environ))
    feeds_s: float = FEEDS_S
    """Real seconds that the streams are given; 0: they are not looked at."""
    told: Told = _nobody
    """Is told how much is done."""


@dataclass(slots=True)
class Findings:
    """What a visit found."""

    checks: list[Check] = field(default_factory=list)
    cash_micros: int = 0
    """What the account has; 0 when it could not be asked."""
    market: LiveMarket | None = None
    least_micros: int = 0
    """What the smallest order costs at the dearest price."""

    @property
    def holds(self) -> bool:
        """Say whether nothing is refused."""
        return all(check.state is not State.REFUSED for check in self.checks)


async def examine(visit: Visit) -> Findings:
    """Look at everything; what one look finds is handed to those that need it.

    Nothing of the other side raises: what does not answer is a refusal, or a warning where nothing depends on it.
    """
    found = Findings()
    async with ClientSession(cookie_jar=DummyCookieJar(), connector=TCPConnector(limit=0)) as session:
        questions = Questions(session, visit.clock)
        await _each(
            visit, found,
            lambda: look_at_geoblock(questions, visit.addresses),
            lambda: look_at_version(questions, visit.addresses),
            lambda: look_at_clock(questions, visit.addresses, visit.clock),
        )  # fmt: skip
        market = await find_market(questions, visit.addresses, visit.clock)
        _add(visit, found, judge_market(market))
        minima = None if isinstance(market, str) else minima_of(market.listing)
        _add(visit, found, judge_settings(visit.params, minima))
        if minima is not None and isinstance(market, LiveMarket):
            found.market, found.least_micros = market, minima.order_micros
        _add(visit, found, look_at_signing())
        _add(visit, found, look_at_key(visit.identity, visit.why_no_identity))
        keys = await _account(visit, found, questions, order_version(market)) if visit.identity is not None else None
    _add(visit, found, await asyncio.to_thread(look_at_disk, visit.folder))
    _add(visit, found, await asyncio.to_thread(look_at_software))
    if visit.feeds_s:
        found.checks += await look_at_feeds(visit.addresses, visit.clock, keys, visit.feeds_s)
    visit.told(CHECKS, CHECKS)
    return found


async def _each(visit: Visit, found: Findings, *looks: Callable[[], Awaitable[Check]]) -> None:
    for look in looks:
        _add(visit, found, await look())


def _add(visit: Visit, found: Findings, check: Check) -> None:
    found.checks.append(check)
    visit.told(min(len(found.checks), CHECKS - 1), CHECKS)


async def _account(visit: Visit, found: Findings, questions: Questions, version: int) -> Credentials | None:
    """Look at all that needs the key; gives the credentials, None when the venue gives none."""
    identity = visit.identity
    assert identity is not None
    _add(visit, found, judge_lease(look_at(visit.leases, identity.address)))
    rest = Rest(visit.addresses.clob, visit.clock, identity.signer(), None)
    try:
        await rest.open()
    except NoAnswer as error:
        await rest.close()
        _add(visit, found, refused("credentials", f"the venue does not answer ({error})", "try again when it is up"))
        return None
    try:
        known = await look_at_credentials(rest)
        _add(visit, found, known)
        if known.state is State.REFUSED:  # all that follows would be refused for the same reason
            return None
        _add(visit, found, await look_at_closed_only(rest))
        there = await stands(questions, visit.addresses, identity.wallet)
        _add(visit, found, judge_wallet(identity, there))
        await _money(visit, found, questions, rest, version)
        return rest.credentials
    finally:
        await rest.close()


async def _money(visit: Visit, found: Findings, questions: Questions, rest: Rest, version: int) -> None:
    """Look at allowances and funds."""
    assert visit.identity is not None
    balance = await ask_collateral(rest)
    told = None if isinstance(balance, str) else balance.allowances
    cap_micros = int(visit.params.position_micros)
    wallet = visit.identity.wallet
    _add(visit, found, await look_at_allowances(questions, visit.addresses, wallet, version, told, cap_micros))
    if isinstance(balance, str):
        _add(visit, found, refused("funds", f"the venue does not say what this account has ({balance})", "try again"))
        return
    try:
        found.cash_micros = cash_micros_of(balance)
    except Offbeat as error:
        _add(visit, found, refused("funds", str(error), "update this program before trading"))
        return
    _add(visit, found, judge_funds(found.cash_micros, visit.params, found.least_micros or MICROS))
