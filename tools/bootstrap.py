"""Keeps `tools/bootstrap.txt` equal to the pin of uv in `requirements.lock`.

pip installs that one tool by hash, and uv installs everything else. `python tools/bootstrap.py` writes the file.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
BOOTSTRAP = ROOT / "tools" / "bootstrap.txt"
_HEADER = (
    "# The one tool that pip installs; uv installs the rest. Written from requirements.lock by tools/bootstrap.py.\n"
)


def pin(lock: str, package: str) -> str:
    """The lock's entry of one package with its hashes, a line each; raises `ValueError` if it has none."""
    lines = lock.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.startswith(f"{package}==")]
    if len(starts) != 1:
        raise ValueError(f"requirements.lock must pin {package} exactly once")
    entry = [lines[starts[0]]]
    for line in lines[starts[0] + 1 :]:
        if not line.startswith(" "):
            break
        entry.append(line)
    return "".join(entry)


def rendered() -> str:
    """What `tools/bootstrap.txt` must hold."""
    return _HEADER + pin(LOCK.read_text(encoding="utf-8"), "uv")


if __name__ == "__main__":
    BOOTSTRAP.write_text(rendered(), encoding="utf-8")
