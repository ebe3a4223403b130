"""A round trip is asked for before it sends anything; a machine that reads JSON cannot be asked, so it must say yes."""

import json

import pytest
from typer.testing import CliRunner

from infra.cli.app import app


@pytest.mark.parametrize("more", [[], ["--spend"]])
def test_json_without_a_yes_sends_nothing(more: list[str]) -> None:
    result = CliRunner().invoke(app, ["doctor", "--roundtrip", *more, "--json"])
    told = json.loads(result.stdout)
    assert (result.exit_code, told["exit"]) == (2, 2)
    assert told["error"] == "--json cannot ask before it sends an order: add --yes"
