"""The tables that batch commands work on: what their columns are, told by detection or a mapping, and the claims they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

import click

from goldthread.domain.columns import PackedTexts
from goldthread.domain.errors import SettingsError
from goldthread.files import (
    MOST_EXTRAS,
    ExtraKind,
    Finding,
    Malformed,
    Role,
    Understanding,
    column_names,
    profile_of,
    read_flat,
    read_sample,
    row_count,
    stem_of,
    understand,
)
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.match import CLAIM_COLUMNS, DEFAULT_SOURCE, claim_columns
from goldthread.matching.batch import ClaimColumns

__all__ = [
    "Beside",
    "MappingFile",
    "Table",
    "Tables",
    "event_table",
    "explain_option",
    "ignore_option",
    "mapping_option",
    "model_option",
]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SAMPLE_ROWS = 5_000
_SHIPPED = Path(__file__).parent.parent / "mappings"
_NAMES = frozenset({"given_name", "family_name", "full_name"})


class MappingFile(click.Path):
    """A mapping file, or the name of one that ships: `shopify-orders`."""

    name = "file|name"

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(
        self, value: str | PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | PathLike[str]:
        """The path of the file."""
        shipped = {path.stem: path for path in sorted(_SHIPPED.glob("*.toml"))}
        if (found := shipped.get(str(value))) is not None:
            return found
        if not Path(value).exists() and not Path(value).suffix:
            self.fail(f"{value!r} is neither a file nor one of {', '.join(shipped)}", param, ctx)
        return super().convert(value, param, ctx)


mapping_option = click.option(
    "--mapping",
    type=MappingFile(),
    help="TOML file that says which column is what, or the name of a shipped one.  [default: columns are understood]",
)
ignore_option = click.option(
    "--ignore", "ignored", metavar="COLUMN", multiple=True, help="Column that is not looked at; may be repeated."
)
explain_option = click.option("--explain-columns", is_flag=True, help="Print what the columns are taken for, and stop.")
model_option = click.option(
    "--model",
    metavar="FILE|shipped",
    help="Match model file, or the shipped one.  [default: trained on the rows, where there are enough]",
)

Beside = Mapping[str, Callable[[Sequence[str | None]], None]]
"""Who is told the values of columns that are no claims: batch by batch, in the order of the rows, None where a table lacks the column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file, what its columns are, and the source of rows that do not name theirs."""

    path: Path
    mapping: ColumnMapping
    source: str
    understanding: Understanding | None
    """None where a mapping says everything."""
    mapped_extras: frozenset[str] = frozenset()
    """Further columns that a mapping names."""
    said_by: str = "mapping"
    """What says of the columns that were not understood what they are."""

    def explained(self) -> str:
        """What the columns are taken for and why, as lines of text. No value is shown."""
        rows = [("column", "is", "because", "filled", "different", "looks like")]
        mapped = [(target, names) for target, names in self.mapping.columns.items()]
        mapped += [(f"{name} ({extra.kind})", (extra.column,)) for name, extra in self.mapping.extras.items()]
        detected = {finding.column for finding in self.understanding.findings} if self.understanding else set()
        for target, names in mapped:
            rows += [(name, target, self.said_by, "", "", "") for name in names if name not in detected]
        if self.understanding is not None:
            rows += [_line(finding) for finding in self.understanding.findings]
        rows += [
            ("", f"{target} = {value!r}", "mapping", "", "", "") for target, value in self.mapping.constants.items()
        ]
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self.path.name, *lines])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Tables that are taken together. They are read as often as they are asked for their claims, batch by batch."""

    tables: tuple[Table, ...]
    beside: Beside = field(default_factory=dict)
    sourced: bool = True
    """Whether the source of rows that do not name theirs was chosen, and not made of the files' names."""
    row_counts: list[int] = field(default_factory=list)
    """Rows of each table, once its claims have been read."""

    @classmethod
    def understood(
        cls,
        paths: Sequence[Path],
        *,
        mapping: ColumnMapping | None = None,
        ignored: Collection[str] = (),
        hidden: Collection[str] = (),
        source: str | None = None,
        beside: Beside | None = None,
    ) -> Tables:
        """Tables as the mapping says or as they look, without the ignored and the hidden columns.

        Ignored columns must be there, hidden ones need not. Rows without a source have `source`; if that is None, `DEFAULT_SOURCE`, or of several
        files the name of theirs. Of the further columns of all tables those are kept that have most values. Raises `FileFormatError` and `SettingsError`.
        """
        if ignored:
            names = {name for path in paths for name in column_names(path)}
            if unknown := sorted(set(ignored) - names):
                raise SettingsError("ignore", f"the files have no column {unknown[0]!r}")
        alone = len(paths) == 1
        left_out = frozenset({*ignored, *hidden})
        tables = [
            _table(path, mapping, left_out, source=source or (DEFAULT_SOURCE if alone else stem_of(path)), alone=alone)
            for path in paths
        ]
        return cls(tables=tuple(_few_extras(tables)), beside=beside or {}, sourced=alone or source is not None)

    def check(self, *, taken: Collection[str] = (), beside: Mapping[str, str] | None = None) -> None:
        """Refuses tables that lack what the mapping names, that hold no claims, or have a column of a name that is taken.

        `beside` are the options that named the columns beside: one of the tables at least has each. Raises `FileFormatError` and `SettingsError`.
        """
        everywhere: set[str] = set()
        for table in self.tables:
            names = column_names(table.path)
            everywhere.update(names)
            table.mapping.check(table.path, names)
            if found := sorted(set(taken).intersection(names)):
                raise SettingsError("FILE", f"{table.path} has a column {found[0]} already")
            if CLAIM_COLUMNS.isdisjoint({*table.mapping.columns, *table.mapping.constants}):
                raise SettingsError(
                    "mapping", f"no column of {table.path} is an identifier or an attribute; name them in a mapping"
                )
        for name, option in (beside or {}).items():
            if name not in everywhere:
                raise SettingsError(option, f"the files have no column {name!r}")
        self._check_sources()

    def _check_sources(self) -> None:
        """Customer numbers count within their source: two files of one name would lend each other theirs."""
        first: dict[str, Path] = {}
        for table in self.tables if not self.sourced else ():
            if "source" in table.mapping.constants:
                continue
            other = first.setdefault(table.source, table.path)
            if other is not table.path:
                raise SettingsError(
                    "source",
                    f"{other} and {table.path} would have one source by their names; give it, or [constants] source in a mapping",
                )

    def without_extras(self) -> Tables:
        """The tables without further columns: a ledger knows none, and they are part of a record's address.

        Raises `SettingsError` for one that the mapping names.
        """
        if named := next((name for table in self.tables for name in table.mapped_extras), None):
            raise SettingsError(
                "mapping", f"extras.{named} cannot be compared with the keys of a ledger, which has none"
            )
        tables = [_dropping(table, table.mapping.extras, "a ledger has no further columns") for table in self.tables]
        return replace(self, tables=tuple(tables))

    @property
    def nameless(self) -> list[str]:
        """Files none of whose columns is a name."""
        return [str(table.path) for table in self.tables if _NAMES.isdisjoint(table.mapping.columns)]

    def expected_rows(self) -> list[int | None]:
        """Rows of each table, as far as the files say without being read."""
        return [row_count(table.path) for table in self.tables]

    def explained(self, compared: Collection[str] | None = None) -> str:
        """What the columns of all tables are taken for, under a model that compares these further columns or, if None, any."""
        tables: Iterable[Table] = self.tables
        if compared is not None:
            tables = [
                _dropping(table, table.mapping.extras.keys() - set(compared), "the model does not compare it")
                for table in self.tables
            ]
        return "\n\n".join(table.explained() for table in tables)

    @property
    def provenance(self) -> str:
        """Names of the files."""
        return ", ".join(table.path.name for table in self.tables)

    @property
    def extra_kinds(self) -> dict[str, str]:
        """Kinds of the further columns of all tables. One that says something of the person anywhere does so everywhere."""
        kinds: dict[str, str] = {}
        for table in self.tables:
            for name, extra in table.mapping.extras.items():
                if kinds.get(name) != ExtraKind.PERSON:
                    kinds[name] = extra.kind.value
        return kinds

    def claims(self, extras: Collection[str]) -> Iterator[ClaimColumns]:
        """The claims of all tables, with these further columns and no others."""
        self.row_counts.clear()
        for table in self.tables:
            wanted = {name: extra for name, extra in table.mapping.extras.items() if name in extras}
            constants = dict(table.mapping.constants)
            self.row_counts.append(0)
            for batch in read_flat(table.path, replace(table.mapping, extras=wanted), self.beside):
                self.row_counts[-1] += batch.rows
                for name, tell in self.beside.items():
                    tell(batch.beside.get(name, PackedTexts.missing(batch.rows)).texts())
                repeated = {target: [value] * batch.rows for target, value in constants.items() if target != "source"}
                yield claim_columns(
                    {**repeated, **batch.columns},
                    rows=batch.rows,
                    default_source=constants.get("source", table.source),
                    extras=batch.extras,
                )


