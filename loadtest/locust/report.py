"""What a run gave: a text, and a page that is complete in itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from goldthread.app.charts import Axis, Series, chart, legend, page, table
from loadtest.locust.calls import Call, percentile
from loadtest.locust.figures import Times, by_name, due_within, family, per_second, sources, times_of
from loadtest.locust.pace import Quarter, quarters
from loadtest.locust.run import Outcome
from loadtest.locust.serverside import ServerSide
from loadtest.locust.thresholds import Check

__all__ = ["as_figures", "as_page", "as_text"]

_METHODS = {
    "lookup": ("/goldthread.v1.LookupService/Lookup", "/v1/lookup", "/api/pos/lookup"),
    "resolve": ("/goldthread.v1.ResolverService/Resolve",),
}
_SOURCES = {-1: "none: failed", 0: "not told", 1: "cache", 2: "ledger"}
_PACED = ("lookup", "resolve", "event to card")
_STYLES = ("first", "second", "third")


def as_text(outcome: Outcome, checks: Sequence[Check]) -> str:
    """The figures and what became of each bound."""
    run = outcome.run
    lines = [f"{run.name}: {run.seconds:g} s, seed {run.seed}", *outcome.notes, ""]
    lines += [f"{name:24} {times}" for name, times in _rows(outcome)]
    lines += ["", *(f"{name:24} {count}" for name, count in sorted(outcome.failures.items()))]
    lines += [
        f"{'ok  ' if check.holds else 'FAIL'} {check.figure} = {_number(check.measured)} ({check.bound})"
        for check in checks
    ]
    rows = _by_pace(outcome)
    if rows:
        lines += ["", "The seconds of the run in quarters, by what a fixed piece of work cost of a processor:"]
        lines += [
            f"{row[0]} ms: " + "; ".join(f"{name} {row[1 + at]}" for at, name in enumerate(_PACED)) for row in rows
        ]
    return "\n".join([*lines, *outcome.told])


def as_page(outcome: Outcome, checks: Sequence[Check]) -> str:
    """The same as a page, with the time of calls second by second, and the caller's histogram beside the server's."""
    run = outcome.run
    verdicts = [
        (
            escape(check.figure),
            _number(check.measured),
            check.bound,
            "holds" if check.holds else "<strong>FAILS</strong>",
        )
        for check in checks
    ]
    introduction = (
        f"<p class='note'>{run.seconds:g} s, the first {run.warm_up:g} of them to warm up, seed {run.seed}. Times count from the moment "
        "when a call was due, not when it was begun; calls due after the last second count for errors and answers only.</p>"
    )
    body = [
        introduction,
        *(f"<p class='note'>{escape(note)}</p>" for note in outcome.notes),
        table(("figure", "measured", "bound", ""), verdicts, caption="Thresholds"),
        *(f"<p class='note'>{escape(one)}</p>" for one in outcome.told),
        *_pace_page(outcome),
        "<h2>Calls</h2>",
        table(
            ("call", "calls", "p50 ms", "p99 ms", "p99.9 ms", "longest ms", "begun late p99.9 ms"),
            [(escape(name), *_cells(times)) for name, times in by_name(_counted(outcome)).items()],
        ),
        "<h2>Second by second</h2>",
        _seconds(outcome),
        *(_side_by_side(outcome, name) for name in _METHODS),
        "<h2>Where answers came from</h2>",
        table(
            ("", "lookups"),
            [(_SOURCES[source], f"{count:,}") for source, count in sorted(sources(outcome.calls).items())],
        ),
        table(
            ("cache read", "count"),
            [(escape(name), f"{count:,.0f}") for name, count in sorted(outcome.server.reads.items())],
        ),
        *(
            part
            for name, counted in {"serve": outcome.server, **outcome.workers}.items()
            for part in _work(name, counted)
        ),
        "<h2>All figures</h2>",
        table((), [(escape(name), _number(value)) for name, value in sorted(outcome.figures.items())]),
    ]
    return page(f"Load: {run.name}", [part for part in body if part])


def _pace_page(outcome: Outcome) -> list[str]:
    rows = _by_pace(outcome)
    if not rows:
        return []
    note = "The same work costs a processor more at one time than at another where others use the machine too. Each row is a quarter of the run's seconds."
    head = ("work, ms", *(f"{name}, p50 / p99 / p99.9 ms" for name in _PACED))
    return ["<h2>By the speed of the machine</h2>", f"<p class='note'>{note}</p>", table(head, rows)]


def _by_pace(outcome: Outcome) -> list[tuple[str, ...]]:
    """A row for each quarter of the seconds: what the work cost, then times in milliseconds of each family of calls."""
    told = []
    for name in _PACED:
        if name == "event to card":
            values = [(due, seconds * 1000) for due, seconds in outcome.visible]
        else:
            values = [(call.due, call.seconds * 1000) for call in _counted(outcome) if family(call.name) == name]
        told.append(quarters(outcome.pace, values))
    return [
        (f"{parts[0].least:.2f} to {parts[0].most:.2f}", *(_shares(part) for part in parts))
        for parts in zip(*told, strict=True)
    ]


def _shares(part: Quarter) -> str:
    """Percentiles; those that would be the longest of the values are left out."""
    told = [f"{part.at(share):.1f}" for share in (0.5, 0.99, 0.999) if len(part.values) * (1 - share) >= 1]
    return " / ".join(told) or "too few"


def _counted(outcome: Outcome) -> list[Call]:
    return due_within(outcome.calls, outcome.run.timed)


def _rows(outcome: Outcome) -> list[tuple[str, str]]:
    found = []
    for name, times in by_name(_counted(outcome)).items():
        shown = "  ".join(
            f"{share.removesuffix('_ms')} {times.at(share):.1f}"
            for share in ("p50_ms", "p99_ms", "p999_ms", "longest_ms")
        )
        found.append((name, f"{len(times.ordered):>8,}  {shown} ms"))
    return found


def _cells(times: Times) -> tuple[str, ...]:
    shares = ("p50_ms", "p99_ms", "p999_ms", "longest_ms")
    late = percentile(times.late, 0.999)
    return (f"{len(times.ordered):,}", *(f"{times.at(share):.1f}" for share in shares), f"{late:.1f}")


def _seconds(outcome: Outcome) -> str:
    series = [
        Series(name=f"{name}, p99", points=points, style=style)
        for name, style in zip(("lookup", "resolve", "event"), _STYLES, strict=True)
        if (points := per_second(outcome.calls, name=name, share=0.99))
    ]
    most = max((value for one in series for _, value in one.points), default=1.0)
    ticks = [tick for tick in (1, 5, 10, 48, 100, 500, 1_000, 5_000) if tick <= most * 1.2]
    end = outcome.run.seconds
    across = Axis(title="seconds of the run", high=end, ticks=[round(end * part / 6) for part in range(7)])
    up = Axis(title="milliseconds", low=0.5, high=max(60.0, most * 1.2), ticks=ticks, logarithmic=True)
    return legend(series) + chart("Time of calls by the second", across, up, series)


def _side_by_side(outcome: Outcome, name: str) -> str:
    """The caller's times in the server's own buckets, beside the server's."""
    methods = [outcome.server.calls[method] for method in _METHODS[name] if method in outcome.server.calls]
    bounds = sorted({bound for method in methods for bound in method})
    told = {bound: sum(method.get(bound, 0.0) for method in methods) for bound in bounds}
    mine = times_of(call for call in outcome.calls if family(call.name) == name)
    if not mine.ordered or not told or not told[bounds[-1]]:
        return ""
    rows = []
    for low, bound in pairwise([0.0, *bounds]):
        here = mine.within(bound * 1000) - (mine.within(low * 1000) if low else 0)
        there = told[bound] - (told[low] if low else 0.0)
        label = f"to {bound * 1000:g} ms" if bound != float("inf") else "longer"
        rows.append(
            (
                label,
                f"{here:,}",
                f"{mine.within(bound * 1000) / len(mine.ordered):.4%}",
                f"{there:,.0f}",
                f"{told[bound] / told[bounds[-1]]:.4%}",
            )
        )
    head = ("time", "caller", "up to here", "server", "up to here")
    return f"<h2>{escape(name.capitalize())}: the caller's clock and the server's</h2>" + table(head, rows)


