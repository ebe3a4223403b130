"""Set the stage for every test: one place for machine code, the tests' own helpers on the path, patient hypothesis.

tests is a folder of files, not a package. The compile cache is named by the sources' digest, so no test can run stale
machine code; hypothesis has no deadline, since a first call may compile.
"""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

from infra.compile_cache import cache_folder, point_at, prepare

sys.path.insert(0, str(Path(__file__).parent))
point_at(cache_folder())
settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("storm", deadline=None, max_examples=2_000)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the core before the tests are shared out to several processes: each would compile it for itself."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        prepare()
