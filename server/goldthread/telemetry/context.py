"""The request being handled: its id and its deadline. Set by the doors, read anywhere below them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["RequestContext", "chosen_request_id", "current_request", "remaining_seconds", "request_scope"]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Id for logs and error details, and the moment (`time.monotonic`) at which the caller stops waiting."""

    request_id: str
    deadline: float


_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def chosen_request_id(given: object, new_id: Callable[[], str]) -> str:
    """The caller's id if it is well formed, else a new one."""
    return given if isinstance(given, str) and _REQUEST_ID.fullmatch(given) else new_id()


_current: ContextVar[RequestContext | None] = ContextVar("goldthread_request", default=None)


def current_request() -> RequestContext | None:
    """The request of this task or thread; None outside of one."""
    return _current.get()


def remaining_seconds() -> float:
    """Seconds until the request's deadline, at least 0; infinite outside of a request."""
    request = _current.get()
    return float("inf") if request is None else max(0.0, request.deadline - time.monotonic())


@contextmanager
def request_scope(request: RequestContext) -> Iterator[None]:
    """Makes `request` the current one."""
    token = _current.set(request)
    try:
        yield
    finally:
        # An abandoned streaming handler is closed from another task, where there is nothing to reset.
        with suppress(ValueError):
            _current.reset(token)
