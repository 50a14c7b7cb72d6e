"""Partitions are read in their order, and none runs ahead of another by more than a window."""

from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from kedge.backtest.order import in_order

WINDOW = 100

# Of each partition: messages, each with the event times of its rows; cut into tables anywhere.
messages = st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=3), max_size=12)
partitions = st.lists(st.tuples(messages, st.integers(1, 4)), min_size=1, max_size=4)


def tables(of_partition, together):
    for first in range(0, len(of_partition), together):
        rows = [
            (first + number, time)
            for number, times in enumerate(of_partition[first : first + together])
            for time in times
        ]
        yield pa.table(
            {
                "kafka_offset": pa.array([offset for offset, _ in rows], pa.int64()),
                "event_time": pa.array([time for _, time in rows], pa.timestamp("us", tz="UTC")),
            }
        )


def read(given_partitions, out_of_orderness):
    steps = in_order(
        [(n, tables(*each)) for n, each in enumerate(given_partitions)],
        window=WINDOW,
        out_of_orderness=out_of_orderness,
    )
    epoch = datetime.fromtimestamp(0, UTC)
    for step in steps:
        rows = zip(
            step.rows["kafka_offset"].to_pylist(), step.rows["event_time"].to_pylist(), strict=True
        )
        yield step, [(o, round((t - epoch).total_seconds() * 1e6)) for o, t in rows]


@given(partitions, st.integers(0, 150))
def test_every_row_comes_once_and_in_the_order_of_its_partition(given_partitions, slack):
    found = {number: [] for number in range(len(given_partitions))}
    for step, rows in read(given_partitions, slack):
        found[step.turn.partition] += rows
    for number, (of_partition, _) in enumerate(given_partitions):
        assert found[number] == [
            (offset, time) for offset, times in enumerate(of_partition) for time in times
        ]


@given(partitions, st.integers(0, 150))
def test_no_window_is_passed_while_another_partition_is_still_in_it(given_partitions, slack):
    """What is left of a partition lets the watermark at least where it is."""
    taken = [0] * len(given_partitions)
    newest = [-(2**40)] * len(given_partitions)
    for step, rows in read(given_partitions, slack):
        mine = step.turn.partition
        taken[mine] += len({offset for offset, _ in rows})
        newest[mine] = max(newest[mine], *(time for _, time in rows))
        assert step.newest == newest[mine]
        reached = (newest[mine] - slack) // WINDOW
        for number, (of_partition, _) in enumerate(given_partitions):
            if taken[number] < len(of_partition):
                following = max(newest[number], *of_partition[taken[number]])
                assert (following - slack) // WINDOW >= reached


@given(partitions, st.integers(0, 150))
def test_the_message_that_passes_a_window_comes_alone(given_partitions, slack):
    """So that what is late in its partition is late here too."""
    newest = [None] * len(given_partitions)
    for step, rows in read(given_partitions, slack):
        before = newest[step.turn.partition]
        after = (step.newest - slack) // WINDOW
        if before is None or after != (before - slack) // WINDOW:
            assert len({offset for offset, _ in rows}) == 1
        newest[step.turn.partition] = step.newest
