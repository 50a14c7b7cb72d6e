"""How long a service takes to have its state again, with a day of history in its state topic.

Run by hand, with a broker: `KEDGE_KAFKA__BOOTSTRAP_SERVERS=HOST:PORT python
tests/benchmarks/bench_startup.py`. A day of one-minute windows of 20 features goes through the
services' own code, several deltas to a window, and what they say of their state is published as
they would. Then the state is read as at a start: at once, when nothing is compacted yet, and again
after `--settled` seconds, in which services wrote now and then and the broker compacted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from kedge.alerting import Alerting
from kedge.contracts import PredictionBatch, Tags, Topics, columns_of, encode_batch
from kedge.monitor import Monitor
from kedge.policy import parse
from kedge.profile import reference_of
from kedge.profiler import Profiler
from kedge.registry import Registry
from kedge.settings import Settings
from kedge.streams import CommittedLog, Incoming, Processor, Releases
from kedge.streams.clients import producer
from kedge.streams.topics import create_topics
from services import release_event

MINUTE = 60_000_000
_NOW_AND_THEN = 10.0
START = 1_700_000_000_000_000 // MINUTE * MINUTE
POLICY = """
model = "flights"
[[rules]]
name = "an input goes missing"
statistic = "missing_increase"
above = 0.4
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=1440)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--deltas", type=int, default=4, help="deltas to a window")
    parser.add_argument("--lateness", type=float, default=3600.0, help="seconds that windows stay")
    parser.add_argument("--settled", type=float, default=0.0, help="seconds to wait")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(
            home=Path(home),
            topic_prefix=f"bench-{uuid.uuid4().hex[:8]}",
            stream={"partitions": 1, "allowed_lateness": asked.lateness},
        )
        print(json.dumps(_measured(settings, asked), indent=2))  # noqa: T201 - its purpose


def _measured(settings: Settings, asked: argparse.Namespace) -> dict[str, float]:
    kafka, topics = settings.kafka, Topics(settings.topic_prefix)
    create_topics(kafka, settings)
    rng = np.random.default_rng(1)
    rows = [{f"n{i}": float(rng.normal()) for i in range(asked.features)} for _ in range(500)]
    client = producer(kafka)
    reference = reference_of(columns_of(rows, "feature"))
    client.produce(topics.releases, release_event("flights", 1, reference), b"1")
    client.flush()
    releases = Releases(kafka, topics)
    profiler = Profiler(releases, topics, settings.stream, kafka)
    monitor = Monitor(releases, topics, settings, kafka)
    profiler.assigned(0)
    monitor.assigned(0)
    with Registry.open(settings) as registry:
        alerting = Alerting((parse(POLICY, "policy"),), registry, topics, kafka, base_window=MINUTE)
        alerting.assigned(0)
        written = {topics.state(service): [0, 0] for service in ("monitor", "alerting")}
        arrival = time.time_ns() // 1000

        def through(processor, values, onward):
            batch = [Incoming("", 0, 0, arrival, None, value) for value in values]
            out = list(processor.process(batch))
            for each in out:
                if each.topic in written:
                    client.produce(each.topic, each.value, each.key, 0)
                    client.poll(0)
                    written[each.topic][0] += 1
                    written[each.topic][1] += len(each.value or b"")
            return [each.value for each in out if each.topic == onward]

        for window in range(asked.windows):
            for _ in range(asked.deltas):
                columns = columns_of(rows[:20], "feature")
                times = START + window * MINUTE + rng.integers(0, MINUTE, 20)
                ids = [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(20)]
                unknown = np.full(20, np.nan, np.float32)
                tags = Tags("flights", "mv", "cv", 1, "production")
                sent = encode_batch(PredictionBatch(tags, ids, times, unknown, columns))
                deltas = through(profiler, [sent], topics.profiles)
                statistics = through(monitor, deltas, topics.statistics)
                if statistics:
                    through(alerting, statistics, topics.alerts)
            client.flush()
        found = {}
        restored = (("monitor", monitor), ("alerting", alerting))
        for service, processor in restored:
            messages, size = written[topics.state(service)]
            found[f"{service}_messages"] = messages
            found[f"{service}_mib"] = round(size / 2**20, 1)
            found[f"{service}_seconds"] = _restored(processor)
        if asked.settled:
            _settle(client, topics, asked.settled)
            for service, processor in restored:
                with CommittedLog(kafka, topics.state(service), 0) as log:
                    found[f"{service}_messages_settled"] = sum(1 for _ in log.news())
                found[f"{service}_seconds_settled"] = _restored(processor)
    releases.close()
    return found


def _settle(client: Producer, topics: Topics, seconds: float) -> None:
    """Write now and then, of a release that nobody knows and of none."""
    idle = {"monitor": b'["window","none","none",0,0]', "alerting": b'["none","none",0]'}
    for _ in range(round(seconds / _NOW_AND_THEN)):
        time.sleep(_NOW_AND_THEN)
        for service, key in idle.items():
            client.produce(topics.state(service), None, key, 0)
        client.flush()


def _restored(processor: Processor) -> float:
    began = time.perf_counter()
    processor.assigned(0)
    return round(time.perf_counter() - began, 2)


if __name__ == "__main__":
    main()
