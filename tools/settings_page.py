"""Writes `docs/settings.md` from the settings themselves: `python tools/settings_page.py`. A test compares."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from goldthread.app.settings import Settings, key_of

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

_HEAD = """\
# Settings

Every setting is an environment key; commands offer the usual ones as options too, which win. A key with our prefix that is not on this page
is refused. Secrets never show in logs or errors. `goldthread up` takes free ports unless an option or the environment names one. Written by
`tools/settings_page.py`.

Exit codes: 0 done, 1 failed (starting again may help), 2 wrong usage or settings, 3 stopped until somebody has looked (POISON_LIMIT,
OFFSET_GAP, SCHEMA_VERSION), 130 interrupted.

| key | default | meaning |
|---|---|---|
"""


def rendered() -> str:
    """The page's text."""
    rows = []
    for spec in dataclasses.fields(Settings):
        default = spec.default
        shown = "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        secret = " *(secret)*" if spec.metadata["secret"] else ""
        rows.append(f"| `{key_of(spec.name)}` | {shown} | {spec.metadata['meaning']}{secret} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
