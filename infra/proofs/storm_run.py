"""One run of the storm: a window from some moment on, the real desk at the real venue, and a minute of bad weather.

Venue engine and REST application, gateway, order news, shell, journal and core are the ones that trade; only sockets
are replaced, by calls that the weather may delay, double, lose or answer twice. Time is moved by hand, so that a seed
gives the same run on every machine.
"""

import asyncio
import hashlib
import heapq
import itertools
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.feeds import gamma
from infra.feeds.frames import Refused, Wire
from infra.feeds.listings import Listing, listing_of
from infra.proofs.hand_clock import HandClock
from infra.proofs.storm_stage import DirectRest, FusedRunner
from infra.proofs.storm_weather import Weather
from infra.shell.core import Core
from infra.shell.session import Session, play_session
from infra.shell.shell import Shell
from infra.streams.intake import Arrived, Intake, What
from infra.venue_next_door.clob import clob_app
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Faults
from infra.venue_next_door.gamma_objects import Catalogue, encode
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.nouns import Account, PlacedOrder, Trade, Window
from infra.venue_next_door.user_frames import order_news, trade_news
from infra.venues.credentials import Secret
from infra.venues.gate import Gate
from infra.venues.gateway import Gateway
from infra.venues.signing import Signer
from infra.wallets import deposit_wallet_of
from state.events import EVENT, Kind, Source, Token, Word
from state.params import Params, default_params
from state.units import BPS, MICROS, NS_PER_MS, NS_PER_S

CASH_MICROS: Final = 100_000 * MICROS
STEP_NS: Final = 50 * NS_PER_MS
STORM_S: Final = 30
"""So long the weather is bad: enough for a desk to find an edge and for orders to go wrong."""
CALM_STEP_NS: Final = 200 * NS_PER_MS
CALM_S: Final = 25
"""Then the desk trades on in good weather; after that it pulls everything and waits for the window's end."""
REST_STEP_NS: Final = 5 * NS_PER_S
AFTER_S: Final = 100
"""After the close: the outcome, and the last trades' fates."""
LIFTED_NS: Final = 4 * NS_PER_S
MARKETS: Final = ("demo", "late-makers", "stale-quotes", "point-makers")
SEEDS_OF_A_MARKET: Final = 5
OF_WINDOWS: Final = np.zeros(256, np.bool_)
"""Kinds of rows that are about one window."""
OF_WINDOWS[[
    Kind.MARKET_LISTED, Kind.RULE_GIVEN, Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TOUCH_CARRIED, Kind.TRADE_SEEN,
    Kind.TICK_CHANGED, Kind.STRIKE_SEEN, Kind.SETTLED,
]] = True  # fmt: skip

Rows = NDArray[Any]


@dataclass(slots=True)
class Told:
    """What one run came to."""

    seed: int
    market: str
    broken: list[str] = field(default_factory=list)
    """Laws that did not hold, in words; empty: all held."""
    orders: int = 0
    fills: int = 0
    reversed: int = 0
    doubts: int = 0
    """Requests whose outcome nobody knew for a while."""
    halts: int = 0
    pnl_micros: int = 0


@lru_cache(maxsize=len(MARKETS) * SEEDS_OF_A_MARKET)
def _market(name: str, seed: int) -> tuple[Rows, int]:
    """Give a market's rows, made once for all runs in it, and when its window opens, in ns."""
    market = generated_market(name, windows=1, seed=seed)
    return np.concatenate(list(market.rows)), market.first_open_s * NS_PER_S


