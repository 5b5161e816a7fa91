"""Embedded Apache Kafka: one KRaft node, broker and controller in one process, on two loopback ports.

Records that were acknowledged survive a SIGKILL of the broker (they are in the page cache), not a power cut: there is
one replica and Kafka does not sync per record. Producers' offsets and the topics live under ``log/`` in the data
directory.
"""

from __future__ import annotations

import base64
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from goldthread.app.embedded.java import MINIMUM_JAVA, Java, find_java
from goldthread.app.embedded.kafka_jars import fetch_kafka_jars
from goldthread.app.embedded.launcher import LaunchedServer, discard
from goldthread.app.embedded.memory import PartMemory, write_private
from goldthread.app.embedded.ports import LOOPBACK

__all__ = ["KafkaServer", "new_cluster_id", "render_kafka_config"]

_PROBE_SECONDS = 1.0
_FORMAT_SECONDS = 60.0
# Oversized events must reach the consumer, which dead-letters them: the limit lies well above the 12 MB that tests send.
_MESSAGE_BYTES = 20 * 1024 * 1024

_LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


def new_cluster_id() -> str:
    """Gives a fresh cluster id as Kafka writes them: 22 URL-safe characters that do not begin with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        if not text.startswith("-"):
            return text


def render_kafka_config(*, broker_port: int, controller_port: int) -> str:
    """Gives server.properties for one combined node. Paths in it are relative to the server's working directory."""
    settings: dict[str, str | int] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        # Static voters stand here and not in the metadata log, so a controller port may change between starts.
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{broker_port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{broker_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": "log",
        # After a SIGKILL the controller waits for the dead broker's session before the new one may register.
        "broker.session.timeout.ms": 4_000,
        "broker.heartbeat.interval.ms": 500,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.num.partitions": 2,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 2,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "message.max.bytes": _MESSAGE_BYTES,
        "replica.fetch.max.bytes": _MESSAGE_BYTES,
        "log.cleaner.threads": 1,
        "log.cleaner.dedupe.buffer.size": 2 * 1024 * 1024,
        "log.segment.bytes": 256 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "num.recovery.threads.per.data.dir": 2,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


class KafkaServer(LaunchedServer):
    """Runs a single-node Kafka broker. The first start on a machine fetches its jars."""

    part: ClassVar[str] = "kafka"
    port_count: ClassVar[int] = 2
    # The port opens before the node may serve, so its own word is awaited as well.
    started_line: ClassVar[str] = "Kafka Server started"

    def __init__(
        self,
        data_dir: Path,
        *,
        environ: Mapping[str, str],
        cache_dir: Path,
        log: Callable[[str], None] = discard,
        cancelled: threading.Event | None = None,
    ) -> None:
        super().__init__(data_dir, environ=environ, log=log, cancelled=cancelled)
        self._cache_dir = cache_dir
        self._java: Java | None = None
        self._jars: Path | None = None

    def _marker(self) -> str:
        return f"-Dgoldthread.embedded={self._home}"

    def _prepare(self) -> None:
        self._java = find_java(self._environ)
        if self._java is None:
            raise self._failure(
                f"found no Java {MINIMUM_JAVA} or newer; install one or goldthread[embedded], or use --kafka-bootstrap"
            )
        self._jars = fetch_kafka_jars(
            self._cache_dir, java=self._java, environ=self._environ, log=self._log, cancelled=self._cancelled
        )
        write_private(self._home / "log4j2.properties", _LOG4J)
        if "cluster_id" not in self._memory.facts:
            self._remember(self._memory.with_fact("cluster_id", new_cluster_id()))

    def _configure(self, ports: tuple[int, ...]) -> None:
        text = render_kafka_config(broker_port=ports[0], controller_port=ports[1])
        write_private(self._home / "server.properties", text)
        if not (self._home / "log" / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        """Writes the cluster id into the log directory: what Kafka needs once before its first start."""
        command = [
            *self._java_command("-XX:TieredStopAtLevel=1"), "kafka.tools.StorageTool", "format",
            "-t", self._memory.facts["cluster_id"], "-c", "server.properties",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, cwd=self._home, env=self._child_environ(), stdin=subprocess.DEVNULL,
                capture_output=True, text=True, errors="replace", check=False, timeout=_FORMAT_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise self._failure(f"its storage was not formatted within {_FORMAT_SECONDS:.0f} s") from None
        if done.returncode != 0:
            raise self._failure("its storage could not be formatted", log_tail=(done.stdout + done.stderr)[-3_000:])

    def _command(self) -> Sequence[str]:
        return [*self._java_command("-Xms256m", "-Xmx512m"), "kafka.Kafka", "server.properties"]

    def _java_command(self, *options: str) -> list[str]:
        if self._java is None or self._jars is None:
            raise self._failure("it was not prepared")
        # Newer Javas warn about what Kafka does to unmap its files; older ones do not know the options.
        quiet = ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]
        return [
            str(self._java.launcher),
            # A small heap on shared cores: the serial collector costs least there.
            "-XX:+UseSerialGC",
            # For minutes the second compiler takes a fifth of a core from everything else here; what it makes is for brokers that run for days.
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            *options,
            *(quiet if self._java.major >= 24 else []),
            f"-Dlog4j2.configurationFile={(self._home / 'log4j2.properties').as_uri()}",
            self._marker(),
            "-cp",
            f"{self._jars}/*",
        ]

    def _answers(self, ports: tuple[int, ...]) -> bool:
        try:
            socket.create_connection((LOOPBACK, ports[0]), timeout=_PROBE_SECONDS).close()
        except OSError:
            return False
        return True

    def _endpoint(self, memory: PartMemory) -> str:
        return f"{LOOPBACK}:{memory.ports[0]}"
