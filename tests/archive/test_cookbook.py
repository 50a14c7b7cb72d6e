"""Every question of docs/cookbook.md on a small archive, answered again by brute force."""

import datetime as dt
import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from kedge.archive import ColumnLedger, Disk, PartitionWriter, connect
from kedge.contracts import encode
from logged import START, TAGS, batch
from statistic_records import MINUTE, statistic, window

COOKBOOK = Path(__file__).parents[2] / "docs" / "cookbook.md"
QUERIES = re.findall(r"## \d+\. .*?```sql\n(.*?)```", COOKBOOK.read_text(), re.DOTALL)
RELEASES = (1, 2)
ROWS = 120


def _distance(random, release, index):
    if index % 10 < 3 * (release - 1) + 1:
        return (None, float("nan"), "far")[index % 3]
    return float(random.normal(100 * release, 60))


def _rows(release):
    random = np.random.default_rng(release)
    return [
        {
            "id": f"{release}-{index:03d}",
            "time": START + (release - 1) * 120 * MINUTE + index * MINUTE,
            "features": {
                "distance": _distance(random, release, index),
                "carrier": str(
                    random.choice(["AA", "UA", "DL"], p=[0.2 * release, 0.4, 0.6 - 0.2 * release])
                ),
            },
            "filled": set(),
            "outputs": {"output": float(random.uniform())},
            "latency": float(np.float32(random.exponential(5))),
            "error": "ValueError" if index % 17 == release else None,
        }
        for index in range(ROWS)
    ]


LOG = {release: _rows(release) for release in RELEASES}
TRUTHS = [
    (row["id"], index % 2 == 0, row["time"] + delay * MINUTE)
    for release in RELEASES
    for index, row in enumerate(LOG[release])
    for delay in (index % 7,)
    if index % 3
] + [("1-001", True, START + 900 * MINUTE)]
HELD = {}
for name, truth, known_at in TRUTHS:
    HELD[name] = (float(truth), known_at)


def _alert(name, rule, status, minute, decision=None):
    return encode(
        "alert",
        {
            "id": name,
            "fingerprint": rule,
            "incident": f"{rule}@{START}",
            "status": status,
            "model": "flights",
            "model_version": "mv",
            "code_version": "cv",
            "release": 2,
            "environment": "test",
            "alias": "production",
            "rule": rule,
            "severity": "critical",
            "action": "rollback",
            "statistic": "psi",
            "column": "distance",
            "threshold": 0.25,
            "starts_at": START,
            "window_start": START,
            "window_end": START + MINUTE,
            "value": 0.5,
            "rows": 9,
            "summary": f"{rule} of distance",
            "decision": decision,
            "produced_at": START + minute * MINUTE,
        },
    )


def _move(generation, minute, origin, target, incident=None):
    return encode(
        "release_event",
        {
            "id": f"move {generation}",
            "time": START + minute * MINUTE,
            "model": "flights",
            "actor": "alerting",
            "reason": "",
            "alias": {
                "name": "production",
                "generation": generation,
                "from_release": origin,
                "to_release": target,
                "model_version": "mv",
                "code_version": "cv",
                "incident": incident,
            },
        },
    )


def _messages():
    for release in RELEASES:
        tags = replace(TAGS, release=release)
        yield "predictions", batch(LOG[release], tags)
        yield "predictions", batch(LOG[release][:5], tags)
    for name, truth, known_at in TRUTHS:
        yield (
            "outcomes",
            encode(
                "outcome",
                {
                    "prediction_id": name,
                    "model": "flights",
                    "environment": "test",
                    "known_at": known_at,
                    "truth": truth,
                },
            ),
        )
    for minute, revision, values in ((0, 0, (0.9, 0.8)), (1, 0, (0.1, 0.2)), (1, 1, (0.3, 0.2))):
        psis = [
            statistic("psi", value, role="feature", column=column)
            for column, value in zip(("distance", "carrier"), values, strict=True)
        ]
        yield "statistics", encode("statistic", window(2, minute, *psis, revision=revision))
    decision = {
        "action": "rolled_back",
        "from_release": 2,
        "to_release": 1,
        "generation": 3,
        "reason": "release 1 is healthy",
        "decided_at": START + 201 * MINUTE,
    }
    yield "alerts", _alert("a", "shift", "firing", 200)
    yield "alerts", _alert("b", "shift", "firing", 201, decision)
    yield "alerts", _alert("c", "missing", "firing", 202)
    yield "alerts", _alert("d", "shift", "resolved", 210)
    yield "releases", _move(1, 0, None, 1)
    yield "releases", _move(2, 120, 1, 2)
    yield "releases", _move(3, 201, 2, 1, f"shift@{START}")


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    disk = Disk(tmp_path_factory.mktemp("archive"))
    ledger, writers = ColumnLedger(disk), {}
    for dataset, message in _messages():
        if dataset not in writers:
            writers[dataset] = PartitionWriter(disk, ledger, dataset, "id", 0)
            writers[dataset].resume(0)
        writers[dataset].add(writers[dataset].next, message)
    assert all(writer.flush() for writer in writers.values())
    with connect(disk.root, confined=True) as connection:
        yield connection


