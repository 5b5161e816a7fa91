"""The parts of the launchers that need no server: finding programs, configurations, accounts."""

from __future__ import annotations

import os
import re
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from goldthread.app.embedded import EmbeddedServerError, EmbeddedStack, PostgresServer
from goldthread.app.embedded.accounts import Account, can_traverse, ordinary_account
from goldthread.app.embedded.java import find_java, parse_java_major
from goldthread.app.embedded.kafka import new_cluster_id, render_kafka_config
from goldthread.app.embedded.kafka_jars import POM, default_cache_dir, fetch_kafka_jars, jar_dir
from goldthread.app.embedded.postgres import render_postgres_config
from goldthread.app.embedded.postgres_binaries import find_postgres, parse_postgres_major
from goldthread.app.embedded.valkey import find_valkey, render_valkey_config

_NOBODY = Account(name="nobody", uid=65_534, gid=65_534)


def _program(path: Path, output: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def _settings(text: str, separator: str) -> dict[str, str]:
    return dict(line.split(separator, 1) for line in text.splitlines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "25.0.2" 2026-01-20', 25),
        ("command not found", None),
    ],
)
def test_java_releases_are_understood(text: str, expected: int | None) -> None:
    assert parse_java_major(text) == expected


def test_java_home_wins_unless_it_is_too_old(tmp_path: Path) -> None:
    old = _program(tmp_path / "old" / "bin" / "java", 'java version "11.0.2"')
    new = _program(tmp_path / "new" / "bin" / "java", 'openjdk version "21.0.1"')
    chosen = find_java({"JAVA_HOME": str(tmp_path / "new"), "PATH": str(old.parent)})
    assert chosen is not None
    assert (chosen.launcher, chosen.major, chosen.bundled) == (new, 21, False)
    fallback = find_java({"JAVA_HOME": str(tmp_path / "old"), "PATH": str(new.parent)})
    assert fallback is not None
    assert fallback.launcher == new
    assert fallback.home == (tmp_path / "new").resolve()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("postgres (PostgreSQL) 18.6", 18), ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15), ("", None)],
)
def test_postgres_releases_are_understood(text: str, expected: int | None) -> None:
    assert parse_postgres_major(text) == expected


def test_an_existing_cluster_decides_which_postgres_is_used(tmp_path: Path) -> None:
    _program(tmp_path / "bin" / "postgres", "postgres (PostgreSQL) 97.1")
    _program(tmp_path / "bin" / "initdb", "")
    environ = {"PATH": str(tmp_path / "bin") + os.pathsep + os.environ["PATH"]}
    found = find_postgres(wanted_major=97, account=None, copies_dir=tmp_path / "copies", environ=environ)
    assert found is not None
    assert found.program("initdb") == str((tmp_path / "bin" / "initdb").resolve())
    missing = find_postgres(wanted_major=98, account=None, copies_dir=tmp_path / "copies", environ=environ)
    assert missing is None
    assert not (tmp_path / "copies").exists()


def test_a_postgres_that_is_too_old_or_incomplete_is_passed_over(tmp_path: Path) -> None:
    _program(tmp_path / "old" / "postgres", "postgres (PostgreSQL) 14.2")
    _program(tmp_path / "old" / "initdb", "")
    found = find_postgres(
        wanted_major=14, account=None, copies_dir=tmp_path / "copies", environ={"PATH": str(tmp_path / "old")}
    )
    assert found is None
    _program(tmp_path / "half" / "postgres", "postgres (PostgreSQL) 97.1")
    found = find_postgres(
        wanted_major=97, account=None, copies_dir=tmp_path / "copies", environ={"PATH": str(tmp_path / "half")}
    )
    assert found is None


