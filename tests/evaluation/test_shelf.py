"""What the shelf finds against a dictionary of what was put there."""

import json
import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kedge.evaluation import runs
from kedge.evaluation.keys import keys_of
from kedge.evaluation.shelf import BOOLEAN, NONE, NUMBER, PREDICTION, TEXT, Found, Shelf
from kedge.evaluation.truths import Prediction, name_of

# Some of the texts are UUIDs but for one letter, or in another spelling.
UUIDS = [str(uuid.UUID(int=n << 64 | n)) for n in range(10, 14)]
IDS = [*UUIDS, UUIDS[3].upper(), UUIDS[1][:-1] + "g", UUIDS[1].replace("-", "+"), "", "é" * 18, "a"]
outputs = st.sampled_from([None, True, False, 0.5, 1.0, "AA", ""])
added = st.lists(
    st.lists(
        st.tuples(st.sampled_from(IDS), st.integers(1, 2), st.integers(0, 20), outputs),
        max_size=8,
    ),
    max_size=8,
)


def _kind(output):
    return {type(None): NONE, bool: BOOLEAN, float: NUMBER, str: TEXT}[type(output)]


def _found(shelf, rows, environment="test"):
    table = np.zeros(len(rows), PREDICTION)
    for at, (_id, release, time, output) in enumerate(rows):
        value = shelf.words.number(output) if isinstance(output, str) else output or 0
        segments = shelf.words.number(json.dumps([f"s={time}"])) if time % 2 else 0
        table[at] = (release, time, value, segments, _kind(output))
    return Found("flights", environment, pa.array([row[0] for row in rows], pa.string()), table)


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch):
    """So that there are several, of which some are merged no more."""
    monkeypatch.setattr(runs, "_LONGEST", 12)


@hypothesis_settings(max_examples=20)
@given(added, st.integers(0, 20))
def test_the_first_of_a_name_and_release_is_found_until_it_is_forgotten(batches, floor):
    shelf, expected = Shelf(), {}
    for rows in batches:
        new = shelf.add(_found(shelf, rows))
        first = []
        for name, release, time, output in rows:
            if (name, release) not in expected:
                segments = (f"s={time}",) if time % 2 else ()
                expected[name, release] = Prediction(release, time, output, segments)
                first.append(name)
        assert new.ids.to_pylist() == first
    for wanted in (-1, floor):
        shelf.forget(wanted)
        expected = {key: each for key, each in expected.items() if each.event_time >= wanted}
        names = [name_of("flights", "test", name) for name in IDS]
        found = {name: sorted(each, key=repr) for name, each in shelf.find(names)}
        by_name = {}
        for (name, _release), prediction in expected.items():
            by_name.setdefault(name_of("flights", "test", name), []).append(prediction)
        assert found == {name: sorted(each, key=repr) for name, each in by_name.items()}
        assert list(shelf.find([name_of("trains", "test", IDS[0])])) == []
    shelf.close()


@hypothesis_settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(IDS)), max_size=30),
    st.integers(0, 2),
    st.lists(st.sampled_from(IDS), max_size=10),
)
def test_it_says_in_which_partitions_a_truth_is_known(truths, revoked, asked):
    shelf = Shelf()
    entries = [shelf.truths(partition) for partition in range(3)]
    found = _found(shelf, [(name, 1, 0, None) for name in asked])
    for partition, name in truths:
        entries[partition][name_of("flights", "test", name)] = b"truth"
        shelf.known(found)
    shelf.truths(revoked)
    rows, partitions = shelf.known(found)
    pairs = sorted(zip(rows.tolist(), partitions, strict=True))
    assert pairs == sorted(
        (row, partition)
        for row, name in enumerate(asked)
        for partition in range(3)
        if partition != revoked and (partition, name) in truths
    )
    shelf.close()


def test_a_key_says_no_less_than_the_name():
    ids = pa.array([*IDS, *(str(uuid.UUID(int=n)) for n in range(2000))], pa.string())
    scopes = [("flights", "test"), ("flights", "tests"), ("flight", "s test"), ("flights test", "")]
    keys = np.concatenate([keys_of(*scope, ids) for scope in scopes])
    assert len(np.unique(keys, axis=0)) == len(scopes) * len(set(ids.to_pylist()))
    # Alone or among others, whole or cut out, a name has one key.
    for row in range(len(IDS)):
        assert (keys_of("flights", "test", ids.slice(row, 1))[0] == keys[row]).all()
    # Counters at the end of ids, as the SDK makes them, are spread over all the first halves.
    spread = np.bincount((keys[len(IDS) : len(ids), 0] >> np.uint64(60)).astype(int), minlength=16)
    assert spread.min() > 80
