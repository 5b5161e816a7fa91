"""What the consumer does with what the Kafka client hands it; the client is a twin."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from goldthread.bus import BatchLimits, BusSettings, EventConsumer
from goldthread.domain.errors import OffsetGapError
from goldthread.domain.ports import KnownOffset, OffsetGap, OffsetMove

LIMITS = BatchLimits(max_messages=10, wait_ms=1, idle_ms=1)
KNOWN = KnownOffset(4, "id-1")


class Told:
    """A message of partition 0."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def error(self) -> None:
        return None

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return b"x"

    def headers(self) -> None:
        return None

    def __len__(self) -> int:
        return 1


class Trouble:
    """A message that only carries an error."""

    def __init__(self, code: int) -> None:
        self.code = code

    def error(self) -> KafkaError:
        return KafkaError(self.code)


class Client:
    """The Kafka client, assigned partition 0, which holds offsets `first` to 9; of the topic's other partitions `others` gives the first.

    Notes every start, empty where reading was stopped.
    """

    def __init__(self, _config: dict[str, object], **_: object) -> None:
        self.starts: list[list[int]] = []
        self.queue: list[Trouble | Told] = []
        self.fetched: list[Trouble | Told] = []
        self.asked: list[float] = []
        self.slowness = 0.0
        self.first = 0
        self.others: dict[int, int] = {}
        self.on_assign: Callable[[Any, list[TopicPartition]], None] | None = None

    def subscribe(
        self, topics: Sequence[str], *, on_assign: Callable[[Any, list[TopicPartition]], None], **_: object
    ) -> None:
        self.topic = topics[0]
        self.on_assign = on_assign

    def poll(self, _seconds: float) -> Trouble | Told | None:
        if self.on_assign:
            told, self.on_assign = self.on_assign, None
            told(self, [TopicPartition(self.topic, 0)])
        return self.queue.pop() if self.queue else None

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self.starts.append([partition.offset for partition in partitions])

    def get_watermark_offsets(self, partition: TopicPartition, **_: object) -> tuple[int, int]:
        return self.others.get(partition.partition, self.first), 10

    def list_topics(self, topic: str, **_: object) -> SimpleNamespace:
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions=dict.fromkeys({0, *self.others}))})

    def consume(self, count: int, seconds: float) -> list[Trouble | Told]:
        self.asked.append(seconds)
        time.sleep(self.slowness)
        taken, self.fetched = self.fetched[:count], self.fetched[count:]
        return taken

    def pause(self, _partitions: Sequence[TopicPartition]) -> None: ...

    resume = pause


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client({})
    monkeypatch.setattr("goldthread.bus.consumer.Consumer", lambda _config, **_: made)
    return made


def consumer_of(
    known: KnownOffset | dict[int, KnownOffset] = KNOWN, *, accept_gap: bool = False, ids: Sequence[str] = ("id-1",)
) -> EventConsumer:
    """A consumer of a ledger that stands here, in partition 0 unless it says otherwise.

    Kafka tells these ids of the topic, one after the other, and the last one for ever.
    """
    left = list(ids)
    settings = BusSettings(bootstrap="nowhere:1", accept_gap=accept_gap, topic_check_ms=1_000)
    return EventConsumer(
        settings,
        lambda _topic, _partitions: known if isinstance(known, dict) else {0: known},
        topic_ids=lambda _: left.pop(0) if len(left) > 1 else left[0],
    )


@pytest.mark.parametrize("code", [KafkaError._AUTO_OFFSET_RESET, KafkaError._MAX_POLL_EXCEEDED])
def test_an_error_that_was_queued_before_a_pause_starts_the_partition_over(client: Client, code: int) -> None:
    consumer = consumer_of()
    consumer.poll(LIMITS)
    consumer.poll(LIMITS)
    assert client.starts == [[], [4]]
    consumer.pause()
    client.queue = [Trouble(code)]
    consumer.idle(0.01)
    consumer.resume()
    assert client.starts == [[], [4], []]
    consumer.poll(LIMITS)
    assert client.starts == [[], [4], [], [4]]


def test_a_batch_takes_what_is_fetched_already_even_if_no_time_is_left(client: Client) -> None:
    consumer = consumer_of()
    consumer.poll(LIMITS)
    client.queue = [Told(4)]
    client.fetched = [Told(offset) for offset in range(5, 1_005)]
    client.asked, client.slowness = [], 0.01  # each call takes longer than there is time
    batch = consumer.poll(BatchLimits(max_messages=600, wait_ms=5, idle_ms=1))
    assert [message.position.offset for message in batch.messages] == list(range(4, 604))
    assert 0 < client.asked[0] <= 0.005
    assert set(client.asked[1:]) == {0.0}
    # And no longer than that where nothing more is there.
    client.queue, client.asked = [client.fetched.pop(0)], []
    rest = consumer.poll(BatchLimits(max_messages=600, wait_ms=5, idle_ms=1))
    assert len(rest.messages) == 401
    assert len(client.asked) == 4


def test_idling_without_news_leaves_the_partition_alone(client: Client) -> None:
    consumer = consumer_of()
    consumer.poll(LIMITS)
    consumer.poll(LIMITS)
    consumer.pause()
    consumer.idle(0.01)
    consumer.resume()
    assert client.starts == [[], [4]]


def read(consumer: EventConsumer, client: Client, *offsets: int) -> list[OffsetMove]:
    """The moves of batches of one message each."""
    moves: list[OffsetMove] = []
    for offset in offsets:
        client.queue = [Told(offset)]
        moves += consumer.poll(LIMITS).offsets
    return moves


