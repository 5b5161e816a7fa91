"""Fixtures of the flows' tests."""

from __future__ import annotations

from fixtures.story import story

__all__ = ["story"]
