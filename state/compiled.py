"""The one way to compile the core: strict floating point, cached on disk, free of the interpreter lock.

`NUMBA_DISABLE_JIT=1` turns every compiled function back into plain Python for the debugger and for coverage.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba import extending, types

P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile a pure function on first use; no fast-math, so that every machine gives the same bits."""
    jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
    return cast(Callable[P, T], jit(function))


@extending.overload(int)
def _int_of_member(x: Any) -> Any:
    """Teach compiled code `int(Reason.HALTED)`, which plain Python knows."""
    if not isinstance(x, types.IntEnumMember):
        return None

    def value(x: Any) -> Any:
        return x.value

    return value
