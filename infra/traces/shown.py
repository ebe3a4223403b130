"""Trees in a terminal: a line for each run, with what a reviewer asks first."""

import json
from collections.abc import Mapping
from typing import Any, Final

from infra.traces.kept import KeptRun

WIDEST: Final = 160
SAID: Final = {"shift_logodds": "shift", "p_up": "p up", "reason_code": "", "why": ""}


def lines_of(tree: KeptRun, whole: bool = False) -> list[str]:
    """Draw a tree."""
    head = [f"{tree.name} {tree.metadata.get('decision', '')}".strip(), *tree.tags]
    lines = ["  ".join(head)]
    if tree.name == "decision":
        lines += [f"   {line}" for line in _verdict(tree.outputs)]
    lines += _below(tree, "   ", whole)
    if tree.feedback:
        said = [f"{each['key']} {_plain(each)}" for each in sorted(tree.feedback, key=lambda each: str(each["key"]))]
        lines.append(f"   feedback: {', '.join(said)}")
    return lines


def as_plain(tree: KeptRun) -> dict[str, Any]:
    """Give a tree as JSON."""
    return {
        "name": tree.name, "tags": tree.tags, "metadata": tree.metadata, "inputs": tree.told.get("inputs"),
        "outputs": tree.outputs, "error": tree.told.get("error"), "runs": [as_plain(each) for each in tree.below],
        "feedback": {str(each["key"]): each.get("score", each.get("value")) for each in tree.feedback},
    }  # fmt: skip


def _verdict(outputs: Mapping[str, Any]) -> list[str]:
    fired = "fired" if outputs.get("fired") else "did not fire"
    parts = [f"{fired}: {outputs.get('side')}"]
    for name in ("size", "limit_price", "fair", "ask", "edge_net_bps"):
        if outputs.get(name) not in (None, 0.0):
            parts.append(f"{name.replace('_', ' ')} {outputs[name]}")
    lines = ["  ".join(parts), str(outputs.get("explanation", ""))]
    return [line[:WIDEST] for line in lines if line]


def _below(run: KeptRun, indent: str, whole: bool) -> list[str]:
    lines: list[str] = []
    for at, each in enumerate(run.below):
        last = at + 1 == len(run.below)
        lines.append(f"{indent}{'└' if last else '├'} {each.name:<16} {_said(each.outputs)}".rstrip()[:WIDEST])
        deeper = indent + ("   " if last else "│  ")
        if whole:
            for name in ("inputs", "outputs"):
                told = json.dumps(each.told.get(name), ensure_ascii=False)
                lines.append(f"{deeper}{name}: {told}")
        lines += _below(each, deeper, whole)
    return lines


def _said(outputs: Mapping[str, Any]) -> str:
    """Say the one thing of a run that is worth a line."""
    if "open" in outputs:
        return "open" if outputs["open"] else f"closed: {outputs.get('why')}"
    if "limit_price_bps" in outputs:
        return f"{outputs['way']} {outputs['shares']:g} {outputs['side']} at {outputs['limit_price_bps'] / 100:g} c"
    if outputs.get("ran") is False:
        return str(outputs.get("why", ""))
    if "posterior_logodds" in outputs:
        return f"p up {outputs['p_up']:.4f} ({outputs['p_low']:.4f} to {outputs['p_high']:.4f})"
    if "shift_logodds" in outputs and "sd_logodds" in outputs:
        return f"{outputs['shift_logodds']:+.3f} log-odds  {outputs.get('why', '')}"
    return str(outputs.get("why") or "")


def _plain(feedback: Mapping[str, Any]) -> str:
    score = feedback.get("score")
    return f"{score:g}" if isinstance(score, int | float) else str(feedback.get("value"))
