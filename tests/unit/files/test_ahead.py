from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from goldthread.files.ahead import ahead


def counted(limit: int, *, fails: bool = False) -> Iterator[int]:
    yield from range(limit)
    if fails:
        raise ValueError("broken")


def test_items_come_in_order_and_errors_where_they_would_have_come() -> None:
    assert list(ahead(counted(50))) == list(range(50))
    seen: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        seen.extend(ahead(counted(7, fails=True)))
    stream = ahead(counted(3, fails=True))
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_the_thread_ends_with_its_reader() -> None:
    before = threading.active_count()
    stream = ahead(counted(10_000_000))
    assert next(stream) == 0
    stream.close()
    assert threading.active_count() == before
