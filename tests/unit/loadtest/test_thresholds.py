"""A run passes by what it measured, never by what it left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from loadtest.locust.scenarios import SCENARIOS
from loadtest.locust.thresholds import SHIPPED, Limits, checks_of, read_limits


def test_a_bound_holds_at_its_value_and_not_beyond() -> None:
    limits = Limits(at_most={"errors": 0, "lookup.p999_ms": 48}, at_least={"sampled": 100})
    held = {"errors": 0, "lookup.p999_ms": 48.0, "sampled": 100}
    assert all(check.holds for check in checks_of(limits, held))
    broken = checks_of(limits, {"errors": 1, "lookup.p999_ms": 48.1, "sampled": 99})
    assert [check.holds for check in broken] == [False, False, False]


def test_a_figure_that_was_not_measured_fails() -> None:
    [at_most, at_least] = checks_of(Limits(at_most={"wrong": 0}, at_least={"sampled": 0}), {})
    assert (at_most.holds, at_least.holds) == (False, False)
    assert at_most.measured is None
    [nan] = checks_of(Limits(at_most={"wrong": 0}), {"wrong": float("nan")})
    assert not nan.holds


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_has_bounds_that_no_wrong_answer_passes(name: str) -> None:
    limits = read_limits(SHIPPED, name)
    assert {"errors", "wrong", "unknown", "lost_events"} <= limits.at_most.keys()
    assert [limits.at_most[figure] for figure in ("errors", "wrong", "unknown", "lost_events")] == [0, 0, 0, 0]
    assert limits.at_least["sampled"] > 0
    assert any(figure.endswith("_ms") for figure in limits.at_most)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no thresholds for mixed"),
        ("[other.at_most]\nerrors = 0\n", "no thresholds for mixed"),
        ("[mixed.below]\nerrors = 0\n", "mixed.below must be one of"),
        ("[mixed]\nat_most = 3\n", "mixed.at_most must"),
        ("[mixed.at_most]\nerrors = true\n", "mixed.at_most must"),
        ('[mixed.at_most]\nerrors = "none"\n', "mixed.at_most must"),
    ],
)
def test_a_file_that_bounds_nothing_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "thresholds.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        read_limits(path, "mixed")
