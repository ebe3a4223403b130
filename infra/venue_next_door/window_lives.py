"""Windows from their listing to their resolution: made of the venue's own rows, with ids that a seed decides.

A row that lists, rules, strikes or settles a market is the only thing that changes a window; what the venue tells of
it later than it knows (hydration, strike, resolution) waits on the agenda, and faults make it wait longer.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from infra.venue_next_door.agenda import Agenda
from infra.venue_next_door.faults import Fault, Faults
from infra.venue_next_door.nouns import Window
from infra.venue_next_door.window_words import length_of
from state.events import Asset, Kind, StrikeSource, Token
from state.units import MICROS, NS_PER_MS, NS_PER_S

WindowNews = Callable[[Window, str], None]

FORGOTTEN_AFTER_S: Final = 24 * 3600
"""After the close; by then everything about a window has been asked."""
POSITION_MASK: Final = ((1 << 64) - 1) << 40
"""A position id of the venue's next generation has none of these bits (venue reference 1.2)."""
HYDRATED_MS: Final = (1_500, 6_000)
"""From listing to the CLOB's knowing the tokens: some seconds; minutes have been seen (venue reference 2.2)."""
_LEAST_ID: Final = 10**76 + (1 << 104)
_PAST_ID: Final = 10**77
_GAMMA_FIRST: Final = 2_000_000
_GAMMA_COUNT: Final = 7_000_000
_AGAIN_NS: Final = NS_PER_S // 4
"""How often something that a fault holds back is tried again."""


def digest_of(seed: int, slug: str, what: str) -> int:
    """Give 256 bits that belong to a run's seed, a window and a word."""
    return int.from_bytes(hashlib.sha256(f"{seed} {slug} {what}".encode()).digest(), "big")


def token_id_of(seed: int, slug: str, token: Token, version: str) -> str:
    """Give a token's id: 77 digits, in or out of the name space of position ids.

    >>> len(token_id_of(1, "btc-updown-5m-1792638000", Token.UP, "v1"))
    77
    """
    wide = _LEAST_ID + digest_of(seed, slug, f"token {token.name}") % (_PAST_ID - _LEAST_ID - (1 << 41))
    if version == "v2":
        return str(wide & ~POSITION_MASK)
    return str(wide if wide & POSITION_MASK else wide | 1 << 40)