class Run:
    """One run; `play` gives what it came to."""

    def __init__(self, seed: int, folder: Path) -> None:
        """Draw market, limits and weather."""
        chance = np.random.default_rng([seed, 7])
        self.told = Told(seed, str(chance.choice(MARKETS)))
        made, open_ns = _market(self.told.market, int(chance.integers(1, 1 + SEEDS_OF_A_MARKET)))
        self.close_ns = open_ns + 300 * NS_PER_S
        self.params = _params(chance)
        self.begin_ns = self.close_ns - int(chance.integers(40, 296)) * NS_PER_S
        self.calm_ns = self.begin_ns + STORM_S * NS_PER_S
        self.rest_ns = self.calm_ns + CALM_S * NS_PER_S
        self.weather = Weather(seed, self.begin_ns, self.calm_ns)
        self.clock = HandClock(int(made["seen_ns"][0]))
        self.engine = Engine([made], self.clock, Faults(self.clock), seed=seed, auto_redeem_s=5.0)
        self.engine.on_public(self._hear_public)
        self.engine.on_order(self._hear_order)
        self.engine.on_trade(self._hear_trade)
        self.catalogue = Catalogue(self.engine)
        key = Secret(hashlib.sha256(b"storm %d" % seed).hexdigest())
        self.signer = Signer(key, deposit_wallet_of(Signer(key).address))
        self.rest = DirectRest(clob_app(self.engine), self.clock, self.signer)
        self.folder = folder
        self.intake = Intake(self.clock)
        self._frames: list[tuple[int, int, bytes]] = []
        self._count = itertools.count()
        self._public: list[Rows] = []

    # What the venue says.

    def _hear_public(self, told: Rows) -> None:
        if not self.weather.loses_rows(self.clock.now_ns()):
            self._public.append(told.copy())

    def _ours(self, told: Rows) -> Rows:
        """Keep what is said of prices and of our window, in the slot that the desk has it in."""
        of_window = OF_WINDOWS[told["kind_code"]]
        kept: Rows = told[
            ~of_window | ((told["slot_id"] == self.window.slot) & (told["kind_code"] != Kind.MARKET_LISTED))
        ]
        kept["slot_id"][OF_WINDOWS[kept["kind_code"]]] = self.slot
        return kept

    def _hear_order(self, account: Account, order: PlacedOrder, news: str) -> None:
        self._post_frame(order_news(account, order, news, self.engine.now_ns()))

    def _hear_trade(self, account: Account, trade: Trade) -> None:
        self._post_frame(trade_news(account, trade, self.engine.now_ns()))

    def _post_frame(self, raw: bytes) -> None:
        now_ns = self.clock.now_ns()
        for late_ns in self.weather.frame(now_ns).late_ns:
            heapq.heappush(self._frames, (now_ns + late_ns, next(self._count), raw))

    # The run.

    async def play(self) -> Told:
        """Play the run to its end and hold everything against the laws."""
        self.clock.at_ns = self.begin_ns
        self.engine.step()
        before, self._public = self._public, []
        await self.rest.open()
        await self.rest.derive()
        self.window = self._window()
        session = Session(self.folder, created_ns=self.clock.now_ns(), code="storm")
        gateway, shell = self._desk(session)
        account = next(iter(self.engine.accounts.values()))
        watch = asyncio.get_running_loop().create_task(gateway.run())
        try:
            self.shell = shell
            self._tell(Arrived(What.LISTED, Wire.GAMMA, 0, self.clock.now_ns(), listing=self._listing()))
            self.slot = shell.slots.taken[self.window.slug]
            self._tell(Arrived(What.ROWS, Wire.GAMMA, 0, self.clock.now_ns(), rows=self._ours(np.concatenate(before))))
            self.rest.weather = self.weather
            for switch in self.weather.switches:
                self.engine.faults.add(switch)
            await self._live(shell, account)
            self._judge(shell, gateway, account)
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            await gateway.close()
            shell.close()
            session.close()
        played = play_session(self.folder)
        if played.difference:
            self.told.broken.append(f"the replay differs: {played.difference}")
        return self.told

    def _window(self) -> Window:
        open_s = self.close_ns // NS_PER_S - 300
        return next(each for each in self.engine.windows.values() if each.open_s == open_s)

    def _listing(self) -> Listing:
        parsed = gamma.parse(encode(self.catalogue.event(self.window, self.clock.now_ns())))
        assert not isinstance(parsed, Refused), parsed
        market, event = next(iter(gamma.windows_in(parsed.messages[0])))
        listing = listing_of(market, event)
        assert not isinstance(listing, Refused), listing
        return listing

    def _desk(self, session: Session) -> tuple[Gateway, Shell]:
        found: list[Shell] = []
        core = Core(self.params, CASH_MICROS)
        session.begin(core, {"mode": "storm"}, self.clock.now_ns())
        gateway = Referee(
            self, self.rest, self.clock, self.signer, self.intake,
            recorded=lambda order, its_hash: session.note({"order": order, "hash": its_hash}, self.clock.now_ns()),
            halted=lambda why: found[0].halt(why), gate=Gate(self.params, self.clock.now_ns()),
        )  # fmt: skip
        runner = FusedRunner(self.clock, self.told.seed)
        shell = Shell(
            clock=self.clock, intake=self.intake, session=session, core=core, desk=runner, door=gateway, news=gateway,
            prepare=gateway.prepare, hear_first=gateway.hear,
        )  # fmt: skip
        found.append(shell)
        gateway.shell = shell
        return gateway, shell

    def _tell(self, arrived: Arrived) -> None:
        self.shell.take([arrived])

    async def _live(self, shell: Shell, account: Account) -> None:
        ends_ns = self.close_ns + AFTER_S * NS_PER_S
        halts = list(self.weather.halts_ns)
        lift_ns = 0
        checked_ns = 0
        while self.clock.now_ns() < ends_ns:
            step_ns = self._step_ns()
            await self.clock.advance(self.clock.now_ns() + step_ns)
            now_ns = self.clock.now_ns()
            self.engine.step()
            if halts and halts[0] <= now_ns:
                halts.pop(0)
                self.told.halts += 1
                shell.halt("the storm's operator", Word.HALT)
                lift_ns = now_ns + LIFTED_NS
            elif lift_ns and now_ns >= lift_ns:
                lift_ns = 0
                shell.tell(_said(Word.RESUME))
            if now_ns >= self.rest_ns > now_ns - step_ns:
                shell.halt("the storm is over", Word.PULL_ALL)
            self._deliver(now_ns)
            shell.take(self.intake.drain(1 << 14))
            if shell.fault is not None:
                raise shell.fault
            if now_ns - checked_ns >= NS_PER_S:
                checked_ns = now_ns
                self.engine.check()
                self.hold_limit()
                shell.tell(_chain_head(now_ns))

    def _step_ns(self) -> int:
        now_ns = self.clock.now_ns()
        if now_ns < self.calm_ns:
            return STEP_NS
        return CALM_STEP_NS if now_ns < self.rest_ns else REST_STEP_NS

    def _deliver(self, now_ns: int) -> None:
        public, self._public = self._public, []
        if public:
            self.intake.put(Arrived(What.ROWS, Wire.GAMMA, 0, now_ns, rows=self._ours(np.concatenate(public))))
        while self._frames and self._frames[0][0] <= now_ns:
            _, _, raw = heapq.heappop(self._frames)
            self.intake.put(Arrived(What.FRAME, Wire.POLYMARKET_USER, 1, now_ns, raw=raw))

    # The laws.

    def hold_limit(self) -> None:
        """Hold what is at risk at the venue against the limit: when an order leaves, at every second, at the end."""
        at_risk = at_risk_micros(self.engine.accounts.values())
        if at_risk > int(self.params.position_micros) + MICROS // 100:
            self.told.broken.append(f"{at_risk} micros at risk at the venue, beyond the limit")

    def _judge(self, shell: Shell, gateway: Gateway, account: Account) -> None:
        """Hold, after the calm, what the desk believes against what the venue has."""
        assert shell.core is not None
        self.hold_limit()
        broken, world = self.told.broken, shell.core.world
        trades = list(account.trades.values())
        self.told.orders, self.told.doubts = len(account.orders), self.rest.doubts
        self.told.fills = len(trades)
        self.told.reversed = sum(trade.status == "FAILED" for trade in trades)
        self.told.pnl_micros = int(world["money"]["cash_micros"]) - CASH_MICROS
        open_there = [each.order_hash for each in account.orders.values() if each.is_open]
        if open_there:
            broken.append(f"orders rest at the venue at the end: {open_there}")
        if (world["orders"]["state_code"] != 0).any():
            broken.append("the core believes that orders are open at the end")
        theirs = self.engine.cash_micros(account) + self.engine.ledger.all_redeemable(account.api_key)
        ours = int(world["money"]["cash_micros"])
        if ours != theirs:
            broken.append(f"cash: the core has {ours}, the venue {theirs}")


