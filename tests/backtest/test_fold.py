"""The same messages through the services, one by one, and through the archive and the backtest."""

import tempfile
import uuid
from functools import cache
from pathlib import Path

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kedge.archive import ColumnLedger, Disk, PartitionWriter, connect
from kedge.backtest.fold import Backtest
from kedge.backtest.log import ArchivedLog, Scope
from kedge.backtest.order import in_order
from kedge.contracts import Topics, columns_of, decode
from kedge.monitor import Monitor, monitoring
from kedge.profile import reference_of
from kedge.profiler import Profiler
from kedge.settings import Settings, StreamSettings
from kedge.streams import Incoming, KnownRelease
from kedge.streams.duplicates import Duplicates
from logged import START, TAGS, batch, release_event

MINUTE = 60_000_000
TOPICS = Topics("t")
SETTINGS = Settings.model_construct(
    stream=StreamSettings(
        window=60, out_of_orderness=30, allowed_lateness=120, longer_windows=(180,), silence=300
    ),
    alerting=Settings.model_fields["alerting"].default_factory(),
    evidence=Settings.model_fields["evidence"].default_factory(),
)
# Minutes and how much more, of each row; late ones and quiet times among them.
times = st.lists(st.integers(0, 12 * MINUTE - 1), min_size=1, max_size=4)
streams = st.lists(st.tuples(times, st.floats(0, 1), st.booleans()), min_size=1, max_size=15)


@cache
def known():
    rows = [{"distance": number / 20} for number in range(20)]
    reference = reference_of(columns_of(rows, "feature"))
    return KnownRelease(TAGS.model, TAGS.release, "mv", "cv", reference, None)


class Releases:
    """What the topic of releases has."""

    def release(self, model, number):
        return known() if (model, number) == (TAGS.model, TAGS.release) else None


def messages_of(stream):
    """With their times; some come twice."""
    for offsets, value, again in stream:
        rows = [
            {
                "id": str(uuid.uuid4()),
                "time": START + offset,
                "features": {"distance": value + number / 10},
                "filled": set(),
                "outputs": {},
                "latency": 1.5,
                "error": None,
            }
            for number, offset in enumerate(offsets)
        ]
        for _ in range(1 + again):
            yield batch(rows), START + max(offsets)


def by_services(messages):
    """The records of the statistics topic."""
    profiler = Profiler(Releases(), TOPICS, SETTINGS.stream, {})
    profiler._counted[0] = Duplicates(horizon=10**15, most=1000)
    now = [START]
    monitor = Monitor(Releases(), TOPICS, SETTINGS, {}, lambda: now[0])
    monitor._partitions[0] = monitoring(SETTINGS, (), Releases().release)
    for offset, (message, time) in enumerate(messages):
        now[0] = max(now[0], time)
        told = profiler.process([Incoming("", 0, offset, now[0], None, message)])
        deltas = [
            Incoming("", 0, offset, now[0], None, each.value)
            for each in told
            if each.topic == TOPICS.profiles
        ]
        for each in monitor.process(deltas):
            if each.topic == TOPICS.statistics:
                yield decode(each.value, "statistic")[1]


class Heard(list):
    """Keeps what it observes."""

    def observe(self, record, now):
        del now
        self.append(record)


def by_backtest(messages, root):
    disk = Disk(Path(root))
    ledger = ColumnLedger(disk)
    releases = PartitionWriter(disk, ledger, "releases", "id", 0)
    releases.resume(0)
    releases.add(0, release_event({("feature", "distance"): "numeric"}))
    releases.flush()
    writer = PartitionWriter(disk, ledger, "predictions", "id", 0)
    writer.resume(0)
    for offset, (message, _) in enumerate(messages):
        writer.add(offset, message)
    writer.flush()
    heard = Heard()
    backtest = Backtest(
        Releases().release,
        [(monitoring(SETTINGS, (), Releases().release), [heard])],
        window=MINUTE,
        latest=2**62,
        duplicates=lambda: Duplicates(horizon=10**15, most=1000),
    )
    with connect(root) as database:
        log = ArchivedLog(database, Scope(TAGS.model, TAGS.environment), 0, START * 2)
        steps = in_order(log.partitions(), window=MINUTE, out_of_orderness=MINUTE // 2)
        for step in steps:
            backtest.take(step)
    return heard, backtest.counts


def first_and_last(records):
    """Of each window, its first publication, and its last without how many there were."""
    first, last = {}, {}
    for record in records:
        key = record["window_start"], record["window_end"]
        first.setdefault(key, record)
        last[key] = {**record, "revision": None}
    return first, last


@hypothesis_settings(max_examples=10, deadline=None)
@given(streams)
def test_windows_close_with_the_same_statistics_as_in_the_stream(stream):
    messages = list(messages_of(stream))
    with tempfile.TemporaryDirectory() as root:
        heard, counts = by_backtest(messages, root)
    assert first_and_last(heard) == first_and_last(by_services(messages))
    assert counts.duplicates == sum(len(rows) for rows, _, again in stream if again)
    assert counts.predictions + counts.duplicates == sum(
        len(rows) * (1 + again) for rows, _, again in stream
    )
