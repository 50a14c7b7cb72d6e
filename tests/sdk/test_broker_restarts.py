"""A broker of its own, killed under running loggers and started again."""

import os
import signal
import uuid

import pytest

from arrivals import RELEASE, until
from kedge import PredictionLogger
from kedge.broker import connection, start, status, stop
from kedge.contracts import Topics, decode_predictions
from kedge.settings import Settings
from kedge.streams.topics import create_topics
from services import committed


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Settings of a broker that runs; whatever the environment names, it is this one."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.upper().startswith("KEDGE_KAFKA__"):
                patch.delenv(name)
        settings = Settings(home=tmp_path_factory.mktemp("own"), stream={"partitions": 2})
        start(settings)
        yield settings
        stop(settings)


class Logged:
    """A logger with topics of its own, and what it was given."""

    def __init__(self, own, options):
        self._kafka = connection(own)
        settings = own.model_copy(update={"topic_prefix": f"t{uuid.uuid4().hex[:12]}"})
        create_topics(self._kafka, settings)
        self._topics = Topics(settings.topic_prefix)
        self.log = PredictionLogger(
            RELEASE,
            kafka=self._kafka | options.pop("kafka", {}),
            topic_prefix=settings.topic_prefix,
            batch_rows=50,
            **options,
        )
        self.ids = []

    def more(self, count):
        self.ids += [self.log.prediction({"x": number}, 1) for number in range(count)]

    def arrived(self):
        """The batches in the topic, in the order of their numbers."""
        values = committed(self._kafka, self._topics.predictions)
        return sorted(map(decode_predictions, values), key=lambda batch: batch.producer.sequence)


@pytest.mark.long
def test_a_broker_killed_mid_stream(own, tmp_path):
    memory = Logged(own, {})
    disk = Logged(own, {"spool": tmp_path / "spool"})
    # Two messages in the client, one that waits for it, and six more in the queue: too few.
    small = Logged(own, {"kafka": {"queue.buffering.max.messages": 2}, "queue_events": 300})
    everyone = (memory, disk, small)
    for each in everyone:
        each.more(200)
        until(lambda each=each: each.log.counts.delivered > 0)
    for each in everyone:
        each.more(2000)  # some are on the way when it dies
    os.kill(status(own).pid, signal.SIGKILL)
    until(lambda: not status(own).running)
    for each in everyone:
        each.more(2000)
        assert not each.log.flush(0.1)
    start(own)
    for each in everyone:
        each.more(100)
        assert each.log.flush(60)
        assert each.log.close(60)

    for each in (memory, disk):
        assert [name for batch in each.arrived() for name in batch.ids] == each.ids
        counts = each.log.counts
        assert counts.accepted == counts.delivered == len(each.ids)
        assert (counts.pending, counts.dropped, counts.unspooled) == (0, 0, 0)
    assert not list((tmp_path / "spool").iterdir())

    batches, counts = small.arrived(), small.log.counts
    names = [name for batch in batches for name in batch.ids]
    assert len(set(names)) == len(names)
    assert set(names) < set(small.ids)
    assert counts.queue_full >= 1000
    assert counts.accepted == counts.delivered == len(names)
    assert counts.accepted + counts.queue_full == len(small.ids)
    # The topic alone says the same: numbers without a gap, and how many are missing.
    assert [batch.producer.sequence for batch in batches] == [
        sum(batch.rows for batch in batches[:number]) for number in range(len(batches))
    ]
    assert max(batch.producer.dropped for batch in batches) == counts.queue_full