class WindowLives:
    """All windows that are remembered, and how each comes to its next stage."""

    def __init__(
        self, agenda: Agenda, faults: Faults, rules: Any, tell: WindowNews, *, seed: int, version: str
    ) -> None:  # fmt: skip
        """Begin without windows.

        Args:
            agenda: Where what comes later is noted.
            faults: Asked at the moment that something would become known.
            rules: Rows of `state.rules.Rules` by slot: what the matching holds to be in force.
            tell: Is told of every stage.
            seed: Part of every id.
            version: Which orders the venue takes: "v1" or "v2" in Gamma's words.
        """
        assert version in ("v1", "v2"), f"the venue knows orders v1 and v2, not {version}"
        self.windows: dict[str, Window] = {}
        self.by_slot: dict[int, Window] = {}
        self._by_condition: dict[str, Window] = {}
        self._by_token: dict[str, Window] = {}
        self._agenda = agenda
        self._faults = faults
        self._rules = rules
        self._tell = tell
        self._seed = seed
        self._version = version

    def by_condition(self, condition_id: str) -> Window | None:
        """Give the window of a condition; hex letters may be of either case."""
        return self._by_condition.get(condition_id.lower())

    def by_token(self, token_id: str) -> Window | None:
        """Give the window of a token."""
        return self._by_token.get(token_id)

    def take(self, row: np.void, now_ns: int) -> None:
        """Let a row change a window, at the moment that the venue tells of it."""
        kind, slot = int(row["kind_code"]), int(row["slot_id"])
        if kind == Kind.MARKET_LISTED:
            self._list(row, slot, now_ns)
            return
        window = self.by_slot.get(slot)
        if window is None:
            return  # the recording begins in the middle of its life
        if kind == Kind.STRIKE_SEEN and int(row["code_id"]) == StrikeSource.VENUE:
            self._await_strike(window, float(row["value_usd"]), now_ns)
        elif kind == Kind.SETTLED:
            self._resolve(window, Token(int(row["code_id"])), float(row["value_usd"]), now_ns)
        elif kind in (Kind.RULE_GIVEN, Kind.TICK_CHANGED):
            if kind == Kind.TICK_CHANGED:
                window.tick_bps = int(row["price_bps"])
            self._read_rules(window, is_new=kind == Kind.RULE_GIVEN)

    def _list(self, row: np.void, slot: int, now_ns: int) -> None:
        open_s = int(row["ref_id"]) // NS_PER_S
        window = Window(
            slug="", asset=Asset(int(row["code_id"])), open_s=open_s, span_s=int(row["span_s"]), slot=slot,
            condition_id="", question_id="", gamma_id=0, tokens=("", ""), version=self._version, listed_ns=now_ns,
        )  # fmt: skip
        window.slug = slug = f"{window.asset.name.lower()}-updown-{length_of(window)}-{open_s}"
        if slug in self.windows:
            return  # told twice
        window.condition_id = f"0x{digest_of(self._seed, slug, 'condition'):064x}"
        window.question_id = f"0x{digest_of(self._seed, slug, 'question'):064x}"
        window.gamma_id = self._free_gamma_id(digest_of(self._seed, slug, "gamma"))
        up, down = (token_id_of(self._seed, slug, token, self._version) for token in Token)
        window.tokens = up, down
        self.by_slot[slot] = window
        self._read_rules(window, is_new=True)
        self.windows[slug] = window
        self._by_condition[window.condition_id] = window
        self._by_token |= dict.fromkeys(window.tokens, window)
        self._tell(window, "listed")
        first_ms, last_ms = HYDRATED_MS
        wait_ms = first_ms + digest_of(self._seed, slug, "hydrated") % (last_ms - first_ms)
        self._agenda.add(now_ns + wait_ms * NS_PER_MS, lambda at_ns: self._hydrate(window, at_ns))

    def _free_gamma_id(self, digest: int) -> int:
        taken = {window.gamma_id for window in self.windows.values()}
        number = digest % _GAMMA_COUNT
        while _GAMMA_FIRST + number in taken:
            number = (number + 1) % _GAMMA_COUNT
        return _GAMMA_FIRST + number

    def _read_rules(self, window: Window, *, is_new: bool) -> None:
        """Take over what the matching holds to be in force."""
        rules = self._rules[window.slot]
        if is_new:
            window.tick_bps = int(rules["tick_bps"])
        window.min_shares = int(rules["min_shares_micros"]) // MICROS
        window.fee_rate = int(rules["fee_rate_ppm"]) / MICROS
        window.lookback_s = int(rules["lookback_s"])

    def _hydrate(self, window: Window, at_ns: int) -> None:
        if self._faults.is_on(Fault.NOT_HYDRATED):
            self._agenda.add(at_ns + _AGAIN_NS, lambda at_ns: self._hydrate(window, at_ns))
            return
        window.hydrated_ns = at_ns
        self._tell(window, "hydrated")

    def _await_strike(self, window: Window, usd: float, now_ns: int) -> None:
        late_ns = round(self._faults.value(Fault.LATE_STRIKE) * NS_PER_S)
        if late_ns > 0:
            self._agenda.add(now_ns + late_ns, lambda at_ns: self._strike(window, usd, at_ns))
        else:
            self._strike(window, usd, now_ns)

    def _strike(self, window: Window, usd: float, at_ns: int) -> None:
        window.strike_usd = usd + self._faults.value(Fault.WRONG_STRIKE)
        window.strike_published_ns = at_ns
        self._tell(window, "strike")

    def _resolve(self, window: Window, outcome: Token, final_usd: float, at_ns: int) -> None:
        if window.outcome is not None:
            return
        if self._faults.is_on(Fault.UNRESOLVED):
            self._agenda.add(at_ns + _AGAIN_NS, lambda at_ns: self._resolve(window, outcome, final_usd, at_ns))
            return
        window.outcome, window.final_usd, window.resolved_ns = outcome, final_usd, at_ns
        self._tell(window, "resolved")

    def forget(self, now_ns: int) -> list[Window]:
        """Forget what ended long ago; gives what was forgotten."""
        old_ns = now_ns - FORGOTTEN_AFTER_S * NS_PER_S
        old = [window for window in self.windows.values() if window.close_ns < old_ns]
        for window in old:
            del self.windows[window.slug], self._by_condition[window.condition_id]
            for token_id in window.tokens:
                del self._by_token[token_id]
            if self.by_slot.get(window.slot) is window:
                del self.by_slot[window.slot]
        return old
