"""The one way to compile the core: strict floating point, cached on disk, free of the interpreter lock.

`NUMBA_DISABLE_JIT=1` turns every compiled function back into plain Python for the debugger and for coverage.

Three settings of the compiler are ours, each measured on the whole core (2026-11-22, some 400 functions before):

* Calls with a constant argument, or with a narrow integer, share one compiled function with all others; Numba would
  compile one for each (`draw_ppm` alone stood there ten times). Constants still reach the inlined code.
* A record type's name is a digest. Numba spells out every field in it, 13,000 letters for the world, and the name
  stands in every symbol of every function.
* No vectorisation of loops: it gains nothing here, costs compile time, and sums must have one order everywhere.
"""

import hashlib
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba import config, extending, types

P = ParamSpec("P")
T = TypeVar("T")

_settings: Any = config
_settings.LOOP_VECTORIZE = 0
_settings.SLP_VECTORIZE = 0


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile a pure function on first use; no fast-math, so that every machine gives the same bits.

    It is called from Python or from other compiled functions, never handed to C: so no wrapper for C is made.
    """
    options: Any = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    jit: Any = numba.njit(**options)(function)
    if not _settings.DISABLE_JIT:
        _share_constants(jit)
    return cast(Callable[P, T], jit)


def _share_constants(dispatcher: Any) -> None:
    """Let calls from compiled code forget that an argument is a constant or narrow when they choose what to compile."""
    choose = dispatcher.get_call_template

    def choose_plain(args: Any, kws: Any) -> Any:
        return choose(tuple(_plain(arg) for arg in args), {name: _plain(arg) for name, arg in kws.items()})

    dispatcher.get_call_template = choose_plain


def _plain(arg: Any) -> Any:
    kinds: Any = types
    arg = kinds.unliteral(arg)
    narrow = isinstance(arg, kinds.Integer) and arg.bitwidth < 64
    return kinds.int64 if narrow else arg


def _name_records_shortly() -> None:
    spell: Any = types.Record.__init__

    def name(record: Any, *args: Any, **kwargs: Any) -> None:
        spell(record, *args, **kwargs)
        record.name = f"Record{hashlib.sha256(record.name.encode()).hexdigest()[:16]}"

    record_type: Any = types.Record
    record_type.__init__ = name
    record_type.__repr__ = _short_name


def _short_name(record: Any) -> str:
    return str(record.name)


_name_records_shortly()


@extending.overload(int)
def _int_of_member(x: Any) -> Any:
    """Teach compiled code `int(Reason.HALTED)`, which plain Python knows."""
    if not isinstance(x, types.IntEnumMember):
        return None

    def value(x: Any) -> Any:
        return x.value

    return value
