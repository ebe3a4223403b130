"""The command line's door: `updown ...` and `python -m infra ...` are the same."""

import sys
from typing import Final

from infra.cli.app import app
from infra.quiet import give_way

ASIDE: Final = ("chat", "evals", "mcp", "supervise")
"""Commands that work beside a desk and never for it: they take what it leaves of the processors."""


def main() -> None:
    """Run one command and exit with its code."""
    if sys.argv[1:2] and sys.argv[1] in ASIDE:
        give_way()
    app(prog_name="updown")


if __name__ == "__main__":
    main()