def _value(row):
    value = row["features"]["distance"]
    return value if isinstance(value, float) and not np.isnan(value) else None


def _kind(row):
    value = row["features"]["distance"]
    return "null" if value is None else "wrong_type" if value == "far" else "nan"


def _all(wanted=lambda _: True):
    return [(release, row) for release in RELEASES for row in LOG[release] if wanted(row)]


def _time(micros):
    return dt.datetime.fromtimestamp(micros / 1e6, dt.UTC)


def _counted(key, rows=None):
    return sorted(Counter(key(release, row) for release, row in rows or _all()).items())


def _means(pairs):
    grouped = defaultdict(list)
    for key, value in pairs:
        grouped[key].append(value)
    return {key: sum(values) / len(values) for key, values in grouped.items()}


def _brier(key):
    return _means(
        (key(release, row), (row["outputs"]["output"] - HELD[row["id"]][0]) ** 2)
        for release, row in _all(lambda row: row["id"] in HELD)
    )


def _shares_of_distance():
    values = [np.array([v for row in LOG[r] if (v := _value(row)) is not None]) for r in RELEASES]
    edges = np.quantile(values[0], [0.2, 0.4, 0.6, 0.8])
    shares = [np.bincount(np.searchsorted(edges, each), minlength=5) / len(each) for each in values]
    return [np.maximum(each, 1e-4) for each in shares]


def _psi():
    old, new = _shares_of_distance()
    return float(np.sum((new - old) * np.log(new / old)))


def _js():
    shares = [
        [
            sum(row["features"]["carrier"] == name for row in LOG[r])
            for name in ("AA", "DL", "UA", "WN")
        ]
        for r in RELEASES
    ]
    return float(jensenshannon(*shares, base=2))


ANSWERS = [
    lambda: [(release, ROWS) for release in RELEASES],
    lambda: sorted(_means((release, _value(row) is None) for release, row in _all()).items()),
    lambda: [
        (*key, count)
        for key, count in _counted(
            lambda release, row: (release, _kind(row)), _all(lambda row: _value(row) is None)
        )
    ],
    lambda: sorted(
        _means(
            (_time(row["time"]).replace(minute=0), _value(row) is None) for _, row in _all()
        ).items()
    ),
    lambda: [("far", sum(row["features"]["distance"] == "far" for _, row in _all()))],
    lambda: [
        (release, "ValueError", sum(row["error"] is not None for row in LOG[release]))
        for release in RELEASES
    ],
    lambda: [
        (release, *np.quantile([row["latency"] for row in LOG[release]], [0.5, 0.95]))
        for release in RELEASES
    ],
    lambda: [(_time(START + 10 * i * MINUTE), 10) for i in range(2 * ROWS // 10)],
    lambda: [(row["id"], 2) for release in RELEASES for row in LOG[release][:5]],
    lambda: sorted(_means((release, row["id"] in HELD) for release, row in _all()).items()),
    lambda: sorted(_brier(lambda release, _: release).items()),
    lambda: sorted(
        _brier(lambda _, row: row["features"]["carrier"]).items(), key=lambda item: -item[1]
    ),
    lambda: [
        (
            median(
                (HELD[row["id"]][1] - row["time"]) / 1e6 for _, row in _all() if row["id"] in HELD
            ),
        )
    ],
    lambda: [("1-001", [0.0, 1.0])],
    lambda: [(_psi(),)],
    lambda: [(_js(),)],
    lambda: [("distance", 0.3), ("carrier", 0.2)],
    lambda: [("missing", "distance", 0.5)],
    lambda: [(_time(START + 201 * MINUTE), 2, 1, "shift", "shift of distance")],
    lambda: [(2,)],
]


def _close(value):
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


@pytest.mark.parametrize("number", range(1, 21))
def test_the_answer_is_what_a_loop_over_the_log_gives(connection, number):
    got = connection.sql(QUERIES[number - 1]).fetchall()
    wanted = ANSWERS[number - 1]()
    assert wanted
    assert got == [tuple(_close(value) for value in row) for row in wanted]


def test_there_are_twenty_questions():
    assert len(QUERIES) == len(ANSWERS) == 20
