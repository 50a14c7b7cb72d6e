"""What SQL returns against a brute-force reading of what was logged, row by row."""

import json
import math
import tempfile
import uuid
from pathlib import Path

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kedge.archive import ColumnLedger, Disk, PartitionWriter, connect
from logged import DAY, START, batch, release_event, single
from strategies import FEATURES, feature_rows

SIGNATURE = {
    ("feature", "distance"): "numeric",
    ("feature", "carrier"): "categorical",
    ("feature", "late"): "boolean",
    ("feature", "embedding"): "vector",
    ("output", "output"): "numeric",
}
# The last two come as columns of two lengths, with a type that the signature does not say.
numbers = st.floats(-2, 2) | st.just(math.nan)
features = st.tuples(
    feature_rows,
    st.dictionaries(st.just("embedding"), st.lists(numbers, max_size=2) | st.none()),
).map(lambda parts: parts[0] | parts[1])
rows = st.lists(
    st.fixed_dictionaries(
        {
            "features": features,
            "filled": st.sets(st.sampled_from(FEATURES)),
            "outputs": st.dictionaries(st.just("output"), st.floats(0, 1) | st.none()),
            "time": st.integers(START, START + 3 * DAY) | st.integers(-(2**63) + 2, 2**63 - 2),
            "latency": st.none() | st.floats(0, 1000, width=32),
            "error": st.none() | st.sampled_from(["ValueError"]),
        }
    ),
    min_size=1,
    max_size=10,
)


def as_text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return json.dumps([float(item) for item in value])
    if isinstance(value, str):
        return value
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)


def expected_cell(type_, row, name):
    """What is in the column, in `missing`, in `untyped`, and whether it is in `imputed`."""
    if name in row["filled"] and row["features"].get(name) is None:
        return ..., None, None, True  # the code said that it filled in what it left out
    filled = name in row["filled"]
    if name not in row["features"]:
        return None, "absent", None, filled
    value = row["features"][name]
    if value is None:
        return None, "null", None, filled
    why = None
    nan = isinstance(value, float) and math.isnan(value)
    if nan or (type_ == "vector" and isinstance(value, list) and any(map(math.isnan, value))):
        why = "nan"
    if value == "":
        why = "empty"
    text = as_text(value)
    kind = (
        "vector" if isinstance(value, list)
        else "text" if isinstance(value, str)
        else "boolean" if isinstance(value, bool)
        else "number"
    )  # fmt: skip
    typed = None
    if type_ == "numeric" and kind == "number":
        typed = float(value)
    elif type_ == "categorical" and kind != "vector" and not nan:
        typed = text
    elif type_ == "boolean" and (kind == "boolean" or (kind == "number" and value in (0, 1))):
        typed = bool(value)
    elif type_ == "vector" and kind == "vector":
        typed = [float(item) for item in value]
    untyped = text if typed is None and not nan and value != "" else None
    return typed, None if filled else why, untyped, filled


def same(got, wanted):
    return wanted is ... or json.dumps(got) == json.dumps(wanted)


def archived(messages, root, signature=SIGNATURE):
    """Everything through the archive, and the connection to ask it."""
    disk = Disk(Path(root))
    ledger = ColumnLedger(disk)
    if signature:
        releases = PartitionWriter(disk, ledger, "releases", "id", 0)
        releases.resume(0)
        releases.add(0, release_event(signature))
        releases.flush()
    writer = PartitionWriter(disk, ledger, "predictions", "id", 0)
    writer.resume(0)
    for offset, message in enumerate(messages):
        writer.add(offset, message)
    assert writer.flush()
    return connect(root)


def asked(connection, query):
    return connection.sql(query).to_arrow_table().to_pylist(maps_as_pydicts="strict")


# The time as an integer: Python's own times end with the year 9999.
_QUERY = """SELECT * REPLACE (epoch_us(event_time) AS event_time)
    FROM predictions ORDER BY kafka_offset, kafka_partition"""


@hypothesis_settings(max_examples=40)
@given(rows, st.booleans())
def test_both_forms_return_as_they_were_logged(data, as_batch):
    for row in data:
        row["id"] = str(uuid.uuid4())
    messages = [batch(data)] if as_batch else [single(row) for row in data]
    with tempfile.TemporaryDirectory() as root, archived(messages, root) as connection:
        found = {row["id"]: row for row in asked(connection, _QUERY)}
        missing = asked(connection, "SELECT id, role, column_name, kind FROM missing")
    assert sorted(found) == sorted(row["id"] for row in data)
    kinds = {(cell["id"], cell["role"], cell["column_name"]): cell["kind"] for cell in missing}
    assert len(kinds) == len(missing)
    for row in data:
        got = found[row["id"]]
        assert got["event_time"] == row["time"]
        assert got["latency_ms"] == row["latency"]
        assert got["error"] == row["error"]
        assert (got["model"], got["release"], got["environment"]) == ("flights", 7, "test")
        for (role, name), type_ in SIGNATURE.items():
            if role == "feature":
                value, why, untyped, filled = expected_cell(type_, row, name)
                assert same((got["features"] or {}).get(name), value)
                assert got["missing"].get(name) == why
                assert value is ... or got["untyped"].get(name) == untyped
                assert (name in got["imputed"]) == filled
                kind = "imputed" if filled else why or ("wrong_type" if untyped else None)
                assert kinds.get((row["id"], role, name)) == kind
        output = row["outputs"].get("output")
        assert (got["outputs"] or {}).get("output") == output
        why = None if output is not None else "null" if "output" in row["outputs"] else "absent"
        assert got["missing_outputs"].get("output") == why


@hypothesis_settings(max_examples=30)
@given(rows)
def test_without_a_signature_both_forms_are_archived_alike_and_nothing_is_lost(data):
    for row in data:
        row["id"] = str(uuid.uuid4())
        # The wire holds no more than one of these: a name filled in, and what it was filled with.
        row["filled"] = {name for name in row["filled"] if row["features"].get(name) is not None}
    # A first value of each feature settles its type in both.
    for name in FEATURES:
        data[0]["features"][name] = 1.5
    found = []
    for messages in ([batch(data)], [single(row) for row in data]):
        with tempfile.TemporaryDirectory() as root, archived(messages, root, None) as connection:
            got = asked(connection, _QUERY)
        found.append(
            {row["id"]: {k: v for k, v in row.items() if k != "kafka_offset"} for row in got}
        )
    assert found[0].keys() == found[1].keys()
    for row in data:
        of_batch, of_single = found[0][row["id"]], found[1][row["id"]]
        assert set(of_batch["imputed"]) == set(of_single["imputed"]) == row["filled"]
        for got in (of_batch, of_single):
            for name, value in row["features"].items():
                if isinstance(value, list) and len(value) == 1:
                    (value,) = value  # the same on the wire  # noqa: PLW2901
                held = (got["features"] or {}).get(name)
                if value is None or value == "":
                    assert held in (None, "")
                elif isinstance(value, float) and math.isnan(value):
                    assert got["missing"].get(name) == "nan" or name in row["filled"]
                else:
                    if isinstance(held, list) and len(held) == 1:
                        (held,) = held
                    texts = {got["untyped"].get(name), held if held is None else as_text(held)}
                    # 1 where truth values are expected is a true one.
                    assert as_text(value) in texts or (isinstance(held, bool) and held == value)
