"""The broker does not answer for long, and the archiver is slow: services wait and lose nothing."""

import os
import signal
import time

import numpy as np
import pytest
from confluent_kafka import KafkaException

from chaos.world import PARTITIONS, WINDOW, world
from kedge import broker
from kedge.archive import connect
from kedge.contracts import PredictionBatch, columns_of, decode, encode_batch
from services import committed, eventually, produce

OUTAGE = float(os.environ.get("KEDGE_OUTAGE_SECONDS", "20"))
"""Seconds without an answer. Members of a group are given up after 10, transactions after 15."""

START = 1_700_000_000_000_000 // WINDOW * WINDOW
ROWS = 20


def _predictions(tags, numbers):
    """A message for each number; every ten of them a window further."""
    return [
        encode_batch(
            PredictionBatch(
                tags,
                [f"{number}-{row}" for row in range(ROWS)],
                np.full(ROWS, START + number // 10 * WINDOW, np.int64),
                np.full(ROWS, np.nan, np.float32),
                columns_of([{"x": float(row)} for row in range(ROWS)], "feature"),
            )
        )
        for number in numbers
    ]


class _Seen:
    """What came of the predictions, by service."""

    def __init__(self, running):
        self._running = running

    def _records(self, topic, contract):
        try:
            values = committed(self._running.settings.kafka, topic, PARTITIONS)
        except KafkaException:
            return []  # the broker has to find its partitions' leaders again
        return [decode(value, contract)[1] for value in values]

    def profiled(self):
        return sum(r["rows"] for r in self._records(self._running.topics.profiles, "profile"))

    def in_windows(self):
        """Rows by window, as last revised."""
        records = self._records(self._running.topics.statistics, "statistic")
        newest = {}
        for record in sorted(records, key=lambda record: record["revision"]):
            if (record["clock"], record["part"]) == ("event", "predictions"):
                newest[record["window_start"]] = record["rows"]
        return sum(newest.values())

    def archived(self):
        with connect(self._running.settings.archive_url) as archive:
            ((rows,),) = archive.sql("SELECT count(*) FROM predictions").fetchall()
            return rows

    def given_up(self):
        return self._records(self._running.topics.deadletter, "dead_letter")


@pytest.mark.long
@pytest.mark.timeout(600 + 4 * OUTAGE)
def test_services_wait_for_the_broker_and_for_nobody_else(tmp_path):
    with world(tmp_path) as running:
        seen, kafka = _Seen(running), running.settings.kafka
        topic, tags = running.topics.predictions, running.releases[1]
        produce(kafka, topic, _predictions(tags, range(100)), b"one")
        eventually(seen.profiled, lambda rows: rows == 100 * ROWS)

        process = broker.status(running.broker).pid
        os.kill(process, signal.SIGSTOP)
        time.sleep(OUTAGE)
        os.kill(process, signal.SIGCONT)
        produce(kafka, topic, _predictions(tags, range(100, 200)), b"two")
        eventually(seen.profiled, lambda rows: rows == 200 * ROWS)
        eventually(seen.in_windows, lambda rows: rows == 200 * ROWS)
        eventually(seen.archived, lambda rows: rows == 200 * ROWS)

        archiver = running.workers["archiver-0"].process.pid
        os.kill(archiver, signal.SIGSTOP)
        try:
            produce(kafka, topic, _predictions(tags, range(200, 300)), b"three")
            eventually(seen.in_windows, lambda rows: rows == 300 * ROWS)
            assert seen.archived() == 200 * ROWS
        finally:
            os.kill(archiver, signal.SIGCONT)
        eventually(seen.archived, lambda rows: rows == 300 * ROWS)
        assert seen.profiled() == 300 * ROWS
        assert seen.given_up() == []
