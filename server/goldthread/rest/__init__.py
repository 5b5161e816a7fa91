"""The REST door: unary calls of every service mirrored under `/v1/`, by the descriptors. It adds no rule of its own and knows no flow."""

from __future__ import annotations

from goldthread.rest.door import RestDoor
from goldthread.rest.settings import RestSettings

__all__ = ["RestDoor", "RestSettings"]
