"""Named statements, prepared once on each connection and run with little ado.

For every call psycopg works out anew how its values are written, which statement it is and how its rows are read; for a statement that touches
three rows that is most of what it costs. A named query always takes and gives the same types. So these are asked of the server once, and from then
on a call is a list of bytes: two fifths of the processor time, measured on lists of three (ADR 0026). Waiting, pipelines, errors and rows stay psycopg's.

Whatever takes a type that is not written here goes by psycopg as it does without all this.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

from psycopg import Connection, Error, Pipeline, errors
from psycopg.adapt import Transformer
from psycopg.generators import execute, send
from psycopg.pq import ConnStatus, ExecStatus, Format

from goldthread.domain.errors import LedgerUnavailableError
from goldthread.ledger.arrays import WRITERS
from goldthread.ledger.bounded import BoundedConnection
from goldthread.ledger.queries import query

if TYPE_CHECKING:
    from types import TracebackType

    from psycopg._pipeline_base import PendingResult
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGresult

__all__ = ["Later", "LedgerConnection", "LedgerPipeline", "Rows", "distrusted_if_failing"]

T = TypeVar("T")

Rows = list[tuple[Any, ...]]
Later = Callable[[], T]
"""What a statement gives that has been asked already: to be called once, in this transaction or after it has committed."""

_PARAMETER = re.compile(r"%\(([a-z0-9_]+)\)s|%%")
_DONE = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})
_OUTDATED = frozenset({"0A000", "26000"})
"""A plan that no longer gives what it gave, and one that this session never had."""


class LedgerConnection(BoundedConnection):
    """A connection that knows the statements of the ledger by name.

    `riding` is the pipeline that is open on it, `heard_at` when the server last answered here, by the monotonic clock, and `witness` what it was asked of
    the open transaction's number before the end.
    """

    riding: LedgerPipeline | None = None
    heard_at = -inf
    witness: Later[Rows] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as psycopg has it)
        super().__init__(*args, **kwargs)
        self._statements: dict[str, bytes] = {}
        self._drawn = 0

    @contextmanager
    def pipeline(self) -> Iterator[LedgerPipeline]:
        """As psycopg's, but it ends at once where everything has been heard; not for one pipeline in another."""
        assert self._pipeline is None, "a pipeline is open already"
        self._pipeline = pipeline = LedgerPipeline(self)
        try:
            with pipeline:
                yield pipeline
        finally:
            self._pipeline = None

    def ask(self, name: str, given: Mapping[str, object]) -> Later[Rows]:
        """Runs a named query, in a pipeline once something is fetched, and gives what fetches its rows, once at most.

        Raises psycopg's errors: outside a pipeline at once, in one where it, or a later statement, is fetched. What is fetched after the connection has broken
        in COMMIT is lost, whatever became of that: `LedgerUnavailableError`.
        """
        writers = _WRITERS.get(name)
        if writers is None:
            writers = _WRITERS[name] = self._learn(name)
        if not writers.known:
            return self.execute(query(name), given, binary=True).fetchall
        try:
            values = [
                None if (value := given[parameter]) is None else write(value) for parameter, write in writers.parameters
            ]
        except (struct.error, TypeError, AttributeError, OverflowError):
            raise errors.DataError(f"a parameter of {name} is not of its type, or beyond it") from None
        answer = _Answer(self)
        self._send(
            partial(self.pgconn.send_query_prepared, self._statement(name), values, writers.formats, Format.BINARY),
            answer,
        )
        return answer.rows

    def pending(self) -> int:
        """Statements that a wait has to see through."""
        return 1 if self.riding is None else max(1, len(self.riding.result_queue))

    def forget_statements(self) -> None:
        """Prepares every statement anew: the schema has changed under them, or they are another session's."""
        self._statements.clear()
        _WRITERS.clear()

    def _statement(self, name: str) -> bytes:
        """What the query is called on this connection, which prepares it the first time."""
        if (known := self._statements.get(name)) is not None:
            return known
        # A name is never used twice: whether one that failed is free is not worth knowing.
        self._drawn += 1
        called = b"goldthread_%d" % self._drawn
        self._statements[name] = called
        text, _ = _positional(name)
        self._send(
            partial(self.pgconn.send_prepare, called, text),
            _Answer(self, failed=lambda: self._statements.pop(name, None)),
        )
        return called

    def _learn(self, name: str) -> _Writers:
        described = _Answer(self)
        self._send(partial(self.pgconn.send_describe_prepared, self._statement(name)), described)
        result = described.result()
        _, names = _positional(name)
        writers = [WRITERS.get(result.param_type(place)) for place in range(len(names))]
        return _Writers([(name, write) for name, write in zip(names, writers, strict=True) if write], len(names))

    def _send(self, command: Callable[[], None], answer: _Answer) -> None:
        if self.riding is not None:
            self.riding.command_queue.append(command)
            # What psycopg calls here of a cursor, an answer has.
            self.riding.result_queue.append((answer, None))  # type: ignore[arg-type]
            return

        def exchange() -> PQGen[None]:
            command()
            results = yield from execute(self.pgconn)
            answer._check_results(results)  # noqa: SLF001 (its names are those of psycopg's cursor)
            answer._set_results(results)  # noqa: SLF001

        with self.lock:
            self.wait(exchange())


