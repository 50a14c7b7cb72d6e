"""Messages that come twice are counted once, and every message is accounted for."""

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import uuid
from collections import Counter

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from counted import message, reference
from kedge import profiler
from kedge.contracts import Topics, decode, encode
from kedge.streams import CommittedLog
from services import eventually, produce, release_event, running


def _released(settings, model="flights"):
    topics = Topics(settings.topic_prefix)
    produce(settings.kafka, topics.releases, [release_event(model, 1, reference())], model.encode())


class _Topics:
    """What was committed to the topics by now; each look reads on where the last one ended."""

    def __init__(self, settings):
        topics = Topics(settings.topic_prefix)
        self._logs = {
            contract: [CommittedLog(settings.kafka, topic, partition) for partition in range(2)]
            for contract, topic in (
                ("account", topics.accounts),
                ("profile", topics.profiles),
                ("dead_letter", topics.deadletter),
            )
        }
        self._records = {contract: [] for contract in self._logs}

    def close(self):
        for log in itertools.chain(*self._logs.values()):
            log.close()

    def records(self, contract):
        for log in self._logs[contract]:
            self._records[contract] += [decode(value, contract)[1] for _, value in log.news()]
        return self._records[contract]

    def accounts(self, model="flights"):
        """The sums of the accounts of a model."""
        sums = Counter()
        for record in self.records("account"):
            if record["model"] == model:
                names = (name for name in record if name.startswith(("rows_", "messages")))
                sums.update({name: record[name] for name in names})
        return sums

    def messages(self, wanted, model="flights"):
        """Wait until so many are accounted for."""
        return eventually(lambda: self.accounts(model)["messages"], lambda n: n >= wanted)

    def profiled(self, model="flights"):
        records = self.records("profile")
        return sum(record["rows"] for record in records if record["model"] == model)


@pytest.fixture
def read():
    """What reads the topics of these settings."""
    with contextlib.ExitStack() as stack:

        def make(settings):
            made = _Topics(settings)
            stack.callback(made.close)
            return made

        yield make


def _single(name):
    return encode(
        "prediction",
        {
            "id": name,
            "event_time": 1_700_000_000_000_000,
            "model": "flights",
            "model_version": "mv",
            "code_version": "cv",
            "release": 1,
            "environment": "production",
            "features": {"x": 1.0},
            "outputs": {},
        },
    )


def _batch(number):
    return message([str(uuid.UUID(int=10 * number + row)) for row in range(3)])


@pytest.mark.parametrize(("of", "rows"), [(lambda n: _single(str(n)), 1), (_batch, 3)])
def test_a_message_that_comes_again_is_counted_once(make_settings, read, of, rows):
    # Five in one micro-batch: some come again in the same one, some later, some after a restart.
    settings = make_settings(stream={"batch_records": 5})
    _released(settings)
    seen, topic = read(settings), Topics(settings.topic_prefix).predictions
    once = [of(number) for number in range(20)]
    produce(settings.kafka, topic, [*once[:3], *once[:3], *once], b"one")
    with running(profiler.run, settings=settings):
        seen.messages(26)
    produce(settings.kafka, topic, [*once, of(99)], b"one")
    with running(profiler.run, settings=settings):
        seen.messages(47)
    assert seen.profiled() == 21 * rows
    assert seen.accounts() == {
        "messages": 47,
        "messages_unreadable": 0,
        "rows_received": 47 * rows,
        "rows_unnumbered": 47 * rows,
        "rows_profiled": 21 * rows,
        "rows_dead_lettered": 0,
        "rows_duplicate": 26 * rows,
        "rows_late": 0,
    }


def test_a_killed_profiler_has_not_forgotten(make_settings, read, monkeypatch, tmp_path):
    settings = make_settings(stream={"instance": "one"})
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path))
    monkeypatch.setenv("KEDGE_TOPIC_PREFIX", settings.topic_prefix)
    monkeypatch.setenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", settings.kafka["bootstrap.servers"])
    monkeypatch.setenv("KEDGE_STREAM__INSTANCE", "one")
    monkeypatch.setenv("KEDGE_STREAM__BATCH_RECORDS", "7")
    _released(settings)
    seen, topic = read(settings), Topics(settings.topic_prefix).predictions
    once, dice = [_batch(number) for number in range(200)], random.Random(3)
    process = subprocess.Popen([sys.executable, "-m", "kedge", "run", "profiler"])
    try:
        produce(settings.kafka, topic, dice.sample(once, 200), b"one")
        produce(settings.kafka, topic, dice.sample(once, 200), b"one")
        seen.messages(dice.randint(50, 250))
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    produce(settings.kafka, topic, dice.sample(once, 200), b"one")
    with running(profiler.run, settings=settings):
        seen.messages(600)
    assert seen.profiled() == 600
    sums = seen.accounts()
    assert sums["messages"] == 600
    assert (sums["rows_profiled"], sums["rows_duplicate"]) == (600, 1200)


@pytest.fixture
def profiling(make_settings, read):
    settings = make_settings(stream={"batch_records": 4})
    with running(profiler.run, settings=settings):
        yield settings, read(settings)


# Which message of a few, or nothing that can be read.
mixed = st.lists(
    st.tuples(st.sampled_from(["known", "known", "unknown", "unreadable"]), st.integers(0, 4)),
    max_size=25,
)


@examples(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=mixed)
def test_every_message_has_one_fate(profiling, sent):
    (settings, seen), model = profiling, f"m{uuid.uuid4().hex}"
    _released(settings, model)
    before = seen.accounts("")["messages"]
    values, expected, known = [], Counter(), set()
    for kind, number in sent:
        if kind == "unreadable":
            values.append(b"junk")
            expected["junk"] += 1
            continue
        rows, release = number + 1, 1 if kind == "known" else 2
        values.append(message([f"{number} {row}" for row in range(rows)], model, release))
        fate = "dead" if kind == "unknown" else "twice" if number in known else "profiled"
        known |= {number} if kind == "known" else set()
        expected[fate] += rows
    produce(settings.kafka, Topics(settings.topic_prefix).predictions, values, model.encode())
    seen.messages(len(values) - expected["junk"], model)
    assert seen.messages(before + expected["junk"], "") == before + expected["junk"]
    sums = seen.accounts(model)
    fates = [sums[f"rows_{fate}"] for fate in ("profiled", "dead_lettered", "duplicate")]
    assert fates == [expected["profiled"], expected["dead"], expected["twice"]]
    assert sums["rows_received"] == sum(fates)
    assert seen.profiled(model) == expected["profiled"]
    letters = [x for x in seen.records("dead_letter") if x["key"] == model.encode()]
    assert sum(letter["rows"] for letter in letters) == expected["dead"]
