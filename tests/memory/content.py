"""What the tables hold, as `fixtures.content` says it."""

from __future__ import annotations

from fixtures.content import Assertion, Content, Entry, Operation, ProfileState, RecordState, Relation
from memory.rows import Relation as Household
from memory.rows import Review
from memory.tables import Tables

__all__ = ["content_of"]


def content_of(at: Tables) -> Content:
    """Everything, in words that do not depend on surrogates."""
    address = {record_id: row.address for record_id, row in at.record.items()}
    token = {token_id: row.token for token_id, row in at.token.items()}
    model = {model_id: row.version for model_id, row in at.model.items()}

    def relation(row: Review | Household) -> Relation:
        best = frozenset({address[row.low_record], address[row.high_record]})
        return Relation(row.low_profile, row.high_profile, best, row.strength)

    def named(survivors: tuple[int | None, ...]) -> tuple[bytes | None, ...]:
        return tuple(None if record_id is None else address[record_id] for record_id in survivors)

    links: dict[int, set[tuple[frozenset[bytes], int]]] = {}
    for (version, low, high), pair in at.journal_link.items():
        links.setdefault(version, set()).add((frozenset({address[low], address[high]}), pair.score))
    used = next(iter(at.model_in_use.values()), None)
    return Content(
        records={
            row.address: RecordState(
                row.birth_id,
                row.source,
                row.attributes,
                row.name_key,
                row.first_seen,
                row.last_seen,
                row.sightings,
                row[9:13],
            )
            for row in at.record.values()
        },
        homes={address[record_id]: row.profile_id for record_id, row in at.membership.items()},
        profiles={
            row.profile_id: ProfileState(row.version, row.live, row.ambiguous, named(row[4:7]), row[7:11])
            for row in at.profile.values()
        },
        reviews=frozenset(relation(at.review[review_id]) for review_id in at.open_review.values()),
        closed_reviews=sorted(
            (relation(row) for row in at.review.values() if row.closed_at is not None), key=Relation.order
        ),
        households=frozenset(relation(row) for row in at.household.values()),
        contenders=frozenset((one, other) for one, others in at.contenders.items() for other in others),
        pairs={
            frozenset({address[low], address[high]}): (row.score, row.levels, row.weights, model[row.model_id])
            for (low, high), row in at.pair.items()
        },
        tokens={
            row.token: (row.type, row.namespace, row.form, row.name_keys, row.records, row.generic, row.overused)
            for row in at.token.values()
        },
        carriers=frozenset((token[key], address[record]) for key, held in at.carriers.items() for record in held),
        names=frozenset((token[key], name) for key, held in at.names.items() for name in held),
        blocks={key: tuple(row) for key, row in at.block.items()},
        blocked=frozenset((key, address[record]) for key, held in at.blocked.items() for record in held),
        events={
            key: (row.payload_digest, address[row.record_id], row.kind, row.occurred_at)
            for key, row in at.inbox.items()
        },
        conflicts=frozenset(
            (*key, None if record is None else address[record], kind, when)
            for key, (record, kind, when) in at.conflict.items()
        ),
        purchases={key: (address[row.record_id], *row[1:]) for key, row in at.purchase.items()},
        consents={key: (address[row.record_id], *row[1:]) for key, row in at.consent.items()},
        offsets=frozenset((*key, *row) for key, row in at.offset.items()),
        marks=[(address[row.record_id], *row[2:9], row.attempts) for row in at.mark.values()],
        journal=[
            Entry(
                *row[:6],
                named(row.before_survivors),
                named(row.after_survivors),
                *row[8:13],
                model[row.model_id],
                frozenset(links.get(row.version, ())),
            )
            for row in sorted(at.journal.values(), key=lambda row: row.version)
        ],
        assertions=[
            Assertion(
                row.operation_id,
                frozenset({address[row.low], address[row.high]}),
                row.same,
                row.actor_rank,
                row.basis,
                row.retracted_by,
            )
            for row in at.assertion.values()
        ],
        operations={
            key: Operation(row.request_id, row.kind, row.actor, row.actor_rank, row.reason, row.answer is not None)
            for key, row in at.operation.items()
        },
        outbox=sorted(
            (
                (row.profile_id, row.version, row.live, frozenset(token[key] for key in row.token_ids))
                for row in at.outbox.values()
            ),
            key=lambda row: row[1],
        ),
        dead_letters=frozenset(
            (
                *(row.topic, row.partition, row.message_offset, row.reason, row.source, row.event_id),
                *(row.payload_sha256, row.payload_size, row.sealed_payload, row.key_version),
            )
            for row in at.dead_letter.values()
        ),
        model=None if used is None else (model[used.model_id], used.next_record is None and used.next_token is None),
        bases={
            row.address: (row.base_address, row.opener) for row in at.record.values() if row.base_address is not None
        },
        epochs=frozenset((token[key], address[record], epoch) for (record, key), epoch in at.epoch.items() if epoch),
        latest={row.token: row.epochs for row in at.token.values() if row.epochs},
        hand_overs=frozenset(
            (token[key], epoch, moment, opener)
            for key, began in at.began.items()
            for epoch, (moment, opener) in enumerate(began, start=1)
        ),
    )
