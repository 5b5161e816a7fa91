"""Synthetic retail customers with the truth of who is who: seeded, deterministic, streaming."""

from __future__ import annotations

from goldthread.app.generate.cli import command
from goldthread.app.generate.files import write_events
from goldthread.app.generate.options import GenerateOptions, Profile
from goldthread.app.generate.rows import COLUMNS, Claim, EventSort, GeneratedEvent, GenerateSummary
from goldthread.app.generate.stream import EventStream, generate_events

__all__ = [
    "COLUMNS",
    "Claim",
    "EventSort",
    "EventStream",
    "GenerateOptions",
    "GenerateSummary",
    "GeneratedEvent",
    "Profile",
    "command",
    "generate_events",
    "write_events",
]
