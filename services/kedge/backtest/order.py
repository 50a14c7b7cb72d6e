"""Pure: in which order archived predictions are taken, of all partitions together.

Each partition is read in the order of its offsets. Between partitions the archive knows no order,
so the one goes on whose newest event is the oldest. In units of base windows: first come those
messages of each partition with which the watermark passes the end of a window, and then all others
up to the next such message. So a partition's late rows are late in a backtest too, and what its
partitions were apart, as they were read, is not repeated.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from kedge.backtest.batches import times_of


class Turn(NamedTuple):
    """When it is a step's turn.

    Attributes:
        window: number of the base window that the watermark is in once the step is taken.
        after: 0 for the message that brings it there, 1 for those that follow.
        partition: of the predictions topic.
    """

    window: int
    after: int
    partition: int


@dataclass(frozen=True, slots=True)
class Step:
    """Messages of one partition that are taken together.

    Attributes:
        turn: when it is taken.
        rows: of the view `predictions`, in the order of the log.
        newest: latest event time that the partition has come to, microseconds since 1970 UTC.
    """

    turn: Turn
    rows: pa.Table
    newest: int


def in_order(
    partitions: Iterable[tuple[int, Iterable[pa.Table]]], *, window: int, out_of_orderness: int
) -> Iterator[Step]:
    """All partitions as one sequence.

    Args:
        partitions: their numbers and rows, in the order of the log; no message is in two tables.
        window: length of a base window, microseconds.
        out_of_orderness: how far behind the newest event the watermark stays, microseconds.
    """
    sequences = [
        _steps(partition, tables, window, out_of_orderness) for partition, tables in partitions
    ]
    return heapq.merge(*sequences, key=lambda step: step.turn)


def _steps(
    partition: int, tables: Iterable[pa.Table], window: int, out_of_orderness: int
) -> Iterator[Step]:
    newest = before = -(2**62)
    for table in tables:
        first = message_starts(table)
        reached = np.maximum.accumulate(np.maximum.reduceat(times_of(table), first))
        reached = np.maximum(reached, newest)
        turns = (reached - out_of_orderness) // window
        # A step begins with each message that moves the watermark on, and behind it.
        moves = np.flatnonzero(np.diff(turns, prepend=before))
        begins = np.unique(np.concatenate([[0], moves, moves + 1]))
        begins = begins[begins < len(first)]
        ends = np.append(begins[1:], len(first))
        rows = np.append(first, table.num_rows)
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            turn = Turn(int(turns[begin]), 0 if begin in moves else 1, partition)
            length = int(rows[end] - rows[begin])
            yield Step(turn, table.slice(int(rows[begin]), length), int(reached[end - 1]))
        newest, before = int(reached[-1]), int(turns[-1])


def message_starts(rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The first row of each message; rows of one message follow each other."""
    offsets = rows["kafka_offset"].to_numpy()
    starts: np.ndarray[tuple[int], np.dtype[np.int64]] = np.flatnonzero(
        np.diff(offsets, prepend=offsets[0] - 1)
    )
    return starts
