"""The inference server as a process: what it answers, what it logs, how it swaps."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter

import httpx
import pytest

from kedge.contracts import Topics, columns_of, decode_predictions
from kedge.profile import reference_of
from kedge.registry import Registry, outbox
from services import PATIENCE, committed, eventually, running

CODE = """
import helper

def load(artifact):
    return float(artifact.read_text())

def prepare(instance):
    if instance.get("x") is None:
        return {"x": 0.0}, ["x"]
    return dict(instance)

def predict(model, rows):
    if any(row["x"] == "broken" for row in rows):
        raise ArithmeticError("no number")
    return [row["x"] + model + helper.SHIFT for row in rows]
"""


def _bundle(folder, shift):
    folder.mkdir()
    (folder / "inference.py").write_text(CODE)
    (folder / "helper.py").write_text(f"SHIFT = {shift}")
    return folder


@pytest.fixture
def releases(settings, tmp_path):
    """Three releases of one model whose code adds 100, 200 or, for the third, does not load."""
    artifact = tmp_path / "model"
    artifact.write_text("0.5")
    reference = reference_of(
        [
            *columns_of([{"x": float(i)} for i in range(20)], "feature"),
            *columns_of([{"output": float(i)} for i in range(20)], "output"),
        ]
    )
    with Registry.open(settings) as registry:
        version = registry.register_model("adder", artifact, reference, actor="test")
        for name, shift in (("one", "100"), ("two", "200"), ("broken", "1 / 0")):
            code = registry.register_code("adder", _bundle(tmp_path / name, shift), actor="test")
            registry.create_release("adder", version.id, code.id, actor="test")
        registry.move_alias(
            "adder", "production", 1, expected_generation=0, actor="test", reason=""
        )
        yield registry


@pytest.fixture
def server(settings, releases):  # noqa: ARG001 - there has to be one
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **os.environ,
        "KEDGE_HOME": str(settings.home),
        "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
        "KEDGE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka["bootstrap.servers"],
    }
    with running(outbox.run, settings=settings):
        process = subprocess.Popen(
            [sys.executable, "-m", "kedge", "serve", "adder", "--port", str(port)],
            env=env,
            stderr=subprocess.DEVNULL,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                eventually(lambda: _status(client), lambda status: status == 200)
                yield client, process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _status(client):
    try:
        return client.get("/health").status_code
    except httpx.TransportError:
        return None


def _move(registry, to):
    generation = registry.alias("adder", "production").generation
    registry.move_alias(
        "adder", "production", to, expected_generation=generation, actor="test", reason=""
    )


def _logged(settings):
    batches = [
        decode_predictions(value)
        for value in committed(
            settings.kafka, Topics(settings.topic_prefix).predictions, settings.stream.partitions
        )
    ]
    return {
        name: (batch.tags.release, row) for batch in batches for row, name in enumerate(batch.ids)
    }, batches


def test_swaps_drop_no_request_and_every_answer_is_logged_as_of_its_release(
    settings, server, releases
):
    client, process = server
    answers, failures, done = [], [], threading.Event()

    def ask():
        with httpx.Client(base_url=client.base_url, timeout=30) as mine:
            while not done.is_set():
                answer = mine.post("/predict", json={"instances": [{"x": 1.0}, {"x": None}]})
                (answers if answer.is_success else failures).append(answer.json())

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for to in (2, 1, 2):
        _move(releases, to)
        eventually(lambda: client.get("/release").json()["release"], lambda n, to=to: n == to)
    done.set()
    for asker in askers:
        asker.join(PATIENCE)
    assert failures == []
    assert {answer["release"] for answer in answers} == {1, 2}
    for answer in answers:
        shift = 100 * answer["release"] + 0.5
        assert answer["outputs"] == [1.0 + shift, shift]

    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    logged, batches = _logged(settings)
    assert Counter(logged.keys()) == Counter(name for a in answers for name in a["ids"])
    for answer in answers:
        assert {logged[name][0] for name in answer["ids"]} == {answer["release"]}
    imputed = sum(int((column.states == 3).sum()) for batch in batches for column in batch.columns)
    assert imputed == len(answers)


def test_a_release_that_does_not_load_is_told_and_the_old_one_serves_on(server, releases):
    client, _ = server
    _move(releases, 3)
    answer = eventually(lambda: client.get("/health"), lambda answer: answer.status_code == 503)
    assert "release 3 can't be loaded" in answer.json()["detail"]
    assert "ZeroDivisionError" in answer.json()["detail"]
    assert client.post("/predict", json={"instances": [{"x": 1}]}).json()["release"] == 1
    _move(releases, 2)
    eventually(lambda: _status(client), lambda status: status == 200)
    assert client.get("/release").json()["release"] == 2


def test_what_the_code_raises_is_answered_and_logged(settings, server):
    client, process = server
    broken = client.post("/predict", json={"instances": [{"x": "broken"}, {"x": 1.0}]})
    assert broken.status_code == 500
    assert "ArithmeticError" in broken.json()["detail"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    _, batches = _logged(settings)
    errors = [error for batch in batches for error in batch.errors.values()]
    assert errors == ["ArithmeticError"] * 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"instances": []}, "at least 1 item"),
        ({"instances": [{"x": 1}], "ids": ["a", "b"]}, "2 ids for 1 instances"),
        ({"instances": [{"x": 1}], "event_times": ["2013-01-01T00:00:00"]}, "timezone"),
        ({"rows": []}, "Extra inputs"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(server, body, says):
    client, _ = server
    answer = client.post("/predict", json=body)
    assert answer.status_code == 422
    assert says in answer.text
