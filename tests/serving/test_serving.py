"""The inference server as a process: what it answers, what it logs, how it swaps."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import Counter

import httpx
import pytest

from kedge.contracts import Topics, columns_of, decode_predictions
from kedge.profile import reference_of
from kedge.registry import Registry, outbox
from kedge.sdk.split import in_share
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


@pytest.fixture(params=[()], ids=["alone"])
def server(request, settings, releases):  # noqa: ARG001 - there has to be one
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
            [sys.executable, "-m", "kedge", "serve", "adder", "--port", str(port), *request.param],
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


@pytest.mark.parametrize("server", [("--canary", "canary")], ids=["beside"], indirect=True)
def test_a_canary_gets_its_share_and_each_key_stays_on_its_side(settings, server, releases):
    client, process = server

    def move(generation, to, share=None):
        releases.move_alias(
            *("adder", "canary", to),
            expected_generation=generation,
            actor="test",
            reason="",
            share=share,
        )

    def canary():
        return client.get("/health").json()["canary"]

    def ask(key):
        return client.post("/predict", json={"instances": [{"x": 1.0}], "key": key}).json()

    keys = [f"customer {i}" for i in range(40)]
    assert canary() == {"serving": None, "share": 0.0, "failure": None}
    move(0, 2)
    eventually(canary, lambda canary: canary["serving"])
    # It serves, but nobody said for how many.
    assert {ask(key)["release"] for key in keys} == {1}
    move(1, 2, 0.5)
    eventually(canary, lambda canary: canary["share"] == 0.5)
    answers = {key: ask(key) for key in keys * 2}
    expected = {key: 2 if in_share("adder", "canary", key, 0.5) else 1 for key in keys}
    assert set(expected.values()) == {1, 2}
    assert {key: answer["release"] for key, answer in answers.items()} == expected
    assert {answer["outputs"][0] for answer in answers.values()} == {101.5, 201.5}
    # One that does not load is told, and gets nothing.
    move(2, 3)
    eventually(canary, lambda canary: canary["failure"])
    assert "release 3 can't be loaded" in canary()["failure"]
    assert {ask(key)["release"] for key in keys} == {1}

    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    logged, _ = _logged(settings)
    for answer in answers.values():
        assert logged[answer["ids"][0]][0] == answer["release"]
    assert Counter(release for release, _ in logged.values()) == Counter(
        {1: 40 + 40 + 2 * list(expected.values()).count(1), 2: 2 * list(expected.values()).count(2)}
    )


def test_features_that_are_not_of_the_signature_are_counted_and_harm_nothing(server):
    client, _ = server
    told = client.post(
        "/predict", json={"instances": [{"x": 1.0}, {"x": True, "y": 1}, {"x": 2, "y": "a"}]}
    )
    assert told.status_code == 200
    assert client.get("/health").json()["mismatches"] == {
        "unknown": {"y": 2},
        "wrong_type": {"x": 1},
    }


def test_a_pickle_that_nobody_allowed_is_not_loaded(settings, server, releases, tmp_path):
    """As an older Kedge may have registered it."""
    client, _ = server
    artifact = tmp_path / "model.pkl"
    artifact.write_bytes(b"anything")
    first = releases.release("adder", 1)
    known = releases.model_version("adder", first.model_version)
    options = {"actor": "test", "allow_pickle": True}
    version = releases.register_model("adder", artifact, known.reference, **options)
    with sqlite3.connect(settings.home / "registry.db") as database:
        database.execute("DROP TRIGGER pickle_permissions_no_delete")
        database.execute("DELETE FROM pickle_permissions")
    database.close()
    number = releases.create_release("adder", version.id, first.code_version, actor="test").number
    _move(releases, number)
    answer = eventually(lambda: client.get("/health"), lambda answer: answer.status_code == 503)
    assert "content.pkl is a pickle" in answer.json()["detail"]
    assert client.get("/release").json()["release"] == 1
    # Allowed after all, by registering it again.
    releases.register_model("adder", artifact, known.reference, **options)
    _move(releases, number)
    loaded = eventually(
        lambda: client.get("/health"), lambda answer: "is a pickle" not in answer.text
    )
    assert "could not convert string to float" in loaded.text
