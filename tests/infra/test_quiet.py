"""A quiet process is as it was before once it is quiet no more."""

import gc
import sys

from infra.quiet import SWITCH_S, YOUNG, quiet


def test_collector_and_threads_are_as_before_afterwards() -> None:
    before = gc.get_threshold(), sys.getswitchinterval()
    with quiet():
        assert gc.get_threshold()[0] == YOUNG and abs(sys.getswitchinterval() - SWITCH_S) < 1e-9
        assert gc.get_freeze_count() > 0
    assert (gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count()) == (*before, 0)
