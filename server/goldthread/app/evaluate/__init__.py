"""`goldthread evaluate`: how good a matching is, with intervals, alone or beside other tools."""

from __future__ import annotations

from goldthread.app.evaluate.cli import command

__all__ = ["command"]