def event_table(path: Path, said: ColumnMapping | None, *, malformed: Malformed | None = None) -> Table:
    """A file of events as a mapping says, or by the names of the flat format and, for all other columns, as they look.

    What is the same in all rows of a file, or differs in each, counts here: other events of the same people may come in other files. With `malformed`,
    rows of a text file that cannot be read are told there and passed over. Raises `FileFormatError`.
    """
    own = said
    if own is None:
        named = ColumnMapping.named(column_names(path, malformed=malformed)).columns
        own = ColumnMapping({target: names for target, names in named.items() if target != "truth"}, detect=True)
    table = _table(path, own, frozenset(), source="", alone=False, malformed=malformed)
    table.mapping.check(path, column_names(path, malformed=malformed))
    table = _dropping(table, table.mapping.extras, "events have no further columns")
    return table if said is not None else replace(table, said_by="header")


def _table(
    path: Path,
    said: ColumnMapping | None,
    left_out: frozenset[str],
    *,
    source: str,
    alone: bool,
    malformed: Malformed | None = None,
) -> Table:
    own = said or ColumnMapping({}, detect=True)
    own = own.without(left_out | own.ignored)
    if not own.detect:
        return Table(path=path, mapping=own, source=source, understanding=None, mapped_extras=frozenset(own.extras))
    sample = read_sample(path, rows=_SAMPLE_ROWS, malformed=malformed)
    named = {name for names in own.columns.values() for name in names} | {extra.column for extra in own.extras.values()}
    given = own.columns.keys() | own.constants.keys() | own.extras.keys()
    found = understand(
        {name: values for name, values in sample.columns.items() if name not in named},
        ignored=own.ignored,
        given=given,
        alone=alone,
        whole=sample.whole,
    )
    unread = [_unreadable(name, kind) for name, kind in sample.unreadable.items() if name not in named]
    mapping = replace(
        own, columns={**found.mapping.columns, **own.columns}, extras={**found.mapping.extras, **own.extras}
    )
    understanding = replace(found, findings=(*found.findings, *unread), mapping=mapping)
    return Table(
        path=path, mapping=mapping, source=source, understanding=understanding, mapped_extras=frozenset(own.extras)
    )


