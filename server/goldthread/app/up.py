"""Everything on this machine: embedded servers, then the service's processes as children, in one data directory.

Start: servers, master key, migrations, topics, then `consume`, `relay` and `serve`. Stop is the reverse of the flow of data: registers are
turned away first, then events, then what was committed is relayed, then the servers close. A child may be killed at any time: it is started
again and goes on where the ledger says. So may an embedded server, while `Up.watch` runs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from goldthread.app import wiring
from goldthread.app.embedded import EmbeddedServerError, EmbeddedStack
from goldthread.app.settings import MASTER_KEY_BYTES, Settings, process_environment
from goldthread.app.status import write_private
from goldthread.app.supervise import Child, Supervisor

__all__ = ["Up", "UpEndpoints", "UpOptions"]

_READY_SECONDS = 60.0
_CHILD_GRACE_SECONDS = 8.0
_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """Where and how to run. Port 0 takes a free one; a metrics port counts up from serve over the consumers to relay."""

    data_dir: Path
    grpc_port: int = 0
    metrics_port: int = 0
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class UpEndpoints:
    """Where everything answers, as in `endpoints.json`; addresses as host:port, metrics as URLs by process."""

    postgres_dsn: str = field(repr=False)
    redis_url: str = field(repr=False)
    kafka_bootstrap: str
    grpc: str
    metrics: Mapping[str, str]
    master_key_file: str
    pids: Mapping[str, int]


class Up:
    """A context manager: up on entry, down on exit. `settings` may name servers to use instead of embedded ones."""

    def __init__(self, options: UpOptions, *, settings: Settings, log: Callable[[str], None] = lambda _: None) -> None:
        self._options = options
        self._log = log
        self._folder = options.data_dir.resolve()
        self._settings = settings
        self.stack = EmbeddedStack(
            self._folder,
            postgres_dsn=settings.postgres_dsn,
            redis_url=settings.redis_url,
            kafka_bootstrap=settings.kafka_bootstrap,
            log=log,
            environ=process_environment(),
        )
        self._supervisor: Supervisor | None = None
        self._ready = False

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def settings(self) -> Settings:
        """The settings that the children run with: addresses and master key filled in."""
        return self._settings

    @property
    def endpoints_file(self) -> Path:
        """`endpoints.json`: `UpEndpoints` for other programs of the same user. Holds passwords; exists while up."""
        return self._folder / "endpoints.json"

    @property
    def endpoints(self) -> UpEndpoints:
        """Where everything answers now; process ids change when something was restarted."""
        host = self._settings.metrics_host
        ports = self._supervisor.ports() if self._supervisor is not None else {}
        return UpEndpoints(
            postgres_dsn=self._settings.need("postgres_dsn"),
            redis_url=self._settings.need("redis_url"),
            kafka_bootstrap=self._settings.need("kafka_bootstrap"),
            grpc=f"{self._settings.grpc_host}:{ports.get('serve', {}).get('grpc', 0)}",
            metrics={name: f"http://{host}:{bound['metrics']}/metrics" for name, bound in ports.items() if bound},
            master_key_file=str(self._settings.master_key_file or ""),
            pids={**self.stack.pids(), **(self._supervisor.pids() if self._supervisor is not None else {})},
        )

    @property
    def logs(self) -> Path:
        """Folder of the children's logs, a file each."""
        return self._folder / "logs"

    def cancel(self) -> None:
        """Makes a start in progress give up soon. Safe from any thread."""
        self.stack.cancel()
        if self._supervisor is not None:
            self._supervisor.cancel()

    def watch(self, leave: threading.Event) -> None:
        """Returns once `leave` is set; meanwhile starts embedded servers again that ended by themselves.

        Raises `SupervisorError` if a child is given up, `EmbeddedServerError` if a server cannot be started again, or came back at another
        address: everything that runs has the old one.
        """
        while not leave.wait(_WATCH_SECONDS):
            if self._supervisor is not None:
                self._supervisor.check()
            for part in self.stack.exited():
                self._log(f"{part}: ended by itself, starting it again")
                before = self.stack.endpoints
                self.stack.restart(part)
                if self.stack.endpoints != before:
                    raise EmbeddedServerError(
                        part, "its port was taken meanwhile and it came back on another one; start again"
                    )
                self._publish()

    def stop(self) -> None:
        """Stops what runs, in order: serve, consumers, relay, servers. Harmless if nothing runs."""
        supervisor, self._supervisor, self._ready = self._supervisor, None, False
        try:
            if supervisor is not None:
                supervisor.stop(grace=_CHILD_GRACE_SECONDS)
        finally:
            self.endpoints_file.unlink(missing_ok=True)
            self.stack.stop()

    def _start(self) -> None:
        self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        servers = self.stack.start()
        self._settings = dataclasses.replace(
            self._settings,
            postgres_dsn=servers.postgres_dsn,
            redis_url=servers.redis_url,
            kafka_bootstrap=servers.kafka_bootstrap,
        )
        if self._settings.master_key is None and self._settings.master_key_file is None:
            self._settings = dataclasses.replace(self._settings, master_key_file=self._master_key())
        for name in wiring.migrate(self._settings):
            self._log(f"ledger: applied {name}")
        wiring.create_topics(self._settings)
        self._supervisor = Supervisor(self._children(), changed=self._publish)
        self._supervisor.start(seconds=_READY_SECONDS)
        self._ready = True
        self._publish()

    def _master_key(self) -> Path:
        """The data directory's own master key, made at the first start. Losing it loses every token and sealed value."""
        path = self._folder / "master.key"
        if not path.exists():
            write_private(path, secrets.token_hex(MASTER_KEY_BYTES) + "\n")
        return path

    def _children(self) -> list[Child]:
        consumers = ["consume", *(f"consume-{number}" for number in range(2, self._options.workers + 1))]
        self.logs.mkdir(mode=0o700, exist_ok=True)
        return [
            Child(
                name,
                command=[sys.executable, "-m", "goldthread.app.cli", name.split("-")[0]],
                environ=self._environ(place),
                folder=self.logs,
                log=self._log,
            )
            for place, name in enumerate(["serve", *consumers, "relay"])
        ]

    def _environ(self, place: int) -> Callable[[Mapping[str, int]], Mapping[str, str]]:
        base = self._options.metrics_port
        wanted = {"grpc": self._options.grpc_port, "metrics": base + place if base else 0}

        def environ(bound: Mapping[str, int]) -> Mapping[str, str]:
            ports = {name: port or bound.get(name, 0) for name, port in wanted.items()}
            settings = dataclasses.replace(self._settings, grpc_port=ports["grpc"], metrics_port=ports["metrics"])
            return {**process_environment(), **settings.environment()}

        return environ

    def _publish(self) -> None:
        if self._ready:
            write_private(self.endpoints_file, json.dumps(dataclasses.asdict(self.endpoints), indent=2) + os.linesep)
