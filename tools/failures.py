"""Tells what failed in runs of pytest that ran beside each other: `python tools/failures.py REPORT.xml…`, of `pytest --junitxml`.

Their outputs are mixed, and a log that is cut keeps its end: so this comes last.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

LAST_LINES = 25
"""Of what pytest says of one failure."""


def failures(report: Path) -> Iterator[str]:
    """What is said of each failure; of a run that left no report, that it did not end."""
    if not report.exists():
        yield f"{report.name}: no report, so the run did not come to its end"
        return
    for case in ET.parse(report).iter("testcase"):
        for kind in ("failure", "error"):
            for found in case.findall(kind):
                said = (found.text or found.get("message") or "").splitlines()[-LAST_LINES:]
                yield "\n".join([f"{kind.upper()} {case.get('classname')}::{case.get('name')}", *said])


def main(reports: list[str]) -> None:
    """Prints them all."""
    for report in reports:
        for told in failures(Path(report)):
            print(told, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
