from __future__ import annotations

import pytest
from loadtest.lookup.__main__ import Measured, Result, judge


def measured(rate: float) -> Measured:
    return Measured(rate=rate, cpu_us=1.0, p50_us=1, p99_us=1, p999_us=1, longest_us=1)


def results(**rates: float) -> dict[str, Result]:
    names = {"grpc": "Lookup, gRPC", "rest": "Lookup, REST", "express": "Express", "echo": "tonic echo"}
    return {names[name]: Result(names[name], [measured(rate)] * 3) for name, rate in rates.items()}


@pytest.mark.parametrize(
    ("rates", "wrong"),
    [
        ({"grpc": 70_000.0, "rest": 50_000.0, "express": 10_000.0, "echo": 100_000.0}, []),
        (
            {"grpc": 50_000.0, "rest": 50_000.0, "express": 10_000.0, "echo": 100_000.0},
            [
                "Lookup, gRPC / tonic echo: 0.50 is below 0.60",
                "Lookup, gRPC / Express: 5.00 is below 7.00",
            ],
        ),
        ({"grpc": 40_000.0, "express": 4_999.0}, ["void: Express reached less than 5,000/s"]),
        ({"grpc": 1.0}, []),
    ],
)
def test_a_run_that_is_void_or_misses_a_goal_is_no_success(rates: dict[str, float], wrong: list[str]) -> None:
    assert judge(results(**rates)).wrong() == wrong


def test_rounds_are_compared_with_their_own() -> None:
    both = {
        "Lookup, gRPC": Result("Lookup, gRPC", [measured(rate) for rate in (80_000, 8_000, 80_000)]),
        "Express": Result("Express", [measured(rate) for rate in (10_000, 1_000, 5_000)]),
    }
    [goal] = judge(both).goals
    assert (goal.ratio, goal.goal) == (8.0, 7.0)
