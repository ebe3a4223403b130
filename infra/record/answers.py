"""Answers: every question of `agents.questions`, from a record, in plain JSON; nothing here can change anything."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from agents import questions
from agents.questions import FindDecisions, OfOrder, OfWindow, OneDecision, TwoDecisions, WhatIf, question
from evals import counterfactual as what_if
from evals.calibration import scored
from evals.explanation import explain
from evals.explanation_words import words
from evals.results import Forecasts
from infra.record.record import Missing, Order, Record
from infra.record.told import afterwards, told_line, told_order, told_window, utc
from state.reasons import WORDS, Reason
from state.records import as_dict
from state.units import BPS, MICROS, NS_PER_S

Plain = dict[str, Any]

LIKE: Final = 200
"""Like bids that are looked at for an estimate."""
LEFT_S: Final = (240, 120, 60, 30, 10)
"""Seconds to the close at which forecasts are scored, one moment each for a window."""


class Answers:
    """Answers questions from one record."""

    def __init__(self, record: Record) -> None:
        """Take a record; it may still grow."""
        self.record = record
        self._by_name: dict[str, Callable[[Any], Plain]] = {
            "find_decisions": self._find, "get_decision": self._get, "compare_decisions": self._compare,
            "counterfactual": self._what_if, "find_orders": self._orders, "windows": self._windows,
            "position_and_profit": self._profit, "feeds_and_health": self._health,
            "parameter_history": self._parameters, "risk_state": self._risk, "rules_of_the_day": self._rules,
            "calibration": self._calibration,
        }  # fmt: skip
        assert set(self._by_name) == {each.name for each in questions.QUESTIONS}, "a question without an answer"

    def answer(self, name: str, arguments: Mapping[str, Any]) -> Plain:
        """Answer a question; what cannot be answered comes back as `{"cannot": reason}`."""
        refused = questions.refusal(name, arguments)
        if refused is not None:
            return dict(refused)
        asked = question(name)
        assert asked is not None, "a question that there is not is refused"
        told = asked.arguments.model_validate(dict(arguments))
        self.record.refresh()
        return self._by_name[name](told)

    # Decisions.

    def _find(self, wanted: FindDecisions) -> Plain:
        record, lines = self.record, self.record.lines
        keep = np.ones(len(lines), bool)
        traded = np.isin(lines["mandate_id"], list(record.traded))
        if wanted.outcome == "stood_aside":
            keep &= lines["reason_code"] != 0
        elif wanted.outcome is not None:
            keep &= (lines["reason_code"] == 0) & (traded if wanted.outcome == "traded" else ~traded)
        if wanted.gate is not None:
            keep &= lines["gate_code"] == _gate_code(wanted.gate)
        if wanted.reason:
            named = wanted.reason.lower()
            codes = [int(code) for code, said in WORDS.items() if named in said.lower() or named == code.name.lower()]
            keep &= np.isin(lines["reason_code"], codes)
        if wanted.window is not None:
            window = record.windows.get(wanted.window)
            if window is None:
                return {"cannot": f"this record has no window {wanted.window}"}
            keep &= lines["open_s"] == window.open_ns // NS_PER_S
        found = lines[keep]
        order = np.argsort(-found["edge_bps"].max(axis=1)) if wanted.sort == "largest_edge" else np.arange(len(found))
        if wanted.sort == "newest":
            order = order[::-1]
        shown = [told_line(record, found[at]) for at in order[: wanted.most]]
        return {"found": len(found), "of": len(lines), "decisions": shown}

    def explanation(self, number: int) -> Plain:
        """Explain one decision; plain values, with the coded sentences under `words`."""
        line, decision = self.record.line(number), self.record.decision(number)
        if isinstance(line, Missing) or isinstance(decision, Missing):
            return {"cannot": line.words if isinstance(line, Missing) else decision.words}
        slug = self.record.slug_of(line)
        told = explain(
            decision, self.record.params_at(int(line["at_ns"])), slug, afterwards(self.record, number, slug)
        ).as_plain()
        return told | {"at": utc(told["at_ns"]), "words": words(told)}

    def _get(self, wanted: OneDecision) -> Plain:
        return self.explanation(wanted.decision)

    def _compare(self, wanted: TwoDecisions) -> Plain:
        first, second = self.explanation(wanted.first), self.explanation(wanted.second)
        for each in (first, second):
            if "cannot" in each:
                return each
        parts = {
            name: {"first": first[name], "second": second[name]}
            for name in ("outcome", "gate", "main_cause", "p_up", "p_book", "p_fair", "left_s", "stake_shares")
            if first[name] != second[name]
        }
        costs = {
            name: {"first": first["costs"][name], "second": value, "difference": _less(value, first["costs"][name])}
            for name, value in second["costs"].items()
            if value != first["costs"][name]
        }
        given = {
            one["source"]: {"first": one["contribution_logodds"], "second": other["contribution_logodds"]}
            for one, other in zip(first["contributions"], second["contributions"], strict=True)
        }
        return {"first": wanted.first, "second": wanted.second, "differs": parts, "costs": costs,
                "contributions_logodds": given}  # fmt: skip

    def _what_if(self, wanted: WhatIf) -> Plain:
        line, decision = self.record.line(wanted.decision), self.record.decision(wanted.decision)
        if isinstance(line, Missing) or isinstance(decision, Missing):
            return {"cannot": line.words if isinstance(line, Missing) else decision.words}
        params = self.record.params_at(int(line["at_ns"]))
        asked = [name for name in ("latency_ms", "ask_bps", "fee_rate_ppm", "without", "parameter", "posted_at_bps")
                 if getattr(wanted, name) is not None]  # fmt: skip
        if len(asked) != 1 or (wanted.parameter is not None) != (wanted.value is not None):
            return {"cannot": "say one change: latency_ms, ask_bps, fee_rate_ppm, without, parameter with value, or "
                              "posted_at_bps"}  # fmt: skip
        found: what_if.Answered | what_if.CannotAnswer
        if wanted.latency_ms is not None:
            found = what_if.with_latency(decision, params, wanted.latency_ms)
        elif wanted.ask_bps is not None:
            found = what_if.with_offer(decision, params, wanted.ask_bps)
        elif wanted.fee_rate_ppm is not None:
            found = what_if.with_fee(decision, params, wanted.fee_rate_ppm)
        elif wanted.without is not None:
            found = what_if.without_agent(decision, params, wanted.without)
        elif wanted.parameter is not None and wanted.value is not None:
            found = what_if.with_parameter(decision, params, wanted.parameter, wanted.value)
        else:
            return self._posted(line, decision, int(wanted.posted_at_bps or 0))
        if isinstance(found, what_if.CannotAnswer):
            return {"cannot": found.words}
        return {"decision": wanted.decision, **asdict(found), "turned": found.turned}

    def _posted(self, line: Any, decision: Any, price_bps: int) -> Plain:
        bid = _bid(decision, price_bps)
        mine = self._filled(self.record.slug_of(line), bid)
        if isinstance(mine, Missing):
            return {"cannot": mine.words}
        below = _best_bid(decision, bid.token) - price_bps
        lines = self.record.lines
        like: list[tuple[what_if.Bid, int]] = []
        for other in lines[:: max(len(lines) // LIKE, 1)]:
            each = _like(bid, other, below)
            filled = self._filled(self.record.slug_of(other), each) if each is not None else Missing("no bid there")
            if each is not None and not isinstance(filled, Missing):
                like.append((each, filled))
        found = what_if.posted(bid, mine, like)
        if isinstance(found, what_if.CannotAnswer):
            return {"cannot": found.words}
        return {"decision": int(line["mandate_id"]), "token": ("UP", "DOWN")[bid.token], "posted_at_bps": price_bps,
                "below_best_bid_bps": below, **asdict(found)}  # fmt: skip

    def _filled(self, slug: str, bid: what_if.Bid) -> int | Missing:
        trades = self.record.trades(slug)
        if isinstance(trades, Missing):
            return trades
        return what_if.filled_micros(
            bid, trades.seen_ns, trades.token, trades.sold, trades.price_bps, trades.shares_micros
        )

    # Orders, windows, money.

    def _orders(self, wanted: OfOrder) -> Plain:
        found: list[Order] = list(self.record.orders.values())
        if wanted.order is not None:
            found = [order for order in found if order.number == wanted.order]
            if not found:
                return {"cannot": f"this record has no order {wanted.order}"}
        if wanted.decision is not None:
            found = [order for order in found if order.decision == wanted.decision]
        if wanted.window is not None:
            found = [order for order in found if order.window == wanted.window]
        return {"found": len(found), "orders": [told_order(order) for order in found[-wanted.most :]]}

    def _windows(self, wanted: OfWindow) -> Plain:
        if wanted.window is not None:
            window = self.record.windows.get(wanted.window)
            return {"cannot": f"this record has no window {wanted.window}"} if window is None else told_window(window)
        return {"found": len(self.record.windows), "windows": [told_window(w) for w in self.record.windows.values()]}

    def _profit(self, _: questions.NoArguments) -> Plain:
        windows = list(self.record.windows.values())
        settled = [window for window in windows if window.outcome]
        standing = [window for window in windows if not window.outcome]
        orders = list(self.record.orders.values())
        failed = sum(fill.is_reversed for order in orders for fill in order.fills)
        return {
            "mode": self.record.mode, "began_with_usd": self.record.cash_micros / MICROS,
            "settled_windows": len(settled), "settled_profit_usd": sum(w.realised_micros for w in settled) / MICROS,
            "windows_with_profit": sum(w.realised_micros > 0 for w in settled),
            "windows_with_loss": sum(w.realised_micros < 0 for w in settled),
            "fees_usd": sum(w.fees_micros for w in windows) / MICROS,
            "at_risk_usd": sum(max(w.spent_micros, 0) for w in standing) / MICROS,
            "holds": [told_window(w) for w in standing if w.up_micros or w.down_micros],
            "orders": len(orders), "orders_filled": sum(bool(order.filled_micros) for order in orders),
            "fills_failed_on_chain": failed,
        }  # fmt: skip

    # The state of things.

    def _health(self, _: questions.NoArguments) -> Plain:
        notes = self.record.notes
        last: dict[str, Plain] = {}
        for at_ns, note in notes:
            if "connection" in note:
                last[str(note["wire"])] = {"state": note["connection"], "why": note.get("why", ""), "at": utc(at_ns)}
        drops = Counter(str(note["wire"]) for _, note in notes if note.get("connection") == "disconnected")
        halts = [{"at": utc(at_ns), "why": note["halted"]} for at_ns, note in notes if "halted" in note]
        alarms = [{"at": utc(at_ns), "what": note["alarm"]} for at_ns, note in notes if "alarm" in note]
        if not last:
            return {"cannot": "this record has no connections: it is no live session"}
        return {
            "feeds": {wire: told | {"disconnects": drops[wire]} for wire, told in sorted(last.items())},
            "halts": halts[-10:], "alarms": alarms[-10:],
            "operator": [{"at": utc(at_ns), "said": said} for at_ns, said in self.record.words[-10:]],
        }  # fmt: skip

    def _parameters(self, _: questions.NoArguments) -> Plain:
        first, *later = self.record.params
        told = [note["params changed"] for _, note in self.record.notes if "params changed" in note]
        changes = [
            {"at": utc(each.since_ns), "receipt": note["receipt"], "why": note["why"],
             "changes": [{"name": c.name, "before": c.before, "after": c.after} for c in each.changes]}
            for each, note in zip(later, told, strict=False)
        ]  # fmt: skip
        began = as_dict(first.params) if later else {}
        return {"in_force": as_dict(self.record.params[-1].params), "began_with": began, "changes": changes}

    def _risk(self, _: questions.NoArguments) -> Plain:
        view, params = self._last_view(), as_dict(self.record.params[-1].params)
        if isinstance(view, Missing):
            return {"cannot": view.words}
        used = {
            "position": (int(view["cost_micros"]), params["position_micros"]),
            "daily_loss": (max(-int(view["day_pnl_micros"]), 0), params["daily_loss_micros"]),
            "loss_in_a_jump": (int(view["tail_loss_micros"]), params["tail_loss_micros"]),
        }
        limits = {
            name: {
                "used_usd": now / MICROS,
                "limit_usd": most / MICROS,
                "used_ratio": round(now / most, 4) if most else 1.0,
            }
            for name, (now, most) in used.items()
        }  # fmt: skip
        nearest = max(limits, key=lambda name: limits[name]["used_ratio"])
        return {
            "at": utc(int(view["now_ns"])), "limits": limits, "nearest": nearest,
            "windows_with_risk": int(view["risky_windows_count"]), "windows_allowed": params["concurrent_count"],
            "book_liquidity_usd": int(view["book_notional_micros"]) / MICROS,
            "liquidity_minimum_usd": params["liquidity_micros"] / MICROS,
            "halted": bool(view["halted_code"]), "platform_code": int(view["platform_code"]),
            "averaging_minute_fault": WORDS[Reason(int(view["spot_code"]))] if int(view["spot_code"]) else "",
        }  # fmt: skip

    def _rules(self, wanted: OfWindow) -> Plain:
        view: Any = self._last_view()
        if wanted.window is not None:
            window = self.record.windows.get(wanted.window)
            lines = self.record.lines
            mine = lines[lines["open_s"] == window.open_ns // NS_PER_S] if window is not None else lines[:0]
            if not len(mine):
                return {"cannot": f"this record has no decision in {wanted.window}"}
            whole = self.record.decision(int(mine["mandate_id"][-1]))
            view = whole if isinstance(whole, Missing) else whole["market"]
        if isinstance(view, Missing):
            return {"cannot": view.words}
        return {
            "settles_on": "the average price over the rule's look-back at both ends; a tie is UP",
            "fee_rate_ppm": int(view["fee_rate_ppm"]), "fee_exponent": int(view["fee_exponent_count"]),
            "taker_hold_ms": int(view["hold_ns"]) / 1e6, "tick_bps": int(view["tick_bps"]),
            "least_shares": int(view["min_shares_micros"]) / MICROS,
            "least_notional_usd": int(view["min_notional_micros"]) / MICROS,
            "refused": bool(view["rules_refused_code"]),
        }  # fmt: skip

    def _last_view(self) -> Any:
        if self.record.view is None and len(self.record.lines):
            whole = self.record.decision(int(self.record.lines["mandate_id"][-1]))
            if isinstance(whole, Missing):
                return whole
            self.record.view = whole["market"]
        return Missing("this record has no decision yet") if self.record.view is None else self.record.view

    def _calibration(self, _: questions.NoArguments) -> Plain:
        forecasts = forecasts_of(self.record)
        if not len(forecasts):
            return {"cannot": "no window of this record is settled yet: nothing can be scored"}
        rows = [
            {"forecaster": row.forecaster, "band": row.band, "brier": round(row.brier.mean, 6),
             "log_loss": round(row.log_loss.mean, 6), "against_book": round(row.against.mean, 6),
             "against_book_low": _finite(row.against.low), "against_book_high": _finite(row.against.high),
             "moments": row.brier.count, "windows": row.brier.clusters}
            for row in scored(forecasts)
        ]  # fmt: skip
        return {"scores": rows}


def forecasts_of(record: Record) -> Forecasts:
    """Give what was forecast at fixed moments of every settled window: the last decision before each moment."""
    lines = record.lines
    kept: list[Any] = []
    ups: list[int] = []
    lefts: list[int] = []
    for window in record.windows.values():
        if not window.outcome:
            continue
        mine = lines[(lines["open_s"] == window.open_ns // NS_PER_S) & (lines["p_mid"] >= 0) & (lines["p_fair"] >= 0)]
        for left_s in LEFT_S:
            before = mine[mine["left_ns"] >= left_s * NS_PER_S]
            if len(before):
                kept.append(before[-1])
                ups.append(int(window.outcome == "UP"))
                lefts.append(left_s)
    if not kept:
        return Forecasts()
    rows = np.array(kept, lines.dtype)
    return Forecasts(
        window_s=rows["open_s"].astype(np.int64), left_s=np.array(lefts), up=np.array(ups),
        p_up={"fused": rows["p_up"].copy(), "fair": rows["p_fair"].copy(), "mid": rows["p_mid"].copy(),
              "point": rows["p_point"].copy()},
        bid_bps=np.full(len(rows), np.nan), ask_bps=np.full(len(rows), np.nan),
    )  # fmt: skip


def _finite(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None


def _less(value: Any, other: Any) -> float | None:
    return round(value - other, 6) if isinstance(value, float | int) and isinstance(other, float | int) else None


def _gate_code(name: str) -> int:
    from state.reasons import Gate

    return int(Gate[name.upper()])


def _like(bid: what_if.Bid, line: Any, below_bps: int) -> what_if.Bid | None:
    """Give a like bid at another decision: as far below the best bid, for as much, behind as much at its price.

    What stood ahead there is in no line; what stood ahead of the bid that is asked about is taken for it.
    """
    other = int(line["ask_bps"][1 - bid.token])
    price = BPS - other - below_bps
    if other < 0 or not 0 < price < BPS:
        return None
    return what_if.Bid(
        window=int(line["open_s"]), token=bid.token, price_bps=price, shares_micros=bid.shares_micros,
        ahead_micros=bid.ahead_micros, through_only=bid.through_only, from_ns=int(line["at_ns"]),
        until_ns=int(line["at_ns"]) + int(line["left_ns"]),
    )  # fmt: skip


def _best_bid(decision: Any, token: int) -> int:
    market = decision["market"]
    own, other = int(market["bid_bps"][token]), int(market["ask_bps"][1 - token])
    return max(own, BPS - other) if other >= 0 else own


def _bid(decision: Any, price_bps: int) -> what_if.Bid:
    """Give the bid that would have rested at a price when a decision was made, for one order's worth of shares."""
    market, alpha = decision["market"], decision["alpha"]
    side = int(np.argmax(alpha["edge_bps"]))
    best = _best_bid(decision, side)
    shares = max(int(decision["mandate"]["shares_micros"][side]), int(market["min_shares_micros"]), MICROS)
    ahead = max(int(market["bid_touch_micros"][side]), int(market["ask_touch_micros"][1 - side]))
    return what_if.Bid(
        window=int(market["open_ns"]) // NS_PER_S, token=side, price_bps=price_bps, shares_micros=shares,
        ahead_micros=ahead if price_bps == best else 0, through_only=price_bps < best,
        from_ns=int(market["now_ns"]), until_ns=int(market["close_ns"]),
    )  # fmt: skip
