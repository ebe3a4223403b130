"""The proof of Studio, run small: three graphs in a real server, a fork, an approval, a talk."""

import importlib.util

import pytest

from infra.proofs.studio import prove_studio

pytestmark = pytest.mark.rehearsal


def test_three_graphs_are_served_stepped_forked_approved_and_talked_to() -> None:
    if importlib.util.find_spec("langgraph_cli") is None or importlib.util.find_spec("langgraph_api") is None:
        pytest.skip("langgraph-cli[inmem] is not installed, so there is no server to open the graphs with")
    proof = prove_studio(None, lambda *_: None, decisions=12)
    assert [figure for figure in proof.figures if not figure.holds] == []
