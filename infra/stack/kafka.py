"""A real Apache Kafka on this machine: one node, no ZooKeeper, on loopback, from jars that Maven fetches once."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.stack.program import HOST, NotStarted, Program, answers, await_ready, end, free_port, start

POM: Final = Path(__file__).parent / "kafka" / "pom.xml"
HEAP_MB: Final = 384
START_S: Final = 60.0
FETCH_S: Final = 600.0
_DONE: Final = "fetched"
_JVM: Final = (
    f"-Xmx{HEAP_MB}m", "-Xms64m", "-XX:+UseSerialGC", "-XX:MaxMetaspaceSize=128m", "-Djava.awt.headless=true",
)  # fmt: skip
_SETTINGS: Final = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.bootstrap.servers={host}:{controller}
log.dirs={folder}/data
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
controller.quorum.election.timeout.ms=200
controller.quorum.election.backoff.max.ms=200
controller.quorum.fetch.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
"""
_LOGGING: Final = """\
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
"""


class KafkaMissing(Exception):
    """Apache Kafka cannot be had on this machine; one line: what to install."""


def kafka_version() -> str:
    """Give the version of Apache Kafka that we run."""
    found = re.search(r"<kafka.version>([^<]+)<", POM.read_text())
    assert found is not None
    return found[1]


def kafka_jars() -> Path:
    """Give the folder of Apache Kafka's jars, fetched when it is not in the user's cache.

    Raises:
        KafkaMissing: there is no Java or Maven, or Maven cannot fetch them.
    """
    if shutil.which("java") is None:
        raise KafkaMissing("java is not on this machine: apt install openjdk-17-jre-headless")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    name = f"{kafka_version()}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"
    jars = Path(base) / "updown" / "kafka" / name
    if not (jars / _DONE).exists():
        _fetch(jars)
    return jars


def _fetch(jars: Path) -> None:
    """Let Maven copy the jars beside their place, and move them there whole."""
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissing("mvn is not on this machine, and it fetches Apache Kafka: apt install maven")
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent) as made:
        scratch = Path(made)
        pom = shutil.copy(POM, scratch / "pom.xml")
        words = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        try:
            told = subprocess.run(
                [*words, f"-DoutputDirectory={scratch / 'jars'}"], cwd=scratch, capture_output=True, text=True,
                timeout=FETCH_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise KafkaMissing(f"Maven did not fetch Apache Kafka within {FETCH_S:g} s; is there a network?") from None
        if told.returncode:
            last = next((line for line in told.stdout.splitlines() if "ERROR" in line), "it does not say why")
            raise KafkaMissing(f"Maven cannot fetch Apache Kafka {kafka_version()}: {last[:300]}")
        (scratch / "jars" / _DONE).touch()
        try:
            (scratch / "jars").rename(jars)
        except OSError:
            if not (jars / _DONE).exists():  # else another process was first
                raise


@dataclass(slots=True)
class Kafka:
    """One node in a folder; it may be killed and started again on the same port with what it holds."""

    folder: Path
    port: int = field(default_factory=free_port)
    controller_port: int = field(default_factory=free_port)
    child: "subprocess.Popen[bytes] | None" = None

    @property
    def bootstrap(self) -> str:
        """Give its address."""
        return f"{HOST}:{self.port}"

    @property
    def _program(self) -> Program:
        words = ["java", *_JVM, *self._logging, "-cp", self._path, "kafka.Kafka", str(self._settings)]
        return Program(name="kafka", words=words, folder=self.folder)

    @property
    def _settings(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _logging(self) -> list[str]:
        return [f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"]

    @property
    def _path(self) -> str:
        return f"{kafka_jars()}/*"

    def format(self) -> None:
        """Give it an empty store, unless it has one.

        Raises:
            KafkaMissing: it cannot be had here.
            NotStarted: its own tool refused.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        told = {"host": HOST, "port": self.port, "controller": self.controller_port, "folder": self.folder.resolve()}
        self._settings.write_text(_SETTINGS.format(**told))
        (self.folder / "log4j2.properties").write_text(_LOGGING)
        if (self.folder / "data" / "meta.properties").exists():
            return
        name = base64.urlsafe_b64encode(hashlib.sha256(str(self.folder).encode()).digest()[:16])[:22].decode()
        words = ["java", *_JVM, "-XX:TieredStopAtLevel=1", *self._logging, "-cp", self._path, "kafka.tools.StorageTool"]
        words += ["format", "--standalone", "-t", name.replace("-", "A"), "-c", str(self._settings)]
        made = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False, timeout=START_S)
        if made.returncode:
            raise NotStarted(f"Kafka's store could not be made: {' '.join((made.stdout + made.stderr).split())[-600:]}")

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            NotStarted: it ended, or did not answer in time.
        """
        program = self._program
        self.child = start(program)
        await_ready(self.child, program, lambda: answers(self.port), START_S)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()

    def end(self) -> None:
        """Ask it to end, and kill it when it does not."""
        if self.child is not None:
            end(self.child, self._program)

    @property
    def memory_mb(self) -> float:
        """Give how much memory it has in use."""
        assert self.child is not None
        told = Path(f"/proc/{self.child.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", told)
        return int(found[1]) / 1024.0 if found else 0.0


@contextmanager
def running_kafka(folder: Path) -> Iterator[Kafka]:
    """Run an Apache Kafka in a folder for a while.

    Raises:
        KafkaMissing: it cannot be had here.
        NotStarted: it does not start.
    """
    kafka = Kafka(folder)
    kafka.format()
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.end()
