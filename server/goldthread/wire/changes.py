"""Values of the topics that the service writes: profile changes and dead letters."""

from __future__ import annotations

from datetime import datetime

from goldthread.domain.ports import DeadLetterRow, ProfileChange
from goldthread.v1 import event_pb2, profile_pb2
from goldthread.wire.times import timestamp_of

__all__ = ["encode_change", "encode_dead_letter"]


def encode_change(change: ProfileChange, changed_at: datetime) -> bytes:
    """`ProfileChange` bytes, deterministic. Ids are sorted here, so that equal changes are equal bytes."""
    message = profile_pb2.ProfileChange(
        profile_id=change.profile_id,
        version=change.version,
        live=change.live,
        successor_ids=sorted(change.successor_ids),
        record_ids=sorted(change.record_ids),
        cause=change.cause,
        tier=int(change.tier),  # type: ignore[arg-type]
        purchase_count=change.totals.purchase_count,
        purchase_total_minor=change.totals.purchase_total_minor,
        model_version=change.model_version,
        changed_at=timestamp_of(changed_at),
    )
    return message.SerializeToString(deterministic=True)


def encode_dead_letter(row: DeadLetterRow) -> bytes:
    """`DeadLetter` bytes, deterministic; the payload inside is sealed."""
    message = event_pb2.DeadLetter(
        topic=row.position.topic,
        partition=row.position.partition,
        offset=row.position.offset,
        reason=int(row.reason),  # type: ignore[arg-type]
        violations=[event_pb2.Violation(field=item.field, description=item.description) for item in row.violations],
        source=row.source,
        event_id=row.event_id,
        payload_sha256=row.payload_sha256,
        payload_size=row.payload_size,
        sealed_payload=row.sealed_payload,
        key_version=row.key_version,
        rejected_at=timestamp_of(row.rejected_at),
    )
    return message.SerializeToString(deterministic=True)
