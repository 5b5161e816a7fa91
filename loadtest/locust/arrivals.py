"""When callers call: by their own clock, whatever became of the calls before.

A customer steps up to a till whether or not the server is quick just now. So every caller has a schedule of its own, and the time of a call
counts from the moment when it was due: a call that the caller itself could only begin late, for one that hung or for want of processor time,
has waited too. A loop of "ask, wait for the answer, ask again" would ask least when the server is slowest, and so leave out its worst moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

__all__ = ["arrivals"]


def arrivals(*, rate: float, start: float, draw: Random) -> Iterator[float]:
    """Moments from `start` on, `rate` a second on average, with exponential gaps, without end.

    Many such callers together are one Poisson process of their summed rate, so load grows and falls with their number. Raises `ValueError`
    for a rate that is not above 0.
    """
    if rate <= 0:
        raise ValueError("rate must be above 0")
    moment = start
    while True:
        moment += draw.expovariate(rate)
        yield moment
