"""What was sent against what came of it: every count, by brute force on the raw predictions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
from rich.table import Table
from scipy.spatial.distance import jensenshannon

from chaos import truth
from chaos.found import Check, Found
from chaos.traffic import Traffic
from chaos.world import ALIAS, MODEL, PARTITIONS, WINDOW, World
from kedge.contracts import Record
from kedge.rollback import ACTOR

COLUMNS = ("x", "y", "score")

Place = tuple[int, int, int]
"""Partition of the predictions, release, start of the window."""


def progress(traffic: Traffic, found: Found) -> tuple[list[int], list[int]]:
    """How many there should be of what takes time, and how many there are."""
    sent = sum(len(some.ids) for some in traffic.sent)
    closing = sum(len(some.ids) for some in _closing(traffic))
    return (
        [
            sent,
            sent - closing,
            sent + len(traffic.readable_poison) + _repeated(traffic),
            _repeated(traffic),
            traffic.poison.total(),
            len(found.newest_alerts),
            len(traffic.outcomes.truths),
            truth.readable(traffic),
        ],
        [
            sum(record["rows"] for record in found.profiles),
            sum(r["rows"] for (_, start), r in found.newest.items() if start < _end(traffic)),
            len(found.archived),
            _recognised(found),
            len(found.letters),
            len(found.newest_alerts & set(found.delivered)),
            truth.joined(found),
            truth.received(found),
        ],
    )


def checks(world: World, traffic: Traffic, found: Found) -> Iterator[Check]:
    """Every sum, expected and found."""
    yield from _counts(world, traffic, found)
    yield from _statistics(world, traffic, found)
    yield from _given_up(traffic, found)
    yield Check("predictions sent again, recognised", _repeated(traffic), _recognised(found))
    yield from _archived(traffic, found)
    yield from truth.checks(traffic, found)
    yield from _told(world, found)


def table(all_checks: list[Check], title: str) -> Table:
    drawn = Table("what", "expected", "found", "", title=title)
    for check in all_checks:
        drawn.add_row(
            check.what, str(check.expected), str(check.found), "✓" if check.holds else "✗ WRONG"
        )
    return drawn


def _counts(world: World, traffic: Traffic, found: Found) -> Iterator[Check]:
    """Profiles, bin for bin, by partition, release and window."""
    expected: dict[Place, Counter[object]] = defaultdict(Counter)
    for some in traffic.sent:
        for column, values in (("x", some.x), ("y", some.y), ("score", some.scores)):
            edges = next(c.bins.edges for c in world.reference.columns if c.spec.name == column)
            for when, value in zip((some.times // WINDOW * WINDOW).tolist(), values, strict=True):
                # Bin i has the values with i edges at or below them.
                where = "missing" if np.isnan(value) else int(np.sum(edges <= value))
                expected[some.partition, some.tags.release, when][column, where] += 1
    profiled: dict[Place, Counter[object]] = defaultdict(Counter)
    rows: Counter[int] = Counter()
    for record in found.profiles:
        partition = record["source"]["partition"]
        rows[partition] += record["rows"]
        counts = profiled[partition, record["release"], record["window_start"]]
        for column in record["columns"]:
            for where, count in enumerate(column["counts"]):
                counts[column["name"], where] += count
            counts[column["name"], "missing"] += sum(column["missing"])
    for partition in range(PARTITIONS):
        sent = sum(len(s.ids) for s in traffic.sent if s.partition == partition)
        yield Check(f"predictions profiled, of partition {partition}", sent, rows[partition])
    # Counters are equal whatever zeros they hold.
    wrong = [place for place in expected | profiled if expected[place] != profiled[place]]
    yield Check(
        "windows of a partition and release, every bin right",
        len(expected),
        len(expected | profiled) - len(wrong),
    )
    yield from (Check(f"counts of {place}", expected[place], profiled[place]) for place in wrong)


def _statistics(world: World, traffic: Traffic, found: Found) -> Iterator[Check]:
    """The newest statistics of each window, against NumPy and SciPy on the raw values."""
    raw: dict[tuple[int, int], list[tuple[np.ndarray, ...]]] = defaultdict(list)
    for some in traffic.sent:
        starts = some.times // WINDOW * WINDOW
        for start in np.unique(starts).tolist():
            mine = starts == start
            raw[some.tags.release, start].append((some.x[mine], some.y[mine], some.scores[mine]))
    expected = {key: parts for key, parts in raw.items() if key[1] < _end(traffic)}
    right = 0
    for key, parts in expected.items():
        record = found.newest.get(key)
        values = [np.concatenate(each) for each in zip(*parts, strict=True)]
        if record is not None and _agrees(world, record, dict(zip(COLUMNS, values, strict=True))):
            right += 1
        else:
            rows = None if record is None else (record["rows"], record["revision"])
            yield Check(f"statistics of {key}", len(values[0]), rows)
    yield Check("windows of a release, every statistic right", len(expected), right)


def _agrees(world: World, record: Record, raw: dict[str, np.ndarray]) -> bool:
    values = {(s["name"], s["column"], s["kind"]): s["value"] for s in record["statistics"]}
    if record["rows"] != len(raw["x"]):
        return False
    for column in world.reference.columns:
        name, sample = column.spec.name, raw[column.spec.name]
        there = sample[~np.isnan(sample)]
        if not np.isclose(values["missing_rate", name, None], np.isnan(sample).mean(), 0, 1e-12):
            return False
        if len(there) == 0:
            continue
        counts = np.histogram(there, [-np.inf, *column.bins.edges, np.inf])[0]
        p, q = counts / counts.sum(), column.counts / column.counts.sum()
        if not np.isclose(values["js_distance", name, None], jensenshannon(p, q, base=2), 0, 1e-9):
            return False
        p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
        if not np.isclose(values["psi", name, None], np.sum((p - q) * np.log(p / q)), 0, 1e-9):
            return False
    return True


def _given_up(traffic: Traffic, found: Found) -> Iterator[Check]:
    letters = Counter(letter["value"] for letter in found.letters)
    yield Check("poison messages, a dead letter each", traffic.poison.total(), letters.total())
    if letters != traffic.poison:
        yield Check("dead letters", traffic.poison, [_shown(letter) for letter in found.letters])
    others = {letter["service"] for letter in found.letters} - {"profiler"}
    yield Check("services beside the profiler that gave something up", set(), others)


def _shown(letter: Record) -> str:
    return f"{letter['service']} {letter['reason']} {letter['detail'][:200]}"


def _repeated(traffic: Traffic) -> int:
    return sum(len(some.ids) for some in traffic.repeated)


def _recognised(found: Found) -> int:
    return sum(account["rows_duplicate"] for account in found.accounts)


def _archived(traffic: Traffic, found: Found) -> Iterator[Check]:
    """The archive is the log: what was sent again stands there again, and nothing else does."""
    archived = Counter(found.archived)
    again = Counter(i for some in traffic.repeated for i in some.ids)
    for partition in range(PARTITIONS):
        ids = [i for some in traffic.sent if some.partition == partition for i in some.ids]
        there = sum(archived[name, partition] == 1 + again[name] for name in ids)
        yield Check(f"predictions archived as sent, of partition {partition}", len(ids), there)
    yield Check(
        "rows archived, with those sent again, of unknown releases and absurd times",
        sum(len(some.ids) for some in traffic.sent)
        + len(traffic.readable_poison)
        + _repeated(traffic),
        len(found.archived),
    )


def _told(world: World, found: Found) -> Iterator[Check]:
    """One incident: one alert that fires, one move of the alias, one event of it."""
    told = Counter((a["status"], a["release"], a["column"]) for a in found.alerts)
    yield Check("alerts", {("firing", 2, "x"): 1, ("resolved", 2, "x"): 1}, dict(told))
    moves = [m for m in world.registry.history(MODEL, ALIAS) if m.actor == ACTOR]
    yield Check(
        "rollbacks in the registry", [(2, 1)], [(m.from_release, m.to_release) for m in moves]
    )
    incidents = {alert["incident"] for alert in found.alerts}
    yield Check("incidents that the rollbacks answer", incidents, {m.incident for m in moves})
    # The outbox may tell an event again, by the same id.
    events = {
        event["id"]
        for event in found.releases
        if event["alias"] is not None and event["alias"]["incident"] in incidents
    }
    yield Check("rollbacks told on the releases topic", 1, len(events))
    newest, known = found.newest_alerts, {alert["id"] for alert in found.alerts}
    yield Check("incidents whose last alert was delivered", newest, newest & set(found.delivered))
    yield Check("webhooks about no alert of the topic", set(), set(found.delivered) - known)
    # The receiver takes each webhook-id once: what came again by the same id is not here.
    twice = {name for name, times in Counter(found.delivered).items() if times > 1}
    yield Check("alerts told by two notifications", set(), twice)
    yield Check("webhooks with a wrong signature", 0, world.receiver.refused)


def _end(traffic: Traffic) -> int:
    """The start of the far later windows that close all others."""
    return min(int(some.times.min()) for some in _closing(traffic)) // WINDOW * WINDOW


def _closing(traffic: Traffic):
    return traffic.sent[-PARTITIONS:]
