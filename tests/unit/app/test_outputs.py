"""Outputs are looked at before the work, and appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goldthread.app.outputs import check_outputs, write_text
from goldthread.domain.errors import SettingsError


def test_folders_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"report: there is no directory .*nodir"):
        check_outputs([("out", tmp_path / "a"), ("report", tmp_path / "nodir" / "b")], inputs=[])
    with pytest.raises(SettingsError, match=r"out: .* is a directory"):
        check_outputs([("out", tmp_path)], inputs=[])
    check_outputs([("json", Path("-")), ("report", None)], inputs=[None])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folders_must_be_writable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match=r"out: .* cannot be written to"):
        check_outputs([("out", tmp_path / "a")], inputs=[])


def test_one_file_is_not_two(tmp_path: Path) -> None:
    other = tmp_path / "people.csv"
    with pytest.raises(SettingsError, match=r"out: must not be another file of this run, which .*people.csv is"):
        check_outputs([("out", tmp_path / "x" / ".." / "people.csv")], inputs=[other])
    with pytest.raises(SettingsError, match="report: must not be another file"):
        check_outputs([("out", other), ("report", other)], inputs=[])


def test_what_cannot_be_written_is_told_by_its_option(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"report: b\.html cannot be written \(FileNotFoundError\)"):
        write_text("report", tmp_path / "nodir" / "b.html", "text")
    write_text("report", tmp_path / "b.html", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["b.html"]