def move(start: int, end: int, gap: OffsetGap | None = None, *, partition: int = 0) -> OffsetMove:
    topic = BusSettings(bootstrap="nowhere:1").events_topic
    return OffsetMove(topic=topic, partition=partition, start=start, end=end, topic_id="id-1", gap=gap)


def test_moves_name_the_topic_they_count_in(client: Client) -> None:
    consumer = consumer_of()
    consumer.poll(LIMITS)
    assert read(consumer, client, 4, 5) == [move(4, 5), move(5, 6)]


@pytest.mark.parametrize(
    ("known", "first", "gap"),
    [
        (KnownOffset(4, "id-1"), 6, OffsetGap(first=6, former_topic_id="id-1")),
        (KnownOffset(4, ""), 6, OffsetGap(first=6, former_topic_id="id-1")),
        (KnownOffset(4, "id-0"), 0, OffsetGap(first=0, former_topic_id="id-0")),
        (KnownOffset(4, "id-0"), 4, OffsetGap(first=4, former_topic_id="id-0")),
        (KnownOffset(400, "id-0"), 2, OffsetGap(first=2, former_topic_id="id-0")),
    ],
    ids=["head lost", "head lost, topic not known", "made anew", "made anew, same offset", "made anew, shorter"],
)
def test_an_accepted_gap_goes_up_once_with_the_first_move(
    client: Client, known: KnownOffset, first: int, gap: OffsetGap
) -> None:
    client.first = first
    consumer = consumer_of(known, accept_gap=True)
    consumer.poll(LIMITS)
    moves = read(consumer, client, first, first + 1)
    assert client.starts == [[], [first]]
    assert moves == [move(known.next_offset, first + 1, gap), move(first + 1, first + 2)]


def test_a_gap_that_was_not_committed_goes_up_again(client: Client) -> None:
    client.first = 6
    consumer = consumer_of(accept_gap=True)
    consumer.poll(LIMITS)
    once = read(consumer, client, 6)
    consumer.rewind()
    assert read(consumer, client, 6) == once == [move(4, 7, OffsetGap(first=6, former_topic_id="id-1"))]


@pytest.mark.parametrize(
    ("known", "first", "accept_gap", "lost"),
    [
        (KnownOffset(4, "id-1"), 6, False, "head"),
        (KnownOffset(4, "id-0"), 0, False, "topic"),
        (KnownOffset(40, "id-0"), 0, False, "topic"),
        (KnownOffset(40, "id-1"), 0, False, "tail"),
        (KnownOffset(40, "id-1"), 0, True, "tail"),
    ],
)
def test_a_gap_is_refused_by_what_was_lost(
    client: Client, known: KnownOffset, first: int, accept_gap: bool, lost: str
) -> None:
    client.first = first
    consumer = consumer_of(known, accept_gap=accept_gap)
    consumer.poll(LIMITS)
    with pytest.raises(OffsetGapError) as caught:
        consumer.poll(LIMITS)
    assert caught.value.metadata["lost"] == lost
    assert client.starts == [[]]


def test_a_topic_that_changes_while_it_is_read_is_found_when_the_look_is_due(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("goldthread.bus.consumer.monotonic", lambda: now[0])
    consumer = consumer_of(ids=("id-1", "id-1", "id-2"))
    consumer.poll(LIMITS)
    consumer.poll(LIMITS)
    for seconds in (0.5, 0.6, 0.5):
        now[0] += seconds
        consumer.poll(LIMITS)
    now[0] += 0.6
    with pytest.raises(OffsetGapError) as caught:
        consumer.poll(LIMITS)
    assert caught.value.metadata["lost"] == "topic"
    assert client.starts == [[], [4], []]


def test_a_partition_that_was_never_read_stands_at_0_once_its_topic_was_begun(client: Client) -> None:
    client.first = 6
    consumer = consumer_of({1: KNOWN})
    consumer.poll(LIMITS)
    with pytest.raises(OffsetGapError) as caught:
        consumer.poll(LIMITS)
    assert {name: caught.value.metadata[name] for name in ("lost", "expected", "found")} == {
        "lost": "head",
        "expected": "0",
        "found": "6",
    }
    client.first = 0
    assert read(consumer, client, 0) == [move(0, 1)]


def test_the_gap_of_a_partition_that_was_never_read_is_written_down(client: Client) -> None:
    client.first = 6
    consumer = consumer_of({1: KNOWN}, accept_gap=True)
    consumer.poll(LIMITS)
    assert read(consumer, client, 6, 7) == [move(0, 7, OffsetGap(first=6, former_topic_id="id-1")), move(7, 8)]


def test_the_first_batch_opens_every_partition_that_does_not_begin_at_0(client: Client) -> None:
    """Otherwise what retention had taken before the group began would look like a gap to whoever reads them next."""
    client.first, client.others = 6, {1: 3, 2: 0, 3: 9}
    consumer = consumer_of({})
    consumer.poll(LIMITS)
    assert consumer.poll(LIMITS).offsets == ()
    opened = [move(6, 7), move(3, 3, partition=1), move(9, 9, partition=3)]
    assert read(consumer, client, 6) == opened
    assert read(consumer, client, 7) == [move(7, 8)]
    # Until it is committed, it is said again.
    consumer.rewind()
    assert read(consumer, client, 6) == opened