@contextmanager
def distrusted_if_failing(connection: Connection[Any]) -> Iterator[None]:
    """After a failure the connection must answer anew before it is used again."""
    try:
        yield
    except BaseException:
        if isinstance(connection, LedgerConnection):
            connection.heard_at = -inf
        raise


class _Writers:
    """How a query's parameters are written, in their order; `known` is False where one of them is left to psycopg."""

    def __init__(self, parameters: Sequence[tuple[str, Callable[[Any], bytes]]], count: int) -> None:
        self.parameters = parameters
        self.known = len(parameters) == count
        self.formats = [Format.BINARY] * count


_WRITERS: dict[str, _Writers] = {}
"""By the name of the query: its text is the same on every connection, and so are its types."""


class LedgerPipeline(Pipeline):
    """psycopg's asks once more how things stand when it ends, and waits for the answer; and it sends each command by itself.

    `failed` tells whether a statement has: an error that comes while more is still being said is raised before the server has told how the transaction
    stands, and until then the connection does not know it.
    """

    failed = False

    def _communicate_gen(self) -> PQGen[None]:
        # All of them into libpq's buffer, and out at once: each by itself would wake the server, and have this process ask whether it may write.
        while self.command_queue:
            self.command_queue.popleft()()
        # To the last byte, and reading what comes meanwhile: a server that has not got everything says nothing, and both would wait.
        yield from send(self.pgconn)

    def _process_results(self, queued: PendingResult, results: list[PGresult]) -> None:
        try:
            super()._process_results(queued, results)
        except Error:
            self.failed = True
            raise

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.command_queue or self.result_queue or self.pgconn.status != ConnStatus.OK:
            super().__exit__(kind, value, trace)
        else:
            self._exit(value)


class _Answer:
    """What the server says to one command. The private names are those that psycopg's pipeline calls of a cursor."""

    __slots__ = ("_connection", "_failed", "_result")

    def __init__(self, connection: LedgerConnection, *, failed: Callable[[], object] | None = None) -> None:
        self._connection = connection
        self._failed = failed
        self._result: PGresult | None = None

    def _check_results(self, results: Sequence[PGresult]) -> None:
        result = results[-1]
        if result.status in _DONE:
            return
        if self._failed is not None:
            self._failed()
        if result.status != ExecStatus.PIPELINE_ABORTED:
            error = errors.error_from_result(result)
            if error.sqlstate in _OUTDATED:
                self._connection.forget_statements()
            raise error

    def _set_results(self, results: Sequence[PGresult]) -> None:
        self._connection.heard_at = monotonic()
        # What the server passed over after an error stays unheard: that error has been raised.
        if results[-1].status in _DONE:
            self._result = results[-1]

    def result(self) -> PGresult:
        """Fetches it if it has not come yet, and everything before it."""
        if self._result is None and self._connection.riding is not None:
            self._connection.riding.sync()
        if self._result is None:
            raise LedgerUnavailableError("what a statement gave was lost before it was heard")
        return self._result

    def rows(self) -> Rows:
        """The rows."""
        result = self.result()
        transformer = Transformer(self._connection)
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)


@cache
def _positional(name: str) -> tuple[bytes, tuple[str, ...]]:
    """Text of a query with numbers for parameters, and the parameters in that order."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}" if match[1] else "%"

    text: LiteralString = query(name)
    return _PARAMETER.sub(number, text).encode(), tuple(numbers)
