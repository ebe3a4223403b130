"""Settings: one TOML file and single changes on top of it, checked name by name, unknown names refused."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from infra.addresses import PRODUCTION, Addresses
from infra.hedge.settings import HedgeSettings, HedgeUnclear, hedge_from
from state.params import BOUNDS, OutOfBounds, Params, UnknownParameter, checked, default_params, difference

SECTION: Final = "params"
ADDRESSES: Final = "addresses"
ACCOUNT: Final = "account"
HEDGE: Final = "hedge"
SECTIONS: Final = (SECTION, ADDRESSES, ACCOUNT, HEDGE)
WALLET_KINDS: Final = range(4)
"""Signature types (venue reference 1.3): the key's own account, a proxy, a safe, a deposit wallet."""
_WALLET: Final = re.compile(r"0x[0-9a-fA-F]{40}")


class SettingsRefused(ValueError):
    """A settings file or a change that cannot stand; one line: where, what, and how to mend it."""


def read_params(file: Path | None = None, changes: Sequence[str] = ()) -> Params:
    """Give the parameters of a settings file with single changes on top.

    Args:
        file: TOML with a section `[params]`; None for the defaults.
        changes: Words `name=value`. A limit may be lowered here and raised only in the file (design, section 4).

    Raises:
        SettingsRefused: the file cannot be read as such, or a limit would be raised.
        UnknownParameter, OutOfBounds: a name or a value that cannot be; the line begins with where it stands.
    """
    section = _of_file(file).get(SECTION, {}) if file is not None else {}
    values = {name: _checked(str(file), name, value) for name, value in section.items()}
    before = default_params(values)
    for change in changes:
        name, value = of_change(change)
        values[name] = value
    after = default_params(values)
    for step in difference(before, after):
        if BOUNDS[step.name].limit and step.riskier:
            raise SettingsRefused(
                f"--set {step.name}={step.after:g}: a limit is raised from {step.before:g} in the settings file only"
            )
    return after


def _of_file(file: Path) -> dict[str, Any]:
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsRefused(f"{file}: not TOML ({error}); write lines `name = value` under [{SECTION}]") from error
    odd = sorted(set(told) - set(SECTIONS))
    if odd:
        raise SettingsRefused(
            f"{file}: unknown key {odd[0]!r}; parameters stand under [{SECTION}], servers under [{ADDRESSES}], the "
            f"wallet under [{ACCOUNT}], the hedge under [{HEDGE}]"
        )
    for name in SECTIONS:
        if not isinstance(told.get(name, {}), dict):
            raise SettingsRefused(f"{file}: {name} is no section; begin it with a line [{name}]")
    return told


def read_addresses(file: Path | None = None) -> Addresses:
    """Give the servers' addresses: production's, with those on top that a settings file names under `[addresses]`.

    Raises:
        SettingsRefused: a name that is no server, or a value that is no address of its kind.
    """
    if file is None:
        return PRODUCTION
    known = {each.name: getattr(PRODUCTION, each.name) for each in fields(Addresses)}
    told: dict[str, str] = {}
    for name, value in _of_file(file).get(ADDRESSES, {}).items():
        if name not in known:
            raise SettingsRefused(f"{file}: no server {name!r}; there are {', '.join(known)}")
        kinds = ("ws://", "wss://") if known[name].startswith("ws") else ("http://", "https://")
        if not isinstance(value, str) or not value.startswith(kinds):
            raise SettingsRefused(f"{file}: {name} = {value!r} must begin with {' or '.join(kinds)}")
        told[name] = value.rstrip("/")
    return replace(PRODUCTION, **told)


def read_hedge(file: Path | None = None, where: str = "") -> HedgeSettings:
    """Give the hedge that a settings file's section `[hedge]` wants; off where nothing says otherwise.

    Args:
        file: TOML; None for the defaults.
        where: The place, if the command line names one.

    Raises:
        SettingsRefused: a name that there is not, or a value that cannot stand.
    """
    section = _of_file(file).get(HEDGE, {}) if file is not None else {}
    try:
        return hedge_from(section, where)
    except HedgeUnclear as error:
        raise SettingsRefused(f"{file}: {error}" if file is not None else str(error)) from None


def read_account(file: Path | None = None) -> dict[str, str]:
    """Give whose money is spent, as a settings file names it under `[account]`: the wallet and its type.

    In the words of the environment, which goes before the file: UPDOWN_WALLET and UPDOWN_WALLET_TYPE. The key itself
    stands in no file of settings.

    Raises:
        SettingsRefused: another name, no address, or no kind of wallet.
    """
    told: dict[str, str] = {}
    for name, value in (_of_file(file).get(ACCOUNT, {}) if file is not None else {}).items():
        if name == "wallet":
            if not isinstance(value, str) or _WALLET.fullmatch(value) is None:
                raise SettingsRefused(f"{file}: wallet is no address: it must be 0x and 40 hex digits")
            told["UPDOWN_WALLET"] = value
        elif name == "wallet_type":
            if not isinstance(value, int) or isinstance(value, bool) or value not in WALLET_KINDS:
                raise SettingsRefused(
                    f"{file}: wallet_type = {value!r} is no kind of wallet; 0 is the key's own account, 1 a proxy, 2 a "
                    "safe, 3 a deposit wallet"
                )
            told["UPDOWN_WALLET_TYPE"] = str(value)
        else:
            raise SettingsRefused(f"{file}: no {name!r} under [{ACCOUNT}]; there are wallet and wallet_type")
    return told


def of_change(change: str, option: str = "--set") -> tuple[str, float]:
    """Give name and value of a word `name=value` that stood behind an option.

    Raises:
        SettingsRefused: it is no such word.
        UnknownParameter, OutOfBounds: there is no such parameter, or it cannot have that value.
    """
    name, mark, text = change.partition("=")
    try:
        value = float(text)
    except ValueError:
        mark = ""
        value = 0.0
    if not mark:
        raise SettingsRefused(f"{option} {change}: say name=value with a number, as in {option} take_edge_bps=150")
    return name.strip(), _checked(f"{option} {change}", name.strip(), value)


def _checked(where: str, name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise SettingsRefused(f"{where}: {name} = {value!r} is no number")
    try:
        return checked(name, value)
    except (UnknownParameter, OutOfBounds) as error:
        raise type(error)(f"{where}: {error}") from None
