"""Log lines: the same for every reader, and under the ids that the session's traces have."""

import json

from traced_sessions import traded_session

from infra.logs.lines import Line, Lines
from infra.record.session_record import session_record
from infra.traces.follow import Follower


def lines() -> list[Line]:
    found: list[Line] = []
    Lines(traded_session(), found.append).refresh()
    return found


def test_a_session_reads_as_lines_that_any_collector_takes() -> None:
    found = lines()
    assert [json.loads(json.dumps(line, allow_nan=False)) for line in found] == found == lines()
    assert {"decided", "commanded", "filled", "order_changed", "settled"} <= {line["event"] for line in found}
    assert all(line["at_ns"] > 0 for line in found)


def test_run_and_decision_are_the_traces_own() -> None:
    follower = Follower(traded_session(), lambda seen: False, lambda decision, fired: "")
    follower.refresh()
    assert {line["run"] for line in lines()} == {follower.session}
    record = session_record(traded_session())
    placed = {line["order"]: line["decision"] for line in lines() if line.get("act") == "place"}
    assert placed == {order.number: order.decision for order in record.orders.values()} != {}
    filled = [line for line in lines() if line["event"] == "filled"]
    assert all(placed[line["order"]] == line["decision"] for line in filled)
