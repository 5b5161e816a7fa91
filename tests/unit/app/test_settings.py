from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import pytest

from fixtures.repository import ROOT
from goldthread.app.settings import Settings, key_of, process_environment
from goldthread.domain.errors import SettingsError

KEY = "0f" * 32


def complaint(environ: dict[str, str]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        Settings.read(environ)
    return caught.value


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.read({"PATH": "/bin"})
    assert settings == Settings()
    assert settings.region == "US"
    assert settings.postgres_dsn is None


def test_values_are_typed() -> None:
    settings = Settings.read(
        {
            "GOLDTHREAD_GRPC_PORT": "0",
            "GOLDTHREAD_ACCEPT_GAP": "Yes",
            "GOLDTHREAD_REGION": "gb",
            "GOLDTHREAD_MODEL": "/models/a.toml",
            "GOLDTHREAD_LOG_LEVEL": "WARNING",
        }
    )
    assert settings.grpc_port == 0
    assert settings.accept_gap is True
    assert settings.region == "GB"
    assert settings.model == Path("/models/a.toml")
    assert settings.log_level == "warning"


def test_an_unknown_key_is_refused_by_name() -> None:
    error = complaint({"GOLDTHREAD_POSTGRES_DNS": "postgresql://u:hunter2@h/d"})
    assert error.metadata["key"] == "GOLDTHREAD_POSTGRES_DNS"
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("GOLDTHREAD_GRPC_PORT", "70000"),
        ("GOLDTHREAD_GRPC_PORT", "-1"),
        ("GOLDTHREAD_GRPC_PORT", "http"),
        ("GOLDTHREAD_ACCEPT_GAP", "perhaps"),
        ("GOLDTHREAD_REGION", "USA"),
        ("GOLDTHREAD_REGION", "UK"),
        ("GOLDTHREAD_REGION", "ZZ"),
        ("GOLDTHREAD_CURRENCY", "US"),
        ("GOLDTHREAD_LOG_LEVEL", "loud"),
        ("GOLDTHREAD_KAFKA_BOOTSTRAP", "  "),
        ("GOLDTHREAD_BATCH_EVENTS", "0"),
    ],
)
def test_an_invalid_value_is_refused_and_not_repeated(key: str, value: str) -> None:
    error = complaint({key: value})
    assert error.metadata == {"key": key}
    assert str(error).startswith(f"{key}: ")


def test_overrides_win_unless_they_are_none() -> None:
    environ = {"GOLDTHREAD_REGION": "GB", "GOLDTHREAD_GRPC_PORT": "5"}
    settings = Settings.read(environ, {"region": None, "grpc_port": 0, "accept_gap": True})
    assert (settings.region, settings.grpc_port, settings.accept_gap) == ("GB", 0, True)
    with pytest.raises(SettingsError, match="GOLDTHREAD_COLOUR"):
        Settings.read({}, {"colour": "red"})


def test_defaults_of_a_command_give_way_to_the_environment_and_to_options() -> None:
    free = {"grpc_port": 0, "metrics_port": 0}
    settings = Settings.read({"GOLDTHREAD_GRPC_PORT": "50051"}, {"metrics_port": 9}, defaults=free)
    assert (settings.grpc_port, settings.metrics_port) == (50_051, 9)
    settings = Settings.read({}, defaults=free)
    assert (settings.grpc_port, settings.metrics_port) == (0, 0)


def test_a_master_key_file_among_the_options_wins_over_a_key_of_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text("1e" * 32, encoding="utf-8")
    settings = Settings.read({"GOLDTHREAD_MASTER_KEY": KEY}, {"master_key_file": path})
    assert settings.master_secret() == bytes.fromhex("1e" * 32)
    both = Settings.read({"GOLDTHREAD_MASTER_KEY": KEY, "GOLDTHREAD_MASTER_KEY_FILE": str(path)})
    with pytest.raises(SettingsError, match="set either"):
        both.master_secret()


def test_secrets_are_hidden() -> None:
    settings = Settings.read(
        {
            "GOLDTHREAD_POSTGRES_DSN": "postgresql://u:hunter2@h/d",
            "GOLDTHREAD_REDIS_URL": "redis://:hunter2@h/0",
            "GOLDTHREAD_MASTER_KEY": KEY,
        }
    )
    assert "hunter2" not in repr(settings)
    assert KEY not in repr(settings)
    assert settings.need("postgres_dsn").endswith("@h/d")


def test_a_missing_setting_is_named_when_it_is_needed() -> None:
    with pytest.raises(SettingsError, match="GOLDTHREAD_REDIS_URL: must be set"):
        Settings().need("redis_url")


def test_the_master_key_comes_from_its_key_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    assert Settings(master_key=KEY).master_secret() == bytes.fromhex(KEY)
    assert Settings(master_key_file=path).master_secret() == bytes.fromhex(KEY)


@pytest.mark.parametrize("key", ["", "zz" * 32, "0f" * 31])
def test_a_wrong_master_key_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(key, encoding="utf-8")
    with pytest.raises(SettingsError, match="GOLDTHREAD_MASTER_KEY_FILE") as caught:
        Settings(master_key_file=path).master_secret()
    assert not key or key not in str(caught.value)


def test_exactly_one_master_key_is_wanted(tmp_path: Path) -> None:
    for settings in (Settings(), Settings(master_key=KEY, master_key_file=tmp_path / "master.key")):
        with pytest.raises(SettingsError, match="set either"):
            settings.master_secret()
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings(master_key_file=tmp_path / "absent").master_secret()


def test_the_shipped_model_is_the_default(tmp_path: Path) -> None:
    assert 'version = "retail-persons-1"' in Settings().model_text()
    own = tmp_path / "own.toml"
    own.write_text('version = "own"\n', encoding="utf-8")
    assert Settings(model=own).model_text() == 'version = "own"\n'


def test_a_child_reads_back_what_its_parent_holds() -> None:
    settings = Settings(
        postgres_dsn="postgresql://u:p@h/d",
        grpc_port=0,
        accept_gap=True,
        grpc_reflection=False,
        model=Path("/models/a.toml"),
        master_key=KEY,
    )
    assert Settings.read(settings.environment()) == settings
    assert Settings().environment() == {}


def test_children_inherit_the_environment_without_our_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDTHREAD_REGION", "GB")
    monkeypatch.setenv("PLAIN", "1")
    found = process_environment()
    assert found["PLAIN"] == "1"
    assert "GOLDTHREAD_REGION" not in found


def test_the_page_lists_every_setting() -> None:
    spec = importlib.util.spec_from_file_location("settings_page", ROOT / "tools/settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    text = page.rendered()
    assert page.PAGE.read_text(encoding="utf-8") == text, "run: python tools/settings_page.py"
    assert all(f"`{key_of(field.name)}`" in text for field in dataclasses.fields(Settings))
