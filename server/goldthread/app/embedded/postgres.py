"""Embedded PostgreSQL: the ledger, in a cluster of its own.

The cluster is made aside and moved in one rename, so a crash while making it leaves nothing half-made. Passwords only
(scram-sha-256), loopback TCP only, every commit synced. As root the server runs under an ordinary account, and if that
account cannot reach the data directory the cluster is placed below /var/lib/goldthread and its place is remembered; such
a cluster does not go away with the data directory.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from goldthread.app.embedded.accounts import Account, can_traverse, ordinary_account
from goldthread.app.embedded.launcher import LaunchedServer, discard
from goldthread.app.embedded.memory import PartMemory, write_private
from goldthread.app.embedded.ports import LOOPBACK
from goldthread.app.embedded.postgres_binaries import MINIMUM_POSTGRES, PostgresBinaries, find_postgres
from goldthread.app.embedded.process import identify

__all__ = ["PostgresServer", "accepts_clients", "render_postgres_config"]

_ROLE = "goldthread"
_DATABASE = "goldthread"
_SETTINGS = "postgresql.conf"
_SHARED_PLACE = Path("/var/lib/goldthread")
_PROBE_SECONDS = 1.0
_TOOL_SECONDS = 120.0
_PROTOCOL_3 = 196_608


def render_postgres_config(*, port: int) -> str:
    """Gives the server's whole configuration file: for two shared cores and ample memory."""
    settings = {
        "listen_addresses": f"'{LOOPBACK}'",
        "port": str(port),
        "unix_socket_directories": "''",
        "password_encryption": "'scram-sha-256'",
        "max_connections": "100",
        "shared_buffers": "'512MB'",
        "work_mem": "'16MB'",
        "maintenance_work_mem": "'128MB'",
        "effective_cache_size": "'4GB'",
        "random_page_cost": "1.1",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "wal_level": "replica",
        "max_wal_size": "'2GB'",
        "checkpoint_timeout": "'10min'",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "lc_messages": "'C'",
        "logging_collector": "off",
        "log_destination": "'stderr'",
        "log_checkpoints": "off",
        # Values must not reach the log: no statements, and no DETAIL lines, which quote the row.
        "log_statement": "'none'",
        "log_min_error_statement": "'panic'",
        "log_error_verbosity": "'terse'",
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def accepts_clients(port: int) -> bool:
    """Tells whether the server at loopback `port` has finished its recovery: it asks a client for its password."""
    body = struct.pack("!i", _PROTOCOL_3) + f"user\0{_ROLE}\0database\0{_DATABASE}\0\0".encode()
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PROBE_SECONDS) as connection:
            connection.sendall(struct.pack("!i", len(body) + 4) + body)
            # "R" opens an authentication request; a server that still starts answers with an error, "E". All of the
            # answer is read: closing over unread bytes would be logged as a lost client.
            return connection.recv(1024).startswith(b"R")
    except OSError:
        return False


