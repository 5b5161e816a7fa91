"""Makes the three topics, or checks those that exist; tells a topic from another of its name."""

from __future__ import annotations

import logging
from time import monotonic, sleep

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented there, but not re-exported for type checkers
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from goldthread.bus.settings import READABLE_BYTES, BusSettings
from goldthread.bus.trouble import bus_call, bus_error
from goldthread.domain.errors import BusUnavailableError, SettingsError

__all__ = ["TopicIds", "ensure_topics"]

_LOG = logging.getLogger("goldthread.bus")
_PAUSE_SECONDS = 0.1


def ensure_topics(settings: BusSettings, *, partitions: int = 4, replication: int = 1) -> list[str]:
    """Creates the topics that are missing and returns their names, once Kafka knows them. Safe to repeat, and in several processes at once.

    Raises `SettingsError` naming the topic's setting if an existing one cannot serve, `BusUnavailableError` if Kafka does not answer.
    """
    wanted = {
        "events_topic": (settings.events_topic, partitions, "delete"),
        "changes_topic": (settings.changes_topic, partitions, "compact"),
        "dead_letters_topic": (settings.dead_letters_topic, 1, "delete"),
    }
    timeout = settings.request_timeout_ms / 1000
    with bus_call():
        admin = AdminClient({"bootstrap.servers": settings.bootstrap}, logger=_LOG)
        topics = [
            NewTopic(
                name,
                num_partitions=count,
                replication_factor=replication,
                config={"cleanup.policy": policy, "max.message.bytes": str(READABLE_BYTES)},
            )
            for name, count, policy in wanted.values()
        ]
        futures = admin.create_topics(topics, operation_timeout=timeout, request_timeout=timeout)
    created = []
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as failure:
            error = failure.args[0]
            if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise bus_error(error) from None
        else:
            created.append(name)
    for key, (name, _, policy) in wanted.items():
        _check(admin, key, name, policy, timeout)
    return created


def _check(admin: AdminClient, key: str, name: str, policy: str, timeout: float) -> None:
    resource = ConfigResource(ResourceType.TOPIC, name)
    until = monotonic() + timeout
    while True:
        try:
            with bus_call():
                entries = admin.describe_configs([resource], request_timeout=timeout)[resource].result()
            break
        except BusUnavailableError as error:
            # A topic that was just made is not known at once.
            if error.metadata["code"] != "UNKNOWN_TOPIC_OR_PART" or monotonic() > until:
                raise
            sleep(_PAUSE_SECONDS)
    found, size = str(entries["cleanup.policy"].value), int(entries["max.message.bytes"].value)
    if found != policy:
        raise SettingsError(key, f"the topic exists with cleanup.policy {found}, not {policy}")
    # A smaller limit is the operator's choice; a larger one would let in messages that block a partition because nobody can read them.
    if key == "events_topic" and size > READABLE_BYTES:
        raise SettingsError(key, f"the topic exists with max.message.bytes {size}, above {READABLE_BYTES}")


class TopicIds:
    """Asks Kafka for the ids of topics: one made anew has another, whatever its name. Connects at the first question."""

    def __init__(self, settings: BusSettings) -> None:
        self._bootstrap = settings.bootstrap
        self._timeout = settings.request_timeout_ms / 1000
        self._admin: AdminClient | None = None

    def __call__(self, topic: str) -> str:
        """Id of the topic that has this name now. Raises `BusUnavailableError`, also if there is none."""
        with bus_call():
            if self._admin is None:
                self._admin = AdminClient({"bootstrap.servers": self._bootstrap}, logger=_LOG)
            asked = self._admin.describe_topics(TopicCollection([topic]), request_timeout=self._timeout)
            return str(asked[topic].result().topic_id)