def _unreadable(name: str, kind: str) -> Finding:
    return Finding(
        column=name, role=Role.LEFT_OUT, target=None, kind=None, reason=f"values of type {kind}", profile=profile_of(())
    )


def _few_extras(tables: Sequence[Table]) -> list[Table]:
    """The tables with no more different further columns than a model can have: those of a mapping, then those with most values. Raises `SettingsError`."""
    mapped = {name for table in tables for name in table.mapped_extras}
    if len(mapped) > MOST_EXTRAS:
        raise SettingsError("mapping", f"names {len(mapped)} extras; a model has {MOST_EXTRAS} at most")
    values: Counter[str] = Counter()
    for table in tables:
        for finding in table.understanding.findings if table.understanding is not None else ():
            if finding.role is Role.EXTRA and finding.target is not None:
                values[finding.target] += finding.profile.present
    ranked = sorted(values.keys() - mapped, key=lambda name: (-values[name], name))
    dropped = ranked[MOST_EXTRAS - len(mapped) :]
    reason = f"more than {MOST_EXTRAS} further columns in all files"
    return [_dropping(table, dropped, reason) for table in tables] if dropped else list(tables)


def _dropping(table: Table, extras: Collection[str], reason: str) -> Table:
    """A table of which some further columns are not compared."""
    kept = {name: extra for name, extra in table.mapping.extras.items() if name not in extras}
    mapping = replace(table.mapping, extras=kept)
    understanding = table.understanding
    if understanding is not None:
        findings = tuple(
            replace(finding, role=Role.LEFT_OUT, target=None, kind=None, reason=reason)
            if finding.role is Role.EXTRA and finding.target in extras
            else finding
            for finding in understanding.findings
        )
        understanding = replace(understanding, findings=findings, mapping=mapping)
    return replace(table, mapping=mapping, understanding=understanding)


def _line(finding: Finding) -> tuple[str, str, str, str, str, str]:
    profile = finding.profile
    role = {Role.CLAIM: str(finding.target), Role.EXTRA: f"{finding.target} ({finding.kind})"}.get(
        finding.role, finding.role.value
    )
    return (
        finding.column,
        role,
        finding.reason,
        f"{profile.coverage:.0%}",
        f"{profile.distinct:,}",
        profile.pattern.value if profile.present else "",
    )
