"""What is read back from the archive gives the profiles that the messages gave."""

import math
import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kedge.archive import ColumnLedger, Disk, PartitionWriter, connect
from kedge.backtest.batches import predictions_of
from kedge.contracts import columns_of, decode_predictions
from kedge.profile import ColumnSpec, Profile, count_windows, reference_of
from logged import DAY, START, TAGS, batch, release_event, single
from strategies import FEATURES, feature_rows

TYPES = {
    ("feature", "distance"): "numeric",
    ("feature", "carrier"): "categorical",
    ("feature", "late"): "boolean",
    ("feature", "embedding"): "vector",
    ("output", "output"): "numeric",
}
numbers = st.floats(-2, 2) | st.just(math.nan)
embeddings = st.dictionaries(
    st.just("embedding"), st.none() | st.lists(numbers, min_size=2, max_size=3)
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "features": st.tuples(feature_rows, embeddings).map(lambda parts: parts[0] | parts[1]),
            "filled": st.sets(st.sampled_from(FEATURES)),
            "outputs": st.dictionaries(st.just("output"), st.floats(0, 1) | st.none()),
            "time": st.integers(START, START + 3 * DAY),
            "latency": st.none() | st.floats(0, 1000, width=32),
            "error": st.none() | st.sampled_from(["ValueError", "KeyError"]),
        }
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def reference():
    features = [
        {
            "distance": float(number),
            "carrier": ("AA", "B6")[number % 2],
            "late": number % 3 == 0,
            "embedding": [math.sin(number), math.cos(number)],
        }
        for number in range(40)
    ]
    outputs = [{"output": number / 40} for number in range(40)]
    return reference_of(
        (*columns_of(features, "feature"), *columns_of(outputs, "output")),
        [ColumnSpec(name, role, type_) for (role, name), type_ in TYPES.items()],
    )


def total(batches, reference):
    """By window, the sum of the profiles."""
    found = {}
    for each in batches:
        for start, profile in count_windows(each, reference, DAY).items():
            found[start] = found[start] + profile if start in found else profile
    return {start: record(profile, reference) for start, profile in found.items()}


def record(profile, reference):
    assert isinstance(profile, Profile)
    return profile.to_record(reference)


@hypothesis_settings(max_examples=25, deadline=None)
@given(data=rows, as_batch=st.booleans(), cut=st.integers(0, 12))
def test_the_profiles_are_those_of_the_messages(reference, data, as_batch, cut):
    for row in data:
        row["id"] = str(uuid.uuid4())
    messages = [batch(data)] if as_batch else [single(row) for row in data]
    with tempfile.TemporaryDirectory() as root:
        disk = Disk(Path(root))
        ledger = ColumnLedger(disk)
        releases = PartitionWriter(disk, ledger, "releases", "id", 0)
        releases.resume(0)
        releases.add(0, release_event(TYPES))
        releases.flush()
        writer = PartitionWriter(disk, ledger, "predictions", "id", 0)
        writer.resume(0)
        for offset, message in enumerate(messages):
            writer.add(offset, message)
        writer.flush()
        with connect(root) as database:
            read = database.sql("FROM predictions ORDER BY kafka_offset").to_arrow_table()
    # In two parts, as what is read at once may end anywhere.
    parts = [part for part in (read.slice(0, cut), read.slice(cut)) if part.num_rows]
    found = total([predictions_of(part, TAGS) for part in parts], reference)
    assert found == total([decode_predictions(message) for message in messages], reference)
