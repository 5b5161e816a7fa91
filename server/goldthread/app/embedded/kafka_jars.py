"""Fetches the jars of the embedded Kafka broker, once, through the user's own Maven and its settings.

The cache directory is named after the digest of pom.xml, so another Goldthread with other versions never shares it. Jars
are gathered aside and moved in one rename: the directory is complete whenever it is there. Maven verifies checksums
strictly.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from goldthread.app.embedded.failure import EmbeddedServerCancelledError, EmbeddedServerError
from goldthread.app.embedded.java import Java
from goldthread.app.embedded.locks import FileLock

__all__ = ["POM", "default_cache_dir", "fetch_kafka_jars", "jar_dir"]

POM = Path(__file__).with_name("pom.xml")
_FETCH_SECONDS = 900.0
_POLL_SECONDS = 0.2
_TAIL_CHARACTERS = 3_000


def default_cache_dir(environ: Mapping[str, str], *, home: Path) -> Path:
    """Gives ``$XDG_CACHE_HOME/goldthread``, or ``~/.cache/goldthread`` where that is not set to an absolute path."""
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else home / ".cache") / "goldthread"


def jar_dir(cache_dir: Path, *, pom: bytes) -> Path:
    """Gives the directory in which the jars that `pom` names are kept."""
    return cache_dir / f"kafka-{hashlib.sha256(pom).hexdigest()[:16]}"


def fetch_kafka_jars(
    cache_dir: Path,
    *,
    java: Java,
    environ: Mapping[str, str],
    log: Callable[[str], None],
    cancelled: threading.Event,
) -> Path:
    """Gives the directory of the jars, after fetching them if this is the first time.

    Two processes never fetch at once: the second waits and finds the first one's jars. Raises EmbeddedServerError if
    there is no Maven, if it fails, or after 15 minutes.
    """
    pom = POM.read_bytes()
    target = jar_dir(cache_dir, pom=pom)
    if target.is_dir():
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _FETCH_SECONDS
    lock = FileLock(target.with_name(target.name + ".lock"))
    while not lock.try_acquire():
        _check(deadline, cancelled)
        time.sleep(_POLL_SECONDS)
    try:
        if not target.is_dir():
            log("kafka: fetching Apache Kafka through Maven (once per version)")
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache_dir) as scratch:
                _run_maven(Path(scratch), pom, java=java, environ=environ, deadline=deadline, cancelled=cancelled)
                (Path(scratch) / "jars").rename(target)
    finally:
        lock.release()
    return target


def _run_maven(
    scratch: Path, pom: bytes, *, java: Java, environ: Mapping[str, str], deadline: float, cancelled: threading.Event
) -> None:
    maven = shutil.which("mvn", path=environ.get("PATH"))
    if maven is None:
        raise EmbeddedServerError("kafka", "Maven (mvn) is needed once to fetch the broker; or use --kafka-bootstrap")
    (scratch / "pom.xml").write_bytes(pom)
    jars = scratch / "jars"
    command = [
        maven, "-B", "-q", "-C", "-Dstyle.color=never", "-f", str(scratch / "pom.xml"),
        "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}",
    ]  # fmt: skip
    # Maven finds a Java of its own unless the only one here is the wheel's.
    env = {**environ, "JAVA_HOME": str(java.home)} if java.bundled else dict(environ)
    output = scratch / "maven.log"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=env, start_new_session=True
        )
        try:
            while process.poll() is None:
                _check(deadline, cancelled)
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0 or not any(jars.glob("kafka_2.13-*.jar")):
        tail = output.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:]
        raise EmbeddedServerError("kafka", "Maven could not fetch the broker's jars", log_tail=tail)


def _check(deadline: float, cancelled: threading.Event) -> None:
    if cancelled.is_set():
        raise EmbeddedServerCancelledError("kafka")
    if time.monotonic() > deadline:
        raise EmbeddedServerError("kafka", f"the jars were not fetched within {_FETCH_SECONDS:.0f} s")
