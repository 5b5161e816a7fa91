"""Match models for the comparison with the core: the shipped file, and the same with limits small enough to be reached."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["shipped", "small_limits"]

_MODEL = Path(__file__).resolve().parents[2] / "server" / "goldthread" / "models" / "retail-persons-0.toml"


def shipped() -> str:
    """Text of the shipped model."""
    return _MODEL.read_text(encoding="utf-8")


def small_limits(*, max_block: int = 6, max_component: int = 8, generic: int = 2, generic_records: int = 200) -> str:
    """The shipped model with small blocks, small components, few name keys and, if asked for, few records to a token."""
    text = shipped()
    for name, value in (("max_block", max_block), ("max_component", max_component)):
        text = re.sub(rf"^{name} = \d+$", f"{name} = {value}", text, flags=re.MULTILINE)
    head, _, tail = text.partition("[generic]\n")
    limits, _, rest = tail.partition("\n[")
    limits = re.sub(r"= \d+$", f"= {generic}", limits, flags=re.MULTILINE)
    limits = re.sub(r"^records = \d+$", f"records = {generic_records}", limits, flags=re.MULTILINE)
    return f"{head}[generic]\n{limits}\n[{rest}"
