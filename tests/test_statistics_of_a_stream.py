"""What is published of a stream, against NumPy and SciPy on the raw events of that stream.

The producers here know nothing of Kedge: confluent-kafka, fastavro and the `.avsc` files.
"""

import io
import json
import math
import uuid
from functools import partial
from pathlib import Path

import fastavro
import numpy as np
import pytest
from confluent_kafka import Producer
from scipy.spatial.distance import jensenshannon

from kedge import monitor, profiler
from kedge.contracts import Topics, columns_of, decode
from kedge.profile import KINDS, reference_of
from services import PATIENCE, committed, eventually, produce, release_event, running

SCHEMAS = Path(__file__).parents[1] / "schemas"
WINDOW = 60_000_000
START = 1_700_000_040_000_000 // WINDOW * WINDOW
CARRIERS = ["AA", "B6", "UA"]


def _events(seed, count, shift):
    """Raw events over three windows; what is missing is missing in all the ways there are."""
    rng = np.random.default_rng(seed)
    events = []
    for i in range(count):
        features = {
            "distance": float(rng.normal(1000 + shift, 300)),
            "carrier": str(rng.choice([*CARRIERS, "ZZ", ""], p=[0.5, 0.3, 0.15, 0.03, 0.02])),
            "late": bool(rng.random() < 0.3),
        }
        match rng.integers(0, 12):
            case 0:
                features["distance"] = None
            case 1:
                features["distance"] = math.nan
            case 2:
                del features["distance"]
            case 3:
                features["distance"] = "far"
        events.append(
            {
                "id": str(uuid.UUID(bytes=rng.bytes(16))),
                "event_time": START + i * 3 * WINDOW // count,
                "features": features,
                "imputed": ["late"] if rng.random() < 0.1 else [],
                "outputs": {"output": float(rng.beta(2, 5))},
            }
        )
    return events


def _reference():
    events = _events(1, 2000, 0)
    return reference_of(
        [
            *columns_of(
                [e["features"] for e in events if e["features"].get("distance") != "far"], "feature"
            ),
            *columns_of(
                [e["outputs"] for e in events if e["features"].get("distance") != "far"], "output"
            ),
        ]
    )


def _schema(name):
    """The parsed schema and the header of its messages, by nothing of Kedge."""
    raw = json.loads((SCHEMAS / f"{name}.avsc").read_text())
    canonical = fastavro.schema.to_parsing_canonical_form(raw)
    fingerprint = fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
    return fastavro.parse_schema(raw), b"\xc3\x01" + bytes.fromhex(fingerprint)


def _message(name, record):
    schema, header = _schema(name)
    buffer = io.BytesIO(header)
    buffer.seek(len(header))
    fastavro.schemaless_writer(buffer, schema, record)
    return buffer.getvalue()


TAGS = {
    "model": "flights",
    "model_version": "mv",
    "code_version": "cv",
    "release": 1,
    "environment": "production",
}


def _single(events):
    return [_message("prediction", TAGS | event) for event in events]


def _column(name, role, cells, imputed, kind):
    """One column of the batch form, packed by hand."""
    states = bytes(
        3 if filled else 1 if cell is ... else 2 if cell is None else 0
        for cell, filled in zip(cells, imputed, strict=True)
    )
    plain = [cell if cell not in (..., None) else None for cell in cells]
    if kind == "Texts":
        dictionary = sorted({cell for cell in plain if cell is not None})
        codes = np.array([dictionary.index(c) if c is not None else 0 for c in plain], "<i4")
        values = {"dictionary": dictionary, "codes": codes.tobytes()}
    elif kind == "Booleans":
        values = {"data": bytes(bool(cell) for cell in plain)}
    else:
        numbers = np.array([0.0 if cell is None else cell for cell in plain], "<f8")
        values = {"data": numbers.tobytes(), "width": 1}
    return {"name": name, "role": role, "states": states, "values": (f"io.kedge.{kind}", values)}


def _batch(events):
    none = [False] * len(events)
    distances = [e["features"].get("distance", ...) for e in events]
    filled = ["late" in e["imputed"] for e in events]
    columns = [
        # Two types in one feature: a column each, absent in the other.
        _column(
            "distance", "feature", [... if d == "far" else d for d in distances], none, "Numbers"
        ),
        _column(
            "distance", "feature", [d if d == "far" else ... for d in distances], none, "Texts"
        ),
        _column("carrier", "feature", [e["features"]["carrier"] for e in events], none, "Texts"),
        _column("late", "feature", [e["features"]["late"] for e in events], filled, "Booleans"),
        _column("output", "output", [e["outputs"]["output"] for e in events], none, "Numbers"),
    ]
    times = np.array([e["event_time"] for e in events], "<i8")
    record = TAGS | {
        "rows": len(events),
        "ids": b"".join(uuid.UUID(e["id"]).bytes for e in events),
        "event_times": times.tobytes(),
        "columns": columns,
    }
    return [_message("prediction_batch", record)]


