"""JSON logs on standard error: one event name with fields per line, without personal data.

Code logs tokens, ids and counts, never a raw value. `redact` is the last defence behind that rule: text that looks like an e-mail address or
a phone number is replaced, bytes and unknown objects are shown by their type only. Tracebacks are logged as places, never with messages
or values: an exception's text may quote its input. Records of libraries (the standard `logging`) take the same way, and so do exceptions
that nobody caught (`log_crashes`).
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import TextIO

import structlog

from goldthread.telemetry.context import current_request

__all__ = ["Logger", "configure_logs", "frames_of", "get_logger", "log_crash", "log_crashes", "redact"]

Logger = structlog.stdlib.BoundLogger

_REDACTED = "[redacted]"
_PHONE = re.compile(r"(?<![0-9A-Za-z_-])\+?\(?\d(?:[\s().\-/]{0,3}\d){6,}(?![0-9A-Za-z_-])")
_PLAIN_FIELDS = frozenset({"timestamp", "level", "logger", "endpoint"})
"""Fields that this package fills itself: may hold digit runs, such as times and addresses. A request's id is the caller's and is none of them."""
_DEPTH = 4


def get_logger(name: str) -> Logger:
    """A logger for a module; cheap, and usable before `configure_logs`."""
    return structlog.stdlib.get_logger(name)


def configure_logs(*, level: str = "info", stream: TextIO | None = None) -> None:
    """Sends the logs of the process, libraries included, to `stream` (standard error) from `level` up. Called once, by the wiring."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_request_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _replace_exception,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _redact_fields,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)


def redact(value: object, *, depth: int = _DEPTH) -> object:
    """`value` without anything that looks personal; deeper than `depth` levels only the type is left."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _REDACTED if "@" in value or _PHONE.search(value) else value
        case Mapping() if depth:
            return {str(redact(str(key))): redact(item, depth=depth - 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset() if depth:
            return [redact(item, depth=depth - 1) for item in value]
        case bytes():
            return f"<{len(value)} bytes>"
        case _:
            return f"<{type(value).__name__}>"


def frames_of(error: BaseException) -> list[str]:
    """Where an exception was raised, outermost first, as `file:line function`; no text, no values."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def log_crash(error: BaseException, *, thread: str | None = None) -> None:
    """Logs an exception that nobody expected: one event with its type and places. Works before `configure_logs` too."""
    if not structlog.is_configured():
        configure_logs()
    named = {} if thread is None else {"thread": thread}
    get_logger(__name__).error("crashed", error=type(error).__name__, frames=frames_of(error), **named)


def log_crashes() -> None:
    """Makes the process log what nobody caught, in any thread, instead of printing it with its text. For processes of our own only."""
    sys.excepthook = _on_uncaught
    threading.excepthook = _on_uncaught_in_thread
    sys.unraisablehook = _on_unraisable


def _on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    del kind, trace
    log_crash(error)


def _on_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        log_crash(arguments.exc_value, thread=arguments.thread.name if arguments.thread is not None else "")


def _on_unraisable(arguments: sys.UnraisableHookArgs) -> None:
    if arguments.exc_value is not None:
        log_crash(arguments.exc_value)


def _redact_fields(_: object, __: str, fields: MutableMapping[str, object]) -> MutableMapping[str, object]:
    return {name: value if name in _PLAIN_FIELDS else redact(value) for name, value in fields.items()}


def _add_request_id(_: object, __: str, fields: MutableMapping[str, object]) -> MutableMapping[str, object]:
    request = current_request()
    if request is not None:
        fields.setdefault("request_id", request.request_id)
    return fields


def _replace_exception(_: object, __: str, fields: MutableMapping[str, object]) -> MutableMapping[str, object]:
    info = fields.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        fields["error"] = type(error).__name__
        fields["frames"] = frames_of(error)
    return fields
