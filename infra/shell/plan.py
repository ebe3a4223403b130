"""What a live session is to be, and what follows from that alone: its account, and what lifts what stopped it."""

from dataclasses import dataclass, field
from pathlib import Path

from infra.addresses import Addresses
from infra.bus.cluster import Cluster
from infra.clock import Clock
from infra.fast_state.port import FastState
from infra.hedge.ccxt_perp import HedgeKeys
from infra.hedge.settings import HedgeSettings
from infra.shell.arming import Arming, words_for
from infra.shell.shell import Shell
from infra.shell.wallet_day import WalletBooks
from infra.venues.credentials import Secret
from infra.venues.secrets import Identity
from infra.venues.signing import Signer
from state.events import Word
from state.params import Params
from tools.retuning import Retune


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a session is to be."""

    mode: str
    """live: orders to the venue, once it is armed; demo: to the venue next door; paper: to the matching model; record:
    nowhere, and no core."""
    addresses: Addresses
    clock: Clock
    folder: Path
    params: Params
    cash_micros: int
    code: str
    seed: int = 1
    windows: int = 0
    """End after so many have settled; 0: go on until stopped."""
    seconds: float = 0.0
    """End after so much real time; 0: go on."""
    keep_frames: bool = False
    key: Secret | None = field(default=None, repr=False)
    """Signs orders (demo) and opens PolyBolt; without one RTDS stands in for it."""
    wallet: str = ""
    identity: Identity | None = field(default=None, repr=False)
    """Who trades in a live session, where the key may be held elsewhere; in its place, not beside it."""
    arming: Arming | None = None
    """A live session has one: it observes until an operator arms it."""
    hedge: HedgeSettings = HedgeSettings()  # noqa: RUF009 - frozen
    """Off unless it is asked for."""
    hedge_keys: HedgeKeys | None = None
    """Of the perpetual's exchange, unless the hedge is on paper."""
    wallet_books: WalletBooks | None = None
    """The books of all sessions of the key of a live session: the day's loss is the wallet's, not the session's."""
    retune: Retune = Retune.SAFER
    """How far parameters may be changed while it runs; what shrinks risk always may, unless nobody may change any."""
    store: FastState | None = None
    """The fast state that others share; None: the session's own."""
    ledger_dsn: str = field(default="", repr=False)
    """Address of the database that keeps the books; empty: they lie beside the journal."""
    feeds_from: Cluster | None = None
    """Frames of the feeds come off this bus, from an ingest; None: from sockets of our own."""
    shares_windows: bool = False
    """Other desks trade beside this one: a window is followed only with its lease, which the store gives."""
    resume: bool = False
    """The operator lifts what halted the session before this start; a live one is armed with that instead."""


def about_of(plan: Plan) -> dict[str, str]:
    """Give what stays the same for as long as a journal is gone on with: mode, account and venue."""
    about = {"mode": plan.mode}
    if plan.mode in ("demo", "live"):
        about |= {"account": signer_of(plan).wallet, "clob": plan.addresses.clob}
    return about


def signer_of(plan: Plan) -> Signer:
    """Give who signs for a session that has an account."""
    if plan.identity is not None:
        return plan.identity.signer()
    assert plan.key is not None, "who orders has a key"
    return Signer(plan.key, plan.wallet)


def lift(plan: Plan, shell: Shell) -> None:
    """Let a session with play money, which nobody has to arm, trade again; after a kill all of it may be risked."""
    shell.halted_why = ""
    if shell.core is not None and int(shell.core.world["stops_mask"]) >> int(Word.KILL) & 1:
        shell.tell(words_for(True, plan.cash_micros))
    shell.say(Word.RESUME)


def is_killed(shell: Shell) -> bool:
    """Say whether the core stands still for a kill."""
    return shell.core is not None and int(shell.core.world["halted_code"]) == Word.KILL
