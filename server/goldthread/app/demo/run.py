"""The demo's story: up, make the input, through Kafka, compare with the truth and the ledger, probe, ask as a register would, settle a review."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

from goldthread.app import wiring
from goldthread.app.demo.confirmation import tell_review
from goldthread.app.demo.findings import Findings
from goldthread.app.demo.latency import LatencyPlan, LatencyResult, measure_latency
from goldthread.app.demo.ledger_audit import account, quality_of, read_dead_letters
from goldthread.app.demo.load import defaults_of, load, settle
from goldthread.app.demo.lookups import Expectation, audit_lookups, expectations
from goldthread.app.demo.memory import resident_mebibytes
from goldthread.app.demo.options import DemoOptions
from goldthread.app.demo.planted import PlantedMessage, planted_messages
from goldthread.app.demo.progress import Progress
from goldthread.app.demo.sets import EventKey, InputSet, febrl_sets, file_set, generated_set, identifiers_of
from goldthread.app.demo.transcript import Transcript, transcript_of
from goldthread.app.settings import Settings
from goldthread.app.up import Up, UpOptions
from goldthread.bus import EventProducer
from goldthread.domain.errors import SettingsError
from goldthread.domain.words import LookupOutcome
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics

__all__ = ["run_demo"]

_BACKGROUND_SHARE = 0.25
_BACKGROUND_BOUNDS = (20.0, 500.0)


def run_demo(options: DemoOptions, *, settings: Settings, progress: Progress) -> Findings:
    """Runs everything and stops everything. Raises `SettingsError` for input that does not fit, `StalledError` and what servers raise."""
    with _folder(options, progress) as folder, ExitStack() as stack:
        inputs = folder / "input"
        inputs.mkdir(mode=0o700, exist_ok=True)
        sets = _sets(options, inputs, progress)
        progress.say("starting PostgreSQL, Valkey, Kafka and the service")
        up = stack.enter_context(Up(UpOptions(data_dir=folder), settings=settings, log=progress.say))
        progress.say("ready")
        ledger = wiring.open_ledger(stack, up.settings, Metrics())
        if ledger.counts().inbox:
            raise SettingsError("data_dir", "holds events already; the demo needs a fresh one")
        planted = () if options.input is not None else tuple(planted_messages())
        return _story(options, sets, planted, up=up, ledger=ledger, stack=stack, progress=progress)


def _story(
    options: DemoOptions,
    sets: Sequence[InputSet],
    planted: tuple[PlantedMessage, ...],
    *,
    up: Up,
    ledger: Ledger,
    stack: ExitStack,
    progress: Progress,
) -> Findings:
    settings = up.settings
    bus = wiring.bus_settings(settings)
    matcher = wiring.build_matcher(settings)
    producer = stack.enter_context(EventProducer(bus))
    loaded = load(sets, planted, sink=producer, ledger=ledger, settings=settings, progress=progress)
    progress.say(f"{loaded.messages:,} messages dealt with in {loaded.ingest_seconds:.1f} s")
    counts = ledger.counts()
    taken = {(source, event_id): profile for source, event_id, profile in ledger.event_profiles()}
    dead = read_dead_letters(bus, count=counts.dead_letters)
    wanted = identifiers_of(sets, taken)
    expected = expectations(wanted, matcher=matcher, ledger=ledger)
    progress.say(f"looking {len(wanted):,} identifiers up")
    lookups = audit_lookups(expected, address=up.endpoints.grpc, callers=options.callers, progress=progress)
    transcript = _transcript(expected, up.endpoints.grpc)
    latency = _latency(options, loaded.messages / loaded.ingest_seconds, up=up, producer=producer, progress=progress)
    settle(ledger, settings, messages=loaded.messages + latency.messages, progress=progress)
    review = tell_review(up.endpoints.grpc, settings)
    return Findings(
        generated=options.input is None,
        rows=sum(one.rows for one in sets),
        load=loaded,
        planted=planted,
        counts=counts,
        accounting=account(loaded.keys, unkeyed=loaded.unkeyed, taken=taken, dead=dead),
        dead_letters=dead,
        quality=tuple(quality_of(sets, taken)),
        mixed_profiles=_mixed(sets, taken),
        lookups=lookups,
        latency=latency,
        transcript=transcript,
        review=review,
        memory=resident_mebibytes({**up.endpoints.pids, "demo": os.getpid()}),
        model_version=matcher.model_version,
        calibrated=matcher.calibrated,
        seconds=progress.seconds,
    )


def _sets(options: DemoOptions, folder: Path, progress: Progress) -> list[InputSet]:
    if options.input is not None:
        return [file_set(folder, path=options.input, mapping_path=options.mapping, truth=options.truth)]
    retail = generated_set(folder, events=options.events, people=options.people, seed=options.seed, progress=progress)
    return [retail, *(febrl_sets(folder) if options.febrl else [])]


def _latency(
    options: DemoOptions, ingest_rate: float, *, up: Up, producer: EventProducer, progress: Progress
) -> LatencyResult:
    low, high = _BACKGROUND_BOUNDS
    plan = LatencyPlan(
        probes=options.probes,
        probe_rate=options.probe_rate,
        background_rate=min(high, max(low, ingest_rate * _BACKGROUND_SHARE)),
        seed=options.seed,
    )
    progress.say(f"{plan.probes} probe events beside {plan.background_rate:.0f} other events a second")
    with EventProducer(wiring.bus_settings(up.settings)) as background:
        return measure_latency(
            plan,
            address=up.endpoints.grpc,
            topic=up.settings.events_topic,
            probe_sink=producer,
            background_sink=background,
            defaults=defaults_of(up.settings),
            progress=progress,
        )


def _transcript(expected: Sequence[Expectation], address: str) -> Transcript | None:
    """A lookup that finds somebody, one with a name and a purchase if there is any."""
    found = [one for one in expected if one.answer is not None and one.answer.outcome is LookupOutcome.FOUND]
    if not found:
        return None

    def telling(one: Expectation) -> tuple[bool, bool]:
        card = one.answer.card if one.answer is not None else None
        return (card is not None and bool(card.masked_name), card is not None and card.last_purchase_at is not None)

    return transcript_of(max(found, key=telling).wanted, address=address)


def _mixed(sets: Sequence[InputSet], taken: Mapping[EventKey, UUID]) -> int:
    """Profiles that hold labelled events of more than one set."""
    held = {(profile, one.name) for one in sets for key in one.truth if (profile := taken.get(key)) is not None}
    return sum(count > 1 for count in Counter(profile for profile, _ in held).values())


@contextmanager
def _folder(options: DemoOptions, progress: Progress) -> Iterator[Path]:
    """The data directory; a temporary one is removed at the end, unless it is to be kept."""
    if options.data_dir is not None:
        options.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        yield options.data_dir
        return
    folder = Path(tempfile.mkdtemp(prefix="goldthread-demo-"))
    # PostgreSQL may run under another account, which has to pass through.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        if options.keep:
            progress.say(f"kept: {folder}")
        else:
            shutil.rmtree(folder)
