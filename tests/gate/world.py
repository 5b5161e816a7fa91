"""The world of a run: real servers in a temporary folder, and the service's processes on them, started again whenever they end."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient
from psycopg import sql
from psycopg.conninfo import make_conninfo
from redis import Redis

from gate.worker import EndingError, Worker
from goldthread.app import wiring
from goldthread.app.embedded import EmbeddedStack
from goldthread.app.embedded.ports import free_ports
from goldthread.app.settings import Settings, process_environment
from goldthread.bus import ensure_topics

__all__ = ["Servers", "Shape", "World", "wait_until"]

_OTHERS = """
SELECT count(*)::int FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

_DEADLOCK = re.compile(r"deadlock detected\n(?:.*DETAIL: .*\n(?:\t.*\n)*)?")
_READY_SECONDS = 90.0
_POLL_SECONDS = 0.1
_TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Which processes run, and how: `bug` names one that `gate.launch` plants, `extra` are settings of the service."""

    consumers: int = 0
    servers: int = 0
    relays: int = 0
    partitions: int = 8
    bug: str | None = None
    extra: Mapping[str, object] | None = None


def wait_until(holds: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Returns once it holds; raises `TimeoutError` naming what did not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(_POLL_SECONDS)


class Servers:
    """PostgreSQL, Valkey and Kafka in one folder. A context manager; `fresh` gives a run a database and topics of its own."""

    def __init__(self, folder: Path | None = None, *, keep: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="goldthread-gate-")) if folder is None else folder
        if folder is None:
            # PostgreSQL runs under an ordinary account if we are root, and passes through here.
            self.folder.chmod(0o711)
        self._forget = folder is None and not keep
        self.stack = EmbeddedStack(self.folder / "servers", environ=process_environment(), log=self._note)

    def __enter__(self) -> Self:
        self.stack.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.stop()
        if self._forget:
            shutil.rmtree(self.folder, ignore_errors=True)

    def fresh(self, name: str, *, model_text: str, master_key: bytes, partitions: int, **extra: object) -> Settings:
        """Settings of a service on an empty, migrated database, an emptied cache and topics of its own."""
        found = self.stack.endpoints
        with psycopg.connect(found.postgres_dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            # What a deadlock was about; everywhere else the log keeps such details to itself, since they may name people.
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET log_error_verbosity = 'default'").format(sql.Identifier(name))
            )
        with Redis.from_url(found.redis_url) as cache:
            cache.flushall()
        model = self.folder / f"{name}.toml"
        model.write_text(model_text, encoding="utf-8")
        settings = Settings(
            postgres_dsn=make_conninfo(found.postgres_dsn, dbname=name),
            redis_url=found.redis_url,
            kafka_bootstrap=found.kafka_bootstrap,
            consumer_group=name,
            events_topic=f"events-{name}",
            changes_topic=f"changes-{name}",
            dead_letters_topic=f"dead-letters-{name}",
            master_key=master_key.hex(),
            model=model,
            metrics_port=0,
            **extra,  # type: ignore[arg-type]
        )
        wiring.migrate(settings)
        ensure_topics(wiring.bus_settings(settings), partitions=partitions)
        return settings

    def deadlocks(self) -> list[str]:
        """What PostgreSQL said of each transaction that it ended because of a deadlock. From its log: its statistics do not outlive a SIGKILL."""
        logs = sorted((self.folder / "servers" / "postgres").glob("server.log*"))
        return [" ".join(said.split()) for path in logs for said in _DEADLOCK.findall(path.read_text(errors="replace"))]

    def pause(self, part: str, *, seconds: float) -> None:
        """Stops a server by SIGSTOP for a while."""
        pid = self.stack.pids()[part]
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _note(self, line: str) -> None:
        with (self.folder / "servers.log").open("a", encoding="utf-8") as log:
            log.write(line + "\n")


class World:
    """The service of one run. A context manager: database, topics and settings on entry, everything ended on exit; `start` starts it.

    `trouble` collects what no fault of ours explains, in words; it is empty in a healthy run.
    """

    def __init__(self, servers: Servers, name: str, shape: Shape, *, model_text: str, master_key: bytes) -> None:
        self.servers = servers
        self.shape = shape
        self.folder = servers.folder / name
        self.folder.mkdir()
        self.trouble: list[str] = []
        self.workers: dict[str, Worker] = {}
        self.settings = servers.fresh(
            name, model_text=model_text, master_key=master_key, partitions=shape.partitions, **dict(shape.extra or {})
        )
        ports = free_ports(shape.servers, rng=random.SystemRandom())
        self.addresses = [f"127.0.0.1:{port}" for port in ports]
        for kind, count in (("consume", shape.consumers), ("relay", shape.relays)):
            for number in range(count):
                self._worker(kind, f"{kind}-{number}", self.settings)
        for number, port in enumerate(ports):
            self._worker("serve", f"serve-{number}", replace(self.settings, grpc_port=port))
        self._held: set[str] = set()
        self._lock = threading.RLock()
        self._leaving = threading.Event()
        self._keeper = threading.Thread(target=self._keep_alive, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, *names: str) -> None:
        """Starts these processes (all if none is named) and returns once they are ready."""
        with self._lock:
            for name in names or tuple(self.workers):
                self.workers[name].start()
        wanted = [self.workers[name] for name in names or tuple(self.workers)]
        if not self._keeper.is_alive():
            self._keeper.start()
        try:
            wait_until(lambda: all(one.ready for one in wanted), seconds=_READY_SECONDS, what="the processes are ready")
        except TimeoutError as error:
            raise TimeoutError("; ".join([str(error), *self.trouble[:1]])) from None

    def named(self, kind: str) -> list[str]:
        """Names of the processes of a kind: consume, serve, relay."""
        return [name for name in self.workers if name.startswith(kind)]

    def act(self, name: str, what: Callable[[Worker], object]) -> object:
        """Does something to a process while nobody else does."""
        with self._lock:
            try:
                return what(self.workers[name])
            except EndingError as ending:
                self.trouble.append(str(ending))
                return False

    def hold(self, name: str) -> None:
        """Ends a process by SIGKILL and does not start it again before `release`; waits until PostgreSQL has noticed."""
        with self._lock:
            self.workers[name].kill()
            self._held.add(name)
        with self.connect() as connection:
            wait_until(
                lambda: connection.execute(_OTHERS).fetchone() == (0,), seconds=15, what="its transactions ended"
            )

    def release(self, name: str) -> None:
        """Lets a held process be started again."""
        with self._lock:
            self._held.discard(name)

    def assigned(self, members: int) -> None:
        """Returns once so many consumers share the events topic between them."""
        admin = AdminClient({"bootstrap.servers": self.settings.need("kafka_bootstrap"), "log_level": 0})
        group = self.settings.consumer_group

        def shared() -> bool:
            found = admin.describe_consumer_groups([group], request_timeout=10)[group].result()
            holding = [one for one in found.members if one.assignment is not None and one.assignment.topic_partitions]
            return found.state == ConsumerGroupState.STABLE and len(holding) == members

        wait_until(shared, seconds=30, what=f"{members} consumers share the topic")

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the gate's own to the ledger; raises `psycopg.OperationalError` while PostgreSQL is down."""
        return psycopg.connect(self.settings.need("postgres_dsn"), autocommit=True, connect_timeout=5)

    def rest(self) -> None:
        """Lets everything that was stopped go on, and waits until every process is ready."""
        with self._lock:
            for worker in self.workers.values():
                worker.resume()
        for part in self.servers.stack.exited():
            self.servers.stack.restart(part)
        wait_until(
            lambda: all(worker.ready for worker in self.workers.values()), seconds=_READY_SECONDS, what="all are back"
        )

    def finish(self) -> None:
        """Ends the service in order; what does not end well is trouble."""
        self._leaving.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for worker in self.workers.values():
            try:
                worker.stop()
            except EndingError as ending:
                self.trouble.append(str(ending))

    def close(self) -> None:
        """Ends every process at once."""
        self._leaving.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for worker in self.workers.values():
            worker.abandon()

    def _worker(self, kind: str, name: str, settings: Settings) -> None:
        environ = {**process_environment(), **settings.environment()}
        environ["PYTHONPATH"] = os.pathsep.join([str(_TESTS), environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        launch = ["goldthread.app.cli"] if self.shape.bug is None else ["gate.launch", "--bug", self.shape.bug]
        command: Sequence[str] = [sys.executable, "-m", *launch, kind]
        self.workers[name] = Worker(name, command=command, environ=environ, folder=self.folder)

    def _keep_alive(self) -> None:
        while not self._leaving.wait(_POLL_SECONDS):
            with self._lock:
                for name, worker in self.workers.items():
                    if worker.starts == 0 or name in self._held:
                        continue
                    try:
                        worker.tend()
                    except EndingError as ending:
                        self.trouble.append(str(ending))