def test_an_account_needs_every_directory_on_its_way(tmp_path: Path) -> None:
    (tmp_path / "open" / "inner").mkdir(parents=True)

    def look(path: Path) -> os.stat_result:
        closed = path == tmp_path / "open"
        mode = 0o040700 if closed else 0o040755
        return os.stat_result((mode, 0, 0, 1, 0, 0, 0, 0, 0, 0))

    assert not can_traverse(tmp_path / "open" / "inner", _NOBODY, look=look)
    assert can_traverse(tmp_path, _NOBODY, look=look)
    assert can_traverse(tmp_path / "open" / "inner", None, look=look)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "expected"),
    [
        (0o040100, 65_534, 0, True),
        (0o040011, 65_534, 0, False),
        (0o040010, 0, 65_534, True),
        (0o040701, 0, 65_534, False),
        (0o040001, 0, 0, True),
    ],
)
def test_the_most_specific_permission_counts(mode: int, uid: int, gid: int, expected: bool) -> None:
    def look(path: Path) -> os.stat_result:
        return os.stat_result((mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))

    assert can_traverse(Path("/somewhere"), _NOBODY, look=look) is expected


def test_a_way_that_does_not_exist_cannot_be_gone(tmp_path: Path) -> None:
    assert not can_traverse(tmp_path / "missing", _NOBODY)


def test_only_root_needs_another_account() -> None:
    account = ordinary_account()
    if os.geteuid() == 0:
        assert account is not None
        assert account.uid != 0
        assert ordinary_account(owner=account.uid) == account
    else:
        assert account is None


