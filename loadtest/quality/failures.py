"""Runs that gave nothing, and which of them are findings about a system rather than faults of the bench.

A finding is told in the table and in its place there, and the bench ends well: what could be measured was. Anything else that fails, of Goldthread above all,
fails the bench, and so does a tool that fails otherwise than is known of it: the cause may be the plan that it was given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldthread.app.peers import PeerError
from goldthread.domain.errors import GoldthreadError
from loadtest.quality.halves import UnlearnedHalfError

__all__ = ["KNOWN", "Failure"]

KNOWN: Mapping[tuple[str, str, str], str] = {}
"""By set, fields and tool: the type of the error with which the tool ends there by itself, though its plan is as its documentation advises."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A system that gave nothing on a set."""

    name: str
    fields: str
    system: str
    reason: str
    finding: bool
    """Whether it says something of the system, and nothing of the bench."""

    @classmethod
    def of(
        cls,
        name: str,
        fields: str,
        system: str,
        error: GoldthreadError,
        *,
        known: Mapping[tuple[str, str, str], str] = KNOWN,
    ) -> Failure:
        """What an error means that ended a run.

        A tool that is not done in time is a finding: how long it may take is the caller's word. So is a set whose halves teach no model.
        """
        kind = error.metadata.get("error") if isinstance(error, PeerError) else None
        if system.startswith("goldthread"):
            finding = kind == UnlearnedHalfError.__name__
        else:
            finding = kind is not None and kind in {"timeout", known.get((name, fields, system))}
        return cls(name, fields, system, error.message, finding)
