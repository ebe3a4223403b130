"""The hedge of a session, put together from the session's parts; None where nobody asked for one."""

import os
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from infra.addresses import LOOPBACK, Addresses
from infra.clock import Clock
from infra.hedge.ccxt_perp import CcxtPerp, HedgeKeys, HedgeRefused
from infra.hedge.exposure import exposure_of, touch_of
from infra.hedge.hedge_watch import HedgeWatch
from infra.hedge.perp import PaperPerp, PerpLeg
from infra.hedge.settings import PAPER, HedgeSettings
from infra.hedge.target import Exposure, Touch
from infra.plain_memory import plain
from infra.shell.restart import Start
from infra.shell.shell import Shell
from state.events import Asset

ASSET: Final = Asset.BTC


def hedge_of(
    settings: HedgeSettings, keys: HedgeKeys | None, addresses: Addresses, clock: Clock, start: Start | None, *,
    mode: str, shell: Callable[[], Shell], armed: Callable[[], bool],
) -> HedgeWatch | None:  # fmt: skip
    """Give a session's hedge; nothing is connected before the desk may trade.

    Args:
        settings: What the operator wants.
        keys: Of the perpetual's exchange, unless it is on paper.
        addresses: The session's; the exchange next door is where its prices come from.
        clock: The session's.
        start: What the session begins with.
        mode: Of the session: paper sends nothing, and a rehearsal nothing that leaves this machine.
        shell: Gives the session's shell, once there is one.
        armed: Whether the desk's orders may leave.

    Raises:
        HedgeRefused: what is wanted and what the session is do not fit.
    """
    if not settings.is_on or start is None:
        return None
    from graph.deltas import window_delta_per_usd

    worlds = start.core.worlds
    window_delta_per_usd(worlds[0], 0)  # compiled now, not when the first order waits

    def exposure() -> Exposure:
        return exposure_of(worlds, ASSET, window_delta_per_usd)

    def quoted() -> Touch | None:
        return touch_of(worlds, ASSET)

    def may_trade() -> bool:
        session = shell()
        is_halted = session.halted_why or session.fault is not None or int(plain(worlds)[0]["halted_code"])
        return not is_halted and armed()

    leg: PerpLeg
    if settings.where == PAPER:
        leg = PaperPerp(quoted, settings.fee_bps, _paper_coins(start))
    else:
        host = _next_door(addresses, settings.where)
        if mode == "paper" or (mode != "live" and not host):
            raise HedgeRefused(f"a {mode} session sends no order to {settings.where}: hedge on paper")
        if keys is None:
            raise HedgeRefused(f"no keys for {settings.where}: hedge on paper")
        leg = CcxtPerp(
            settings.where, ASSET.name, keys, clock, quoted=quoted if settings.where == "binance" else None,
            armed=may_trade, host=host, fee_bps=settings.fee_bps,
        )  # fmt: skip
    return HedgeWatch(
        settings, ASSET.name, leg, exposure, may_trade, clock,
        note=lambda note: shell().session.note(note, clock.now_ns()), session=os.urandom(4).hex(),
    )  # fmt: skip


def _next_door(addresses: Addresses, where: str) -> str:
    """Give the exchange's server on this machine; empty where the session's prices come from the exchange itself."""
    feed = {"binance": addresses.binance_usdm, "bybit": addresses.bybit, "okx": addresses.okx}[where]
    told = urlsplit(feed)
    return f"http://{told.netloc}" if told.hostname in LOOPBACK else ""


def _paper_coins(start: Start) -> float:
    """Give what a paper position was when the session before this start ended without closing it."""
    held = 0.0
    for note in start.played.notes if start.played is not None else ():
        if note.get("hedge") and note.get("position_coins") is not None:
            held = float(note["position_coins"])
    return held
