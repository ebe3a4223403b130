"""`updown tee` and `updown untee` where they must refuse: one line that says what to do, and its exit code."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bus_stage import MockStage, read, written
from typer.testing import CliRunner

from infra.bus.client_settings import client_settings
from infra.bus.cluster import Cluster
from infra.bus.messages import Topic
from infra.bus.port import BusRefused
from infra.bus.tee import Tee
from infra.cli.app import app
from infra.journal.naming import journal_id
from infra.stack.program import free_port

ROOT = Path(__file__).resolve().parents[2]


def refused(*words: str) -> tuple[int, str]:
    told = CliRunner().invoke(app, [*words, "--json"])
    return told.exit_code, json.loads(told.stdout)["error"]


def test_a_folder_without_a_journal_is_refused_by_a_single_run(tmp_path: Path) -> None:
    code, said = refused("tee", "--journal", str(tmp_path), "--to", "127.0.0.1:9", "--once")
    assert (code, said) == (2, f"{tmp_path}: no journal; name the folder that holds 000001.journal")


def test_a_broker_that_does_not_come_is_told_in_a_line(tmp_path: Path) -> None:
    at = f"127.0.0.1:{free_port()}"
    folder = written(tmp_path / "journal", 10)
    code, said = refused("tee", "--journal", str(folder), "--to", at, "--once", "--deadline", "0")
    assert code == 2
    assert said.startswith(f"no Kafka broker answers at {at}")


def test_a_journal_is_published_by_one_process(tmp_path: Path) -> None:
    folder = written(tmp_path / "journal", 10)
    words = ["tee", "--journal", str(folder), "--to", f"127.0.0.1:{free_port()}"]
    with subprocess.Popen(
        [sys.executable, "-m", "infra", *words], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert "waiting: no Kafka broker answers" in child.stderr.readline()
        code, said = refused(*words, "--once")
        child.send_signal(signal.SIGTERM)
    assert (code, said) == (2, f"{folder}: another process publishes this journal already; stop that one first")


def test_untee_names_the_journals_that_are_there(tmp_path: Path) -> None:
    stage = MockStage()
    bus = stage.bus()
    folder = written(tmp_path / "journal", 10)
    name = journal_id(folder)
    Tee(folder, bus, {}, name).refresh(lambda state: None)
    bus.flush(20.0)
    assert read(bus.subscribe("there", [Topic.NOTES]), 2)
    where = ("--from", bus.cluster.servers, "--to", str(tmp_path / "back"), "--prefix", bus.cluster.prefix)
    assert refused("untee", *where) == (2, f"name one of the journals there with --journal-id: {name}")
    assert refused("untee", *where, "--journal-id", "1234") == (
        2,
        "the bus holds no title of journal 1234; see `updown tee --json` for its name",
    )
    told = CliRunner().invoke(app, ["untee", *where, "--journal-id", name, "--json"])
    assert told.exit_code == 0 and json.loads(told.stdout)["doubled_count"] == 0
    code, said = refused("untee", *where, "--journal-id", name)
    assert code == 2 and "already there" in said
    bus.close()


def test_untee_says_when_there_are_no_topics(tmp_path: Path) -> None:
    bus, prefix = MockStage().bus(), "nothing"
    where = ("--from", bus.cluster.servers, "--to", str(tmp_path / "back"), "--prefix", prefix)
    servers = bus.cluster.servers
    assert refused("untee", *where) == (2, f"{servers} has no topics that begin with {prefix}.; name another --prefix")
    bus.close()


def test_how_brokers_are_reached_may_be_set_by_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("# how to reach them\n\nsasl.password = not-to-be-shown\nssl.ca.location=/tmp/ca.pem\n")
    settings = client_settings(file)
    assert settings == {"sasl.password": "not-to-be-shown", "ssl.ca.location": "/tmp/ca.pem"}
    assert "not-to-be-shown" not in repr(Cluster("127.0.0.1:9092", settings=settings))
    for line, why in (("acks=0", "acks may not be set here"), ("sasl.password not-to-be-shown", "write NAME=VALUE")):
        file.write_text(line)
        with pytest.raises(BusRefused, match=why) as refusal:
            client_settings(file)
        assert "not-to-be-shown" not in str(refusal.value)
