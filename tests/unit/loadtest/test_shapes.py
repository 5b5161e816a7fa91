"""Shapes of load over a run."""

from __future__ import annotations

import pytest
from loadtest.locust.shapes import SHAPES, Shape


def test_corners_are_joined_by_straight_lines() -> None:
    shape = Shape(((0.0, 0.2), (0.5, 1.0), (1.0, 0.4)))
    assert [shape.share(part) for part in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx([0.2, 0.6, 1.0, 0.7, 0.4])
    assert (shape.share(-1.0), shape.share(2.0)) == pytest.approx((0.2, 0.4))
    assert shape.mean == pytest.approx(0.65)


def test_the_number_of_callers_follows_and_is_never_none() -> None:
    ramp = SHAPES["ramp"]
    assert [ramp.callers(part, peak=1_000) for part in (0.0, 0.4, 0.8, 1.0)] == [100, 550, 1_000, 1_000]
    assert ramp.callers(0.0, peak=1) == 1


def test_black_friday_opens_its_doors_at_once() -> None:
    day = SHAPES["black-friday"]
    before, after = day.callers(0.28, peak=1_000), day.callers(0.3, peak=1_000)
    assert (before, after) == (200, 1_000)
    assert max(day.share(step / 100) for step in range(101)) == 1.0
    assert day.callers(1.0, peak=1_000) == 200


@pytest.mark.parametrize(
    "corners",
    [
        ((0.0, 1.0),),
        ((0.1, 1.0), (1.0, 1.0)),
        ((0.0, 1.0), (0.9, 1.0)),
        ((0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, 1.0)),
        ((0.0, 0.0), (1.0, 1.0)),
        ((0.0, 1.0), (1.0, 1.1)),
    ],
)
def test_what_is_no_shape_is_refused(corners: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="must"):
        Shape(corners)
