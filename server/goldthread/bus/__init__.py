"""Kafka: the only importer of confluent-kafka. Kafka only carries; offsets and truth are the ledger's."""

from __future__ import annotations

from goldthread.bus.consumer import CommittedOffsets, EventConsumer
from goldthread.bus.messages import BatchLimits, Message, PolledBatch
from goldthread.bus.producer import EventProducer, KafkaChangePublisher
from goldthread.bus.settings import BusSettings
from goldthread.bus.topics import TopicIds, ensure_topics

__all__ = [
    "BatchLimits",
    "BusSettings",
    "CommittedOffsets",
    "EventConsumer",
    "EventProducer",
    "KafkaChangePublisher",
    "Message",
    "PolledBatch",
    "TopicIds",
    "ensure_topics",
]
