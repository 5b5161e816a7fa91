"""What the other tools reach on the labelled sets by the notes beside those, and whether a run reaches it again.

A tool that does worse here than where it was measured first is set up wrongly here, and beating it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["PUBLISHED", "Published", "Reproduced", "reproduced"]

TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Published:
    """Figures of the table in ../shared/data/README.md."""

    precision: float
    recall: float
    f1: float
    bcubed_f1: float
    exact: float


@dataclass(frozen=True, slots=True)
class Reproduced:
    """How far a run is from what was published."""

    largest: float
    """The largest distance of any figure."""
    measure: str
    """The figure that it is."""

    @property
    def within(self) -> bool:
        """Whether all figures are reproduced, as far as three digits say."""
        return self.largest <= TOLERANCE + 1e-9


def reproduced(published: Published, measures: Mapping[str, float]) -> Reproduced:
    """Compares the measures of a run, by name, with what was published."""
    distance, name = max((round(abs(measures[name] - value), 3), name) for name, value in _figures(published))
    return Reproduced(distance, name)


def _figures(published: Published) -> Iterator[tuple[str, float]]:
    for name in ("precision", "recall", "f1", "bcubed_f1", "exact"):
        yield name, getattr(published, name)


PUBLISHED: Mapping[tuple[str, str, str], Published] = {
    ("febrl1", "full", "splink"): Published(1.000, 1.000, 1.000, 1.000, 1.000),
    ("febrl1", "full", "recordlinkage"): Published(1.000, 1.000, 1.000, 1.000, 1.000),
    ("febrl1", "full", "goldenmatch"): Published(1.000, 0.980, 0.990, 0.995, 0.980),
    ("febrl1", "retail", "splink"): Published(1.000, 0.970, 0.985, 0.992, 0.970),
    ("febrl1", "retail", "recordlinkage"): Published(0.984, 0.988, 0.986, 0.995, 0.980),
    ("febrl2", "full", "splink"): Published(1.000, 1.000, 1.000, 1.000, 1.000),
    ("febrl2", "full", "recordlinkage"): Published(1.000, 0.998, 0.999, 1.000, 1.000),
    ("febrl2", "full", "goldenmatch"): Published(1.000, 0.987, 0.994, 0.999, 0.998),
    ("febrl2", "retail", "splink"): Published(0.999, 0.947, 0.972, 0.994, 0.989),
    ("febrl2", "retail", "recordlinkage"): Published(0.981, 0.987, 0.984, 0.996, 0.988),
    ("febrl_dsgen_c", "full", "splink"): Published(1.000, 0.997, 0.998, 0.999, 0.998),
    ("febrl_dsgen_c", "full", "recordlinkage"): Published(0.904, 0.998, 0.949, 0.981, 0.925),
    ("febrl_dsgen_c", "full", "goldenmatch"): Published(0.999, 0.992, 0.995, 0.998, 0.995),
    ("febrl_dsgen_c", "nossn", "splink"): Published(1.000, 0.970, 0.985, 0.994, 0.988),
    ("febrl_dsgen_c", "retail", "splink"): Published(1.000, 0.930, 0.964, 0.986, 0.975),
    ("febrl_dsgen_c", "retail", "recordlinkage"): Published(0.900, 0.963, 0.930, 0.973, 0.910),
    ("febrl_dsgen_c", "retail", "goldenmatch"): Published(1.000, 0.758, 0.862, 0.951, 0.932),
    ("rldata500", "full", "splink"): Published(1.000, 0.920, 0.958, 0.996, 0.991),
    ("rldata500", "full", "splink-plus"): Published(1.000, 0.940, 0.969, 0.997, 0.993),
    ("rldata500", "full", "recordlinkage"): Published(0.833, 1.000, 0.909, 0.991, 0.960),
    ("rldata500", "full", "goldenmatch"): Published(0.645, 0.980, 0.778, 0.977, 0.913),
    ("fake1000", "full", "splink"): Published(1.000, 0.725, 0.840, 0.878, 0.554),
    ("fake1000", "full", "splink-plus"): Published(1.000, 0.813, 0.897, 0.918, 0.669),
    ("fake1000", "full", "recordlinkage"): Published(0.535, 0.899, 0.671, 0.897, 0.629),
    ("fake1000", "full", "goldenmatch"): Published(1.000, 0.107, 0.194, 0.499, 0.191),
    ("fake1000", "retail", "splink"): Published(1.000, 0.344, 0.512, 0.675, 0.279),
    ("historical_dev", "full", "splink"): Published(0.957, 0.753, 0.843, 0.862, 0.260),
    ("historical_dev", "full", "splink-plus"): Published(0.908, 0.876, 0.892, 0.923, 0.500),
    ("historical_dev", "full", "recordlinkage"): Published(0.069, 0.732, 0.127, 0.799, 0.172),
    ("historical_dev", "full", "goldenmatch"): Published(0.954, 0.738, 0.832, 0.854, 0.246),
    ("retail_us_dev", "full", "splink"): Published(0.606, 0.955, 0.742, 0.881, 0.581),
    ("retail_us_dev", "full", "recordlinkage"): Published(0.387, 0.464, 0.422, 0.702, 0.172),
    ("retail_us_dev", "full", "goldenmatch"): Published(0.391, 0.380, 0.385, 0.685, 0.172),
    ("retail_us_dev", "retail", "splink"): Published(0.604, 0.953, 0.740, 0.879, 0.575),
}
"""By set, fields and system."""