class PostgresServer(LaunchedServer):
    """Runs PostgreSQL with one superuser and one database, both named `goldthread`."""

    part: ClassVar[str] = "postgres"
    # Fast shutdown: roll back, disconnect, checkpoint. On SIGTERM it would wait for its clients to leave.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    stop_seconds: ClassVar[float] = 30.0
    # The account that runs it passes through this directory to its cluster; the files in it stay private.
    home_mode: ClassVar[int] = 0o711

    def __init__(
        self,
        data_dir: Path,
        *,
        environ: Mapping[str, str],
        log: Callable[[str], None] = discard,
        cancelled: threading.Event | None = None,
        shared_place: Path = _SHARED_PLACE,
    ) -> None:
        super().__init__(data_dir, environ=environ, log=log, cancelled=cancelled)
        self._shared_place = shared_place
        self._runs_as: Account | None = None
        self._binaries: PostgresBinaries | None = None

    def cluster_dir(self) -> Path:
        """Gives the directory of the cluster: below the data directory, or where it had to be placed instead."""
        return Path(self._memory.facts.get("cluster", self._home / "cluster"))

    def _settings_path(self) -> Path:
        return self.cluster_dir().with_name(_SETTINGS)

    def _account(self) -> Account | None:
        return self._runs_as

    def _marker(self) -> str:
        return f"-D {self.cluster_dir()}"

    def _prepare(self) -> None:
        major = self._made_by()
        made = major is not None
        if not made and "cluster_made" in self._memory.facts:
            raise self._failure(f"its cluster {self.cluster_dir()} is gone")
        try:
            self._runs_as = ordinary_account(owner=self.cluster_dir().stat().st_uid if made else None)
        except LookupError as error:
            raise self._failure(str(error)) from None
        self._binaries = find_postgres(
            wanted_major=major,
            account=self._runs_as,
            copies_dir=self._shared_place,
            environ=self._environ,
        )
        if self._binaries is None:
            release = f"{MINIMUM_POSTGRES} or newer" if major is None else f"{major}, which made its cluster,"
            raise self._failure(
                f"found no PostgreSQL {release} that it can run; "
                "install goldthread[embedded] or PostgreSQL, or use --postgres-dsn"
            )
        if not made:
            self._make_cluster(self._binaries)
        elif "password" not in self._memory.facts:
            raise self._failure(f"the password of its cluster {self.cluster_dir()} is not remembered any more")
        if not can_traverse(self.cluster_dir(), self._runs_as):
            raise self._failure(f"its cluster {self.cluster_dir()} cannot be reached by the account that owns it")
        self._drop_stale_pid_file()

    def _made_by(self) -> int | None:
        """Gives the major release that made the cluster, or None if there is no cluster yet."""
        try:
            return int((self.cluster_dir() / "PG_VERSION").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except ValueError:
            raise self._failure(f"{self.cluster_dir()} holds no cluster of PostgreSQL") from None

    def _make_cluster(self, binaries: PostgresBinaries) -> None:
        if "password" not in self._memory.facts:
            self._remember(self._memory.with_fact("password", secrets.token_hex(24)))
        if not can_traverse(self._home, self._runs_as) and "cluster" not in self._memory.facts:
            self._remember(self._memory.with_fact("cluster", str(self._place_elsewhere() / "cluster")))
        cluster = self.cluster_dir()
        fresh = cluster.with_name("cluster.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        password_file = fresh.with_name("password.new")
        write_private(password_file, self._memory.facts["password"] + "\n")
        try:
            if self._runs_as is not None:
                for path in (fresh, password_file):
                    os.chown(path, self._runs_as.uid, self._runs_as.gid)
            self._run_tool(
                [
                    binaries.program("initdb"), "-D", str(fresh), "-U", _ROLE, f"--pwfile={password_file}",
                    "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--data-checksums",
                ],
                what="initdb",
            )  # fmt: skip
        finally:
            password_file.unlink()
        # A database is made without a server and thus without any moment in which one listens half-made.
        said = self._run_tool(
            [binaries.program("postgres"), "--single", "-D", str(fresh), "postgres"],
            what="the creation of its database",
            stdin=f"CREATE DATABASE {_DATABASE};\n",
        )
        if "ERROR:" in said:
            raise self._failure("its database could not be created", log_tail=said)
        fresh.rename(cluster)
        self._remember(self._memory.with_fact("cluster_made", "yes"))

    def _place_elsewhere(self) -> Path:
        self._shared_place.mkdir(mode=0o755, parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="cluster-", dir=self._shared_place))
        # Made by us just now and holding only the cluster, which is itself closed to everyone else.
        place.chmod(0o711)
        if not can_traverse(place, self._runs_as):
            place.rmdir()
            raise self._failure(
                f"the account that runs it can reach neither {self._home} nor {self._shared_place}; "
                "choose a data directory that others may pass through"
            )
        self._log(f"postgres: {self._home} is closed to the account that runs it; its cluster lies in {place}")
        return place

    def _run_tool(self, command: list[str], *, what: str, stdin: str = "") -> str:
        try:
            done = subprocess.run(
                command,
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                timeout=_TOOL_SECONDS,
                cwd="/",
                env=self._child_environ(),
                user=None if self._runs_as is None else self._runs_as.uid,
                group=None if self._runs_as is None else self._runs_as.gid,
                extra_groups=None if self._runs_as is None else [],
            )
        except subprocess.TimeoutExpired:
            raise self._failure(f"{what} did not end within {_TOOL_SECONDS:.0f} s") from None
        if done.returncode != 0:
            raise self._failure(f"{what} failed", log_tail=done.stdout[-3_000:])
        return done.stdout

    def _drop_stale_pid_file(self) -> None:
        """Removes postmaster.pid if its process id now belongs to a stranger, which would keep the server from starting.

        The file also leads the server to what a killed predecessor's last processes still use, so it stays while any
        process may be one of them: all of PostgreSQL's work in the cluster's directory.
        """
        pid_file = self.cluster_dir() / "postmaster.pid"
        try:
            pid = int(pid_file.read_text(encoding="ascii", errors="replace").split("\n", 1)[0])
        except (OSError, ValueError):
            return
        owner = identify(pid)
        proc = Path("/proc")
        if owner is None or "postgres" in owner.command or not proc.joinpath("self").exists():
            return
        cluster = self.cluster_dir().resolve()
        for entry in proc.glob("[0-9]*/cwd"):
            try:
                if entry.readlink() == cluster:
                    return
            except OSError:
                continue
        pid_file.unlink(missing_ok=True)

    def _configure(self, ports: tuple[int, ...]) -> None:
        # Beside the cluster, not in it: root never writes into a directory that another account owns.
        write_private(self._settings_path(), render_postgres_config(port=ports[0]))
        self._settings_path().chmod(0o644)

    def _command(self) -> Sequence[str]:
        if self._binaries is None:
            raise self._failure("it was not prepared")
        settings = f"config_file={self._settings_path()}"
        return [self._binaries.program("postgres"), "-D", str(self.cluster_dir()), "-c", settings]

    def _child_environ(self) -> dict[str, str]:
        # PGPORT, PGDATA and their like belong to the user's clients and would override our settings.
        inherited = super()._child_environ()
        return {name: value for name, value in inherited.items() if not name.startswith("PG")}

    def _passes_by_itself(self, log: str) -> bool:
        # Both mean that processes of a killed predecessor have not all ended yet.
        lingering = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')
        return super()._passes_by_itself(log) or any(text in log for text in lingering)

    def _answers(self, ports: tuple[int, ...]) -> bool:
        return accepts_clients(ports[0])

    def _endpoint(self, memory: PartMemory) -> str:
        return f"postgresql://{_ROLE}:{memory.facts['password']}@{LOOPBACK}:{memory.ports[0]}/{_DATABASE}"