@pytest.mark.parametrize("form", [_single, _batch])
def test_a_producer_without_kedge_gets_the_statistics_that_scipy_gives(settings, form):
    kafka, topics = settings.kafka, Topics(settings.topic_prefix)
    reference = _reference()
    produce(kafka, topics.releases, [release_event("flights", 1, reference)], b"1")
    events = _events(2, 3000, 250)
    client = Producer({"bootstrap.servers": kafka["bootstrap.servers"]})
    third = len(events) // 3
    for part in range(3):
        for value in form(events[part * third : (part + 1) * third]):
            client.produce(topics.predictions, value=value, partition=0)
    assert client.flush(PATIENCE) == 0

    with running(profiler.run, monitor.run, settings=settings):
        published = eventually(lambda: _published(kafka, topics), lambda seen: len(seen) >= 2)
    assert committed(kafka, topics.deadletter) == []
    for start in (START, START + WINDOW):
        mine = [e for e in events if start <= e["event_time"] < start + WINDOW]
        _check(published[start, start + WINDOW], mine, reference)


def test_longer_windows_are_of_all_their_events_also_of_a_backlog(make_settings):
    """Partition 1 comes when all windows are published, and the monitor was started anew."""
    settings = make_settings(stream={"longer_windows": (120, 180), "idle_after": 3600})
    kafka, topics = settings.kafka, Topics(settings.topic_prefix)
    reference = _reference()
    produce(kafka, topics.releases, [release_event("flights", 1, reference)], b"1")
    events = _events(3, 1200, 250)
    end = events[-1] | {"event_time": START + 5 * WINDOW}
    client = Producer({"bootstrap.servers": kafka["bootstrap.servers"]})

    def sent(partition, events):
        for value in _batch(events):
            client.produce(topics.predictions, value=value, partition=partition)
        assert client.flush(PATIENCE) == 0

    windows = {
        (START + last * WINDOW - length, START + last * WINDOW)
        for length in (WINDOW, 2 * WINDOW, 3 * WINDOW)
        for last in range(1, 6)
        # Some of the three minutes is in it, or it is a minute of silence.
        if length > (last - 3) * WINDOW or length == WINDOW
    }
    for partition in (0, 1):
        counted = events[::2] if partition == 0 else events
        with running(profiler.run, monitor.run, settings=settings):
            sent(partition, [*events[::2], end] if partition == 0 else events[1::2])
            published = eventually(
                lambda: _published(kafka, topics), partial(_counted, rows=len(counted))
            )
        assert published.keys() == windows
        for (start, end_of_it), record in published.items():
            mine = [e for e in counted if start <= e["event_time"] < end_of_it]
            assert (record["revision"] > 0) == (partition == 1 and mine != [])
            if mine:
                _check(record, mine, reference)
            else:
                assert record["rows"] == 0
    assert committed(kafka, topics.deadletter) == []


def _counted(published, rows):
    """Whether so many rows are in the base windows."""
    base = [r["rows"] for (start, end), r in published.items() if end - start == WINDOW]
    return sum(base) == rows


def _published(kafka, topics):
    """Newest revision by window."""
    records = [decode(value)[1] for value in committed(kafka, topics.statistics)]
    records.sort(key=lambda record: record["revision"])
    return {(record["window_start"], record["window_end"]): record for record in records}


def _check(record, events, reference):
    values = {(s["name"], s["column"], s["kind"]): s["value"] for s in record["statistics"]}
    assert record["rows"] == len(events) == values["rows", None, None]
    kinds = {column: [_kind(event, column) for event in events] for column in _COLUMNS}
    for column, found in kinds.items():
        for kind in KINDS:
            assert values["missing_rate", column, kind] == found.count(kind) / len(events)
        missing = sum(kind is not None for kind in found) / len(events)
        assert values["missing_rate", column, None] == pytest.approx(missing, abs=1e-12)
    for column in reference.columns:
        name = column.spec.name
        there = [
            _value(event, name)
            for event, kind in zip(events, kinds[name], strict=True)
            if kind is None or (name == "carrier" and kind == "unseen")
        ]
        if column.spec.type == "numeric":
            edges = [-np.inf, *column.bins.edges, np.inf]
            # NumPy's last bin is closed on the right, which no value reaches here.
            window = np.histogram(there, edges)[0]
            before = column.counts
        elif column.spec.type == "boolean":
            window = np.array([there.count(False), there.count(True)])
            before = column.counts
        else:
            window = np.array([there.count(c) for c in column.bins.categories])
            window = np.append(window, len(there) - window.sum())
            before = np.append(column.counts, column.missing[KINDS.index("unseen")])
        p, q = window / window.sum(), before / before.sum()
        assert values["js_distance", name, None] == pytest.approx(
            jensenshannon(p, q, base=2), abs=1e-9
        )
        p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
        assert values["psi", name, None] == pytest.approx(
            float(np.sum((p - q) * np.log(p / q))), abs=1e-9
        )


_COLUMNS = ("distance", "carrier", "late", "output")


def _value(event, column):
    return event["outputs" if column == "output" else "features"][column]


def _kind(event, column):
    """The kind of missing, by the words of DESIGN; None where there is a usable value."""
    if column == "output":
        return None
    if column in event["imputed"]:
        return "imputed"
    if column not in event["features"]:
        return "absent"
    value = event["features"][column]
    if value is None:
        return "null"
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    if value == "":
        return "empty"
    if column == "carrier" and value not in CARRIERS:
        # "ZZ" is in the reference too, as a category of its own.
        return None
    return "wrong_type" if column == "distance" and isinstance(value, str) else None