def _chain_head(now_ns: int) -> Rows:
    """Say that the chain has made a block just now, at a usual fee."""
    seen = np.zeros(1, EVENT)
    seen["kind_code"], seen["source_code"], seen["value_usd"] = Kind.CHAIN_SEEN, Source.POLYGON, 30.0
    seen["ref_id"] = now_ns - NS_PER_S
    return seen


def _said(word: Word) -> Rows:
    told = np.zeros(1, EVENT)
    told["kind_code"], told["source_code"], told["code_id"] = Kind.OPERATOR_SAID, Source.OPERATOR, word
    return told


def _params(chance: np.random.Generator) -> Params:
    """Draw limits that bite, and a desk that trades a lot."""
    drawn: dict[str, float] = {
        "position_micros": float(chance.choice((40, 200, 1_000, 20_000))) * MICROS,
        "order_micros": float(chance.choice((10, 60, 400))) * MICROS,
        "daily_loss_micros": float(chance.choice((20, 100, 2_000))) * MICROS,
        "take_edge_bps": float(chance.choice((10, 60))), "quote_edge_bps": float(chance.choice((10, 80))),
        "keep_edge_bps": 0.0, "cooldown_ns": float(chance.choice((0, 300))) * NS_PER_MS, "arm_bps": 500.0,
        "requote_ns": 50.0 * NS_PER_MS, "interval_z": 0.5, "hold_sd_ratio": 0.0, "fair_weight_ratio": 1.0,
        "liquidity_micros": 10_000.0 * MICROS, "pause_e_log": 10.0, "platform_calm_ns": 1.0 * NS_PER_S,
        "may_exit_count": float(chance.integers(0, 2)),
    }  # fmt: skip
    return default_params(drawn)