def test_postgres_keeps_values_out_of_its_log_and_stays_durable() -> None:
    settings = _settings(render_postgres_config(port=20_123), " = ")
    assert settings["port"] == "20123"
    assert settings["listen_addresses"] == "'127.0.0.1'"
    assert settings["unix_socket_directories"] == "''"
    assert (settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"]) == ("on", "on", "on")
    assert settings["log_error_verbosity"] == "'terse'"
    assert settings["log_min_error_statement"] == "'panic'"
    assert settings["log_statement"] == "'none'"


def test_valkey_keeps_an_append_only_file_behind_a_password() -> None:
    settings = _settings(render_valkey_config(port=20_124, password="s3cret"), " ")
    assert settings["port"] == "20124"
    assert settings["bind"] == "127.0.0.1"
    assert settings["requirepass"] == "s3cret"
    assert (settings["appendonly"], settings["appendfsync"], settings["save"]) == ("yes", "everysec", '""')
    # An orphan could not be recognised otherwise.
    assert settings["set-proc-title"] == "no"


def test_valkey_on_the_search_path_serves_where_the_wheel_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = _program(tmp_path / "valkey-server", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find_valkey(str(tmp_path)) == binary
    assert find_valkey(str(tmp_path / "nothing")) is None


def test_kafka_takes_messages_that_must_be_dead_lettered() -> None:
    settings = _settings(render_kafka_config(broker_port=20_125, controller_port=20_126), "=")
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:20125,CONTROLLER://127.0.0.1:20126"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20125"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:20126"
    assert int(settings["message.max.bytes"]) >= 16 * 1024 * 1024
    assert int(settings["replica.fetch.max.bytes"]) >= int(settings["message.max.bytes"])
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["group.initial.rebalance.delay.ms"] == "0"


def test_cluster_ids_look_as_kafka_writes_them() -> None:
    ids = {new_cluster_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", identity) for identity in ids)


def test_every_jar_version_is_pinned() -> None:
    space = "{http://maven.apache.org/POM/4.0.0}"
    root = ET.parse(POM).getroot()
    properties = {entry.tag.removeprefix(space): entry.text for entry in root.iterfind(f"{space}properties/*")}
    named = [entry.text or "" for entry in root.iterfind(f".//{space}dependencies/{space}dependency/{space}version")]
    named += [entry.text or "" for entry in root.iterfind(f".//{space}plugin/{space}version")]
    versions = [properties.get(text.removeprefix("${").removesuffix("}"), text) or "" for text in named]
    assert len(versions) == 3
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    assert (properties["kafka.version"] or "").startswith("4.")


def test_the_jar_cache_follows_the_desktop_convention_and_the_pom(tmp_path: Path) -> None:
    assert default_cache_dir({"XDG_CACHE_HOME": "/var/cache/me"}, home=tmp_path) == Path("/var/cache/me/goldthread")
    assert default_cache_dir({"XDG_CACHE_HOME": "relative"}, home=tmp_path) == tmp_path / ".cache" / "goldthread"
    assert default_cache_dir({}, home=tmp_path) == tmp_path / ".cache" / "goldthread"
    assert jar_dir(tmp_path, pom=b"a") == jar_dir(tmp_path, pom=b"a")
    assert jar_dir(tmp_path, pom=b"a") != jar_dir(tmp_path, pom=b"b")


def _java(tmp_path: Path) -> dict[str, str]:
    _program(tmp_path / "jdk" / "bin" / "java", 'openjdk version "21.0.1"')
    return {"JAVA_HOME": str(tmp_path / "jdk"), "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def test_jars_are_fetched_once_and_only_complete_ones_are_kept(tmp_path: Path) -> None:
    environ = _java(tmp_path)
    java = find_java(environ)
    assert java is not None
    calls = tmp_path / "calls"
    maven = _program(tmp_path / "bin" / "mvn", "")
    maven.write_text(
        f'#!/bin/sh\necho called >> {calls}\nfor a in "$@"; do case $a in -DoutputDirectory=*) d=${{a#*=}};; esac; done\n'
        'mkdir -p "$d"; touch "$d/kafka_2.13-4.jar"\n',
        encoding="utf-8",
    )
    lines: list[str] = []
    for _ in range(2):
        jars = fetch_kafka_jars(
            tmp_path / "cache", java=java, environ=environ, log=lines.append, cancelled=threading.Event()
        )
        assert [jar.name for jar in jars.iterdir()] == ["kafka_2.13-4.jar"]
    assert calls.read_text(encoding="utf-8").splitlines() == ["called"]
    assert len(lines) == 1
    assert sorted(entry.name for entry in (tmp_path / "cache").iterdir()) == [jars.name, f"{jars.name}.lock"]


def test_a_failed_fetch_shows_what_maven_said_and_leaves_nothing(tmp_path: Path) -> None:
    environ = _java(tmp_path)
    java = find_java(environ)
    assert java is not None
    _program(tmp_path / "bin" / "mvn", "Could not find artifact").write_text(
        "#!/bin/sh\necho Could not find artifact\nexit 1\n", encoding="utf-8"
    )
    with pytest.raises(EmbeddedServerError, match="could not fetch") as caught:
        fetch_kafka_jars(
            tmp_path / "cache", java=java, environ=environ, log=lambda line: None, cancelled=threading.Event()
        )
    assert caught.value.part == "kafka"
    assert caught.value.log_tail.strip() == "Could not find artifact"
    assert not [entry for entry in (tmp_path / "cache").iterdir() if entry.is_dir()]


def test_a_missing_maven_is_named(tmp_path: Path) -> None:
    environ = {**_java(tmp_path), "PATH": str(tmp_path / "empty")}
    java = find_java(environ)
    assert java is not None
    with pytest.raises(EmbeddedServerError, match="Maven"):
        fetch_kafka_jars(
            tmp_path / "cache", java=java, environ=environ, log=lambda line: None, cancelled=threading.Event()
        )


def test_given_servers_are_used_as_they_are(tmp_path: Path) -> None:
    stack = EmbeddedStack(
        tmp_path / "data", postgres_dsn="host=db", redis_url="redis://cache/0", kafka_bootstrap="broker:9092"
    )
    with stack:
        assert stack.endpoints.postgres_dsn == "host=db"
        assert stack.endpoints.redis_url == "redis://cache/0"
        assert stack.endpoints.kafka_bootstrap == "broker:9092"
        assert stack.pids() == {}
    assert not (tmp_path / "data").exists()
    with pytest.raises(EmbeddedServerError, match="not a part that this stack starts"):
        stack.kill("postgres")


def test_an_endpoint_is_unknown_before_the_first_start(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, environ={})
    with pytest.raises(EmbeddedServerError, match="not started yet"):
        assert server.endpoint
