"""The command line's door: `updown ...` and `python -m infra ...` are the same."""

from infra.cli.app import app


def main() -> None:
    """Run one command and exit with its code."""
    app(prog_name="updown")


if __name__ == "__main__":
    main()