class Referee(Gateway):
    """The real gateway, with somebody at the door who writes down every order that must not leave."""

    shell: Shell

    def __init__(self, run: Run, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._run = run

    def send(self, commands: Rows) -> None:
        """Look at what leaves, and let it go on to the gateway."""
        assert self.shell.core is not None
        world, run = self.shell.core.world, self._run
        for command in commands[commands["act_code"] == 1]:
            now_ns = run.clock.now_ns()
            if world["halted_code"]:
                run.told.broken.append(f"order {command['order_id']} was sent while halted")
            if now_ns >= run.close_ns:
                run.told.broken.append(f"order {command['order_id']} was sent after the close")
        super().send(commands)
        run.hold_limit()


def at_risk_micros(accounts: Iterable[Account]) -> int:
    """Give the most that accounts can lose, by the venue's own books, whoever wins and whatever matches of their bids.

    Shares of the winner pay a dollar, so complete sets are no risk. A trade that FAILED counts as it is more to our
    favour: the order before us may have been sent on its word, before anybody knew better.
    """
    losses: dict[str, list[int]] = {}
    for account in accounts:
        for trade in account.trades.values():
            loss = losses.setdefault(trade.order.window.slug, [0, 0])
            cost = trade.amount_micros * trade.price_bps // BPS + trade.fee_micros
            for winner in Token:
                harm = cost - trade.amount_micros * (trade.order.token is winner)
                loss[winner] += harm if trade.status != "FAILED" else min(harm, 0)
        for order in account.orders.values():
            loss = losses.setdefault(order.window.slug, [0, 0])
            if order.is_open:
                rest = order.amount_micros - order.matched_micros
                for winner in Token:
                    loss[winner] += max(rest * order.price_bps // BPS - rest * (order.token is winner), 0)
    return sum(max(0, *loss) for loss in losses.values())


def play(seed: int, folder: Path) -> Told:
    """Play the run of one seed; its journal is left in the folder."""
    return asyncio.run(Run(seed, folder).play())
