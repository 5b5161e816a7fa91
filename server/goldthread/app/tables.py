"""The tables that batch commands work on: what their columns are, told by detection or a mapping, and the claims they hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from goldthread.domain.columns import PackedTexts
from goldthread.domain.errors import SettingsError
from goldthread.files import (
    ExtraKind,
    Finding,
    Role,
    Understanding,
    column_names,
    read_flat,
    read_sample,
    row_count,
    understand,
)
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.match import CLAIM_COLUMNS, DEFAULT_SOURCE, claim_columns
from goldthread.matching.batch import ClaimColumns

__all__ = ["Beside", "Table", "Tables", "explain_option", "ignore_option", "mapping_option", "model_option"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SAMPLE_ROWS = 5_000

mapping_option = click.option(
    "--mapping", type=_FILE, help="TOML file that says which column is what.  [default: columns are understood]"
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

    def explained(self) -> str:
        """What the columns are taken for and why, as lines of text. No value is shown."""
        rows = [("column", "is", "because", "filled", "different", "looks like")]
        mapped = [(target, names) for target, names in self.mapping.columns.items()]
        mapped += [(f"{name} ({extra.kind})", (extra.column,)) for name, extra in self.mapping.extras.items()]
        detected = {finding.column for finding in self.understanding.findings} if self.understanding else set()
        for target, names in mapped:
            rows += [(name, target, "mapping", "", "", "") for name in names if name not in detected]
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
    row_counts: list[int] = field(default_factory=list)
    """Rows of each table, once its claims have been read."""

    @classmethod
    def understood(
        cls,
        paths: Sequence[Path],
        *,
        mapping: ColumnMapping | None = None,
        ignored: Collection[str] = (),
        source: str | None = None,
        beside: Beside | None = None,
    ) -> Tables:
        """Tables as the mapping says or as they look, without the ignored columns.

        Rows without a source have `source`; if that is None, `DEFAULT_SOURCE`, or of several files the name of theirs. Raises `FileFormatError`.
        """
        own = DEFAULT_SOURCE if len(paths) == 1 else None
        return cls(
            tables=tuple(
                _table(path, mapping, frozenset(ignored), source or own or path.name.split(".")[0]) for path in paths
            ),
            beside=beside or {},
        )

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
                raise SettingsError("FILE", f"has a column {found[0]} already")
            if CLAIM_COLUMNS.isdisjoint({*table.mapping.columns, *table.mapping.constants}):
                raise SettingsError(
                    "mapping", "no column of the file is an identifier or an attribute; name them in a mapping"
                )
        for name, option in (beside or {}).items():
            if name not in everywhere:
                raise SettingsError(option, f"the files have no column {name!r}")

    def expected_rows(self) -> list[int | None]:
        """Rows of each table, as far as the files say without being read."""
        return [row_count(table.path) for table in self.tables]

    def explained(self) -> str:
        """What the columns of all tables are taken for."""
        return "\n\n".join(table.explained() for table in self.tables)

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


def _table(path: Path, said: ColumnMapping | None, ignored: frozenset[str], source: str) -> Table:
    own = (said or ColumnMapping({}, detect=True)).without(ignored)
    if not own.detect:
        return Table(path=path, mapping=own, source=source, understanding=None)
    sample = read_sample(path, rows=_SAMPLE_ROWS)
    named = {name for names in own.columns.values() for name in names} | {extra.column for extra in own.extras.values()}
    found = understand({name: sample[name] for name in sample if name not in named}, ignored=own.ignored)
    given = own.columns.keys() | own.constants.keys()
    mapping = replace(
        own,
        columns={target: names for target, names in found.mapping.columns.items() if target not in given}
        | dict(own.columns),
        extras={**found.mapping.extras, **own.extras},
    )
    return Table(path=path, mapping=mapping, source=source, understanding=found)


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
