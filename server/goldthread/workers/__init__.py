"""Workers: doors without callers. They run a loop around one flow until told to stop."""

from __future__ import annotations
