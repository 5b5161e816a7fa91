"""`ProfileService`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Protocol
from uuid import UUID

from goldthread.domain.explaining import Explanation, Side
from goldthread.domain.profiles import (
    AsOf,
    ChangesPage,
    Disclosure,
    HistoryPage,
    ProfileDiff,
    ProfileView,
    RecordPage,
)
from goldthread.rpc.pool import BlockingPool
from goldthread.rpc.wrapping import Context
from goldthread.v1 import profile_service_pb2 as pb
from goldthread.v1 import profile_service_pb2_grpc
from goldthread.wire import (
    change_message,
    diff_from_proto,
    diff_response,
    explain_from_proto,
    explain_response,
    history_from_proto,
    history_response,
    profile_from_proto,
    profile_response,
    records_from_proto,
    records_response,
    watch_from_proto,
)

__all__ = ["ProfileServicer", "Profiles", "Watches"]

_POLL_SECONDS = 0.25
"""How long a watch waits before it asks the ledger again."""
_ALIVE_SECONDS = 10.0
"""How long a watch says nothing at most."""
_READ_SECONDS = 10.0
"""How long one page of changes may take."""


class Watches(Protocol):
    """What a watch calls: `flows.ChangesWatch`; blocking."""

    def end(self, *, seconds: float) -> int:
        """The position after all there is."""
        ...

    def changes(self, *, after: int, seconds: float) -> ChangesPage:
        """Changes after a position."""
        ...


class Profiles(Protocol):
    """What the servicer calls: `flows.ProfileFlow`; blocking. `seconds`: how long the caller still waits."""

    def profile(self, profile_id: UUID, *, as_of: AsOf, disclosure: Disclosure, seconds: float) -> ProfileView:
        """One profile."""
        ...

    def records(
        self, profile_id: UUID, *, as_of: AsOf, disclosure: Disclosure, size: int, after: UUID | None, seconds: float
    ) -> RecordPage:
        """A page of its records."""
        ...

    def history(self, profile_id: UUID, *, size: int, before: int | None, seconds: float) -> HistoryPage:
        """A page of its journal."""
        ...

    def diff(
        self, profile_id: UUID, *, since: AsOf, until: AsOf, disclosure: Disclosure, seconds: float
    ) -> ProfileDiff:
        """What became of it."""
        ...

    def explain(self, one: Side, other: Side, *, seconds: float) -> Explanation:
        """Why two things are one or not."""
        ...

    def watch(self) -> Watches:
        """What reads changes for one caller."""
        ...


class ProfileServicer(profile_service_pb2_grpc.ProfileServiceServicer):
    """Tells what the ledger knows of profiles. Every call is as `profile_service.proto` says."""

    def __init__(self, flow: Profiles, pool: BlockingPool) -> None:
        self._flow = flow
        self._pool = pool

    async def GetProfile(self, request: pb.GetProfileRequest, context: Context) -> pb.GetProfileResponse:  # noqa: ARG002, N802
        """One profile."""
        asked = profile_from_proto(request)
        found = await self._pool.run_within(
            lambda seconds: self._flow.profile(
                asked.profile_id, as_of=asked.as_of, disclosure=asked.disclosure, seconds=seconds
            )
        )
        return profile_response(found)

    async def ListRecords(self, request: pb.ListRecordsRequest, context: Context) -> pb.ListRecordsResponse:  # noqa: ARG002, N802
        """The records of a profile."""
        asked = records_from_proto(request)
        found = await self._pool.run_within(
            lambda seconds: self._flow.records(
                asked.profile_id,
                as_of=asked.as_of,
                disclosure=asked.disclosure,
                size=asked.size,
                after=asked.after,
                seconds=seconds,
            )
        )
        return records_response(found)

    async def GetHistory(self, request: pb.GetHistoryRequest, context: Context) -> pb.GetHistoryResponse:  # noqa: ARG002, N802
        """The journal of a profile, latest first."""
        profile_id, size, before = history_from_proto(request)
        found = await self._pool.run_within(
            lambda seconds: self._flow.history(profile_id, size=size, before=before, seconds=seconds)
        )
        return history_response(found)

    async def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:  # noqa: ARG002, N802
        """What became of a profile between two times."""
        asked = diff_from_proto(request)
        found = await self._pool.run_within(
            lambda seconds: self._flow.diff(
                asked.profile_id, since=asked.since, until=asked.until, disclosure=asked.disclosure, seconds=seconds
            )
        )
        return diff_response(found)

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:  # noqa: ARG002, N802
        """Why two things are one person or not."""
        one, other = explain_from_proto(request)
        return explain_response(
            await self._pool.run_within(lambda seconds: self._flow.explain(one, other, seconds=seconds))
        )

    async def WatchChanges(  # noqa: N802
        self,
        request: pb.WatchChangesRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[pb.WatchChangesResponse]:
        """Changes as they are committed."""
        watch, position = self._flow.watch(), watch_from_proto(request)
        if position is None:
            position = await self._pool.run_within(lambda seconds: watch.end(seconds=min(seconds, _READ_SECONDS)))
            yield change_message(position, None)
        spoke = monotonic()
        while True:
            page = await self._pool.run_within(self._page(watch, position))
            for change in page.changes:
                yield change_message(change.version, change)
            if page.position > position and (not page.changes or page.changes[-1].version < page.position):
                yield change_message(page.position, None)
            if page.position > position:
                position, spoke = page.position, monotonic()
            elif monotonic() - spoke >= _ALIVE_SECONDS:
                yield change_message(position, None)
                spoke = monotonic()
            if not page.changes:
                await asyncio.sleep(_POLL_SECONDS)

    def _page(self, watch: Watches, position: int) -> Callable[[float], ChangesPage]:
        return lambda seconds: watch.changes(after=position, seconds=min(seconds, _READ_SECONDS))
