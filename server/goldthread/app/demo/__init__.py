"""`goldthread demo`: the whole line on real servers, measured and checked against the truth."""

from __future__ import annotations

from goldthread.app.demo.cli import command

__all__ = ["command"]
