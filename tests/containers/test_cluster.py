"""docker-compose.yml on a Docker engine: `make test-containers`."""

import os
import time
from collections import Counter
from datetime import datetime

import pytest

from containers.cluster import BROKERS, KAFKA, WINDOW, Cluster
from kedge.sdk import Follower, PredictionLogger
from services import eventually

pytestmark = [
    pytest.mark.skipif(
        "KEDGE_TEST_CONTAINERS" not in os.environ, reason="needs Docker: make test-containers"
    ),
    pytest.mark.timeout(1800),
]
MODEL = "flights"
PATIENCE = 300.0
ROUND = 2000
"""Predictions while one broker is away."""


@pytest.fixture(scope="module")
def cluster():
    running = Cluster(os.environ.get("KEDGE_TEST_CONTAINERS_WITHOUT", "").split())
    try:
        running.up()
        yield running
    finally:
        running.down()


@pytest.fixture(scope="module")
def api(cluster):
    with cluster.client() as client:
        yield client


@pytest.fixture(scope="module")
def released(api):
    """A model whose production alias points at its first release."""
    rows = "\n".join(f"{n % 10},{n % 2}" for n in range(2000))
    version = api.post(
        f"/models/{MODEL}/versions",
        files=[
            ("artifact", ("model.json", b"{}")),
            ("reference", ("train.csv", f"x,late\n{rows}".encode())),
        ],
        data={"output": "late"},
    )
    code = api.post(f"/models/{MODEL}/code", files=[("bundle", ("inference.py", b"A = 1\n"))])
    pair = {"model_version": version.json()["id"], "code_version": code.json()["id"]}
    assert api.post(f"/models/{MODEL}/releases", json=pair).status_code == 201
    moved = api.put(
        f"/models/{MODEL}/aliases/production",
        json={"release": 1, "reason": "first"},
        headers={"If-None-Match": "*"},
    )
    assert moved.status_code == 200
    return MODEL


def test_every_container_is_confined(cluster):
    for name, one in cluster.containers().items():
        host = one["HostConfig"]
        assert one["Config"]["User"].split(":")[0] not in ("", "0", "root"), name
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert host["NanoCpus"] > 0, name
        assert host["PidsLimit"] > 0, name


@pytest.mark.usefixtures("released")
def test_what_is_registered_lies_in_s3(cluster):
    kept = cluster.compose("exec", "--no-TTY", "s3", "find", "/data/kedge/artifacts", "-type", "f")
    assert len(kept.split()) >= 2  # the artifact and the bundle


def test_nothing_is_lost_while_each_broker_is_killed_in_its_turn(cluster, api, released):
    live = Follower(released, kafka=KAFKA)
    live.wait(PATIENCE)
    log = PredictionLogger(live, kafka=KAFKA)
    sent, nulls = Counter(), Counter()
    for broker, service in zip(BROKERS, ("profiler", "monitor", "archiver"), strict=True):
        cluster.compose("kill", broker, service)
        for number in range(ROUND):
            # Event times are ours, so what is due in which window does not hang on any clock.
            when = time.time_ns() // 1000
            start = when // (WINDOW * 1_000_000) * WINDOW
            absent = number % 4 == 0
            log.prediction({"x": None if absent else number % 10}, number % 2, event_time=when)
            sent[start] += 1
            nulls[start] += absent
            time.sleep(0.002)
        cluster.up()
    assert log.close(PATIENCE)
    assert log.counts.delivered == 3 * ROUND

    eventually(lambda: _rows(api), lambda rows: rows.total() == 3 * ROUND, PATIENCE)
    assert _rows(api) == sent
    shares = {start: nulls[start] / sent[start] for start in sent}
    assert _newest(api, "missing_rate", column="x", kind="null") == pytest.approx(shares)
    # Windows of silence follow, so something is always under way: what counts is what is missing.
    report = eventually(
        lambda: api.get("/conservation").json(),
        lambda it: sum(line["archived"] for line in it["lines"]) == 3 * ROUND,
        PATIENCE,
    )
    assert [found for found in report["findings"] if found["severity"] == "gap"] == []
    for fate in ("sent", "received", "profiled"):
        assert sum(line[fate] for line in report["lines"]) == 3 * ROUND


def test_prometheus_reads_the_web_service(cluster):
    def up():
        return cluster.compose(
            *("exec", "--no-TTY", "prometheus", "promtool", "query", "instant"),
            *("http://127.0.0.1:9090", 'up{job="kedge-web"}'),
        )

    eventually(up, lambda answer: "=> 1 @" in answer, PATIENCE)


def test_a_second_start_changes_nothing(cluster):
    before = {name: one["Id"] for name, one in cluster.containers().items()}
    cluster.up()
    assert {name: one["Id"] for name, one in cluster.containers().items()} == before
    assert "up to date" in cluster.compose("logs", "--tail", "5", "registry-upgrade")


def _items(api, path, **query):
    """All pages."""
    found, cursor = [], {}
    while True:
        page = api.get(f"/models/{MODEL}/{path}", params={"limit": 1000, **query, **cursor}).json()
        found += page["items"]
        if not page.get("next"):
            return found
        cursor = {"cursor": page["next"]}


def _rows(api):
    """Rows of each window, in its newest revision, by its start in seconds."""
    newest = {}
    for window in _items(api, "windows", clock="event", part="predictions"):
        key = _seconds(window["window_start"])
        newest[key] = max(newest.get(key, (-1, 0)), (window["revision"], window["rows"]))
    return Counter({start: rows for start, (_, rows) in newest.items() if rows})


def _newest(api, statistic, **query):
    newest = {}
    for one in _items(api, "statistics", clock="event", statistic=statistic, **query):
        key = _seconds(one["window_start"])
        newest[key] = max(newest.get(key, (-1, 0)), (one["revision"], one["value"]))
    return {start: value for start, (_, value) in newest.items() if value is not None}


def _seconds(text):
    return int(datetime.fromisoformat(text).timestamp())