def _work(process: str, counted: ServerSide) -> list[str]:
    """Stages of its work, and what tells why they took long."""
    stages = [
        (escape(name), f"{count:,.0f}", f"{seconds / count * 1000:.2f}")
        for name, (count, seconds) in sorted(counted.stages.items())
        if count
    ]
    counters = [(escape(name), _number(count)) for name, count in sorted(counted.counters.items()) if count]
    return [
        f"<h2>What {escape(process)} did</h2>",
        table(("stage", "times", "mean ms"), stages),
        table(("retries, looks, groups", "times"), counters),
    ]


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:,.3f}".rstrip("0").rstrip(".")


def as_figures(outcome: Outcome, checks: Sequence[Check]) -> Mapping[str, object]:
    """The figures for other programs."""
    return {
        "scenario": outcome.run.name,
        "seconds": outcome.run.seconds,
        "seed": outcome.run.seed,
        "notes": list(outcome.notes),
        "not_the_ledgers": list(outcome.told),
        "by_pace": [dict(zip(("work_ms", *_PACED), row, strict=True)) for row in _by_pace(outcome)],
        "figures": dict(outcome.figures),
        "failures": dict(outcome.failures),
        "processes": {
            name: {
                "stages": {
                    stage: {"count": count, "seconds": seconds} for stage, (count, seconds) in counted.stages.items()
                },
                "counters": dict(counted.counters),
            }
            for name, counted in {"serve": outcome.server, **outcome.workers}.items()
        },
        "ok": all(check.holds for check in checks),
        "checks": [
            {"figure": check.figure, "bound": check.bound, "measured": check.measured, "holds": check.holds}
            for check in checks
        ],
    }
