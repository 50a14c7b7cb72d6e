"""Versions from, and aliases to, a real MLflow server."""

import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, Schema

from kedge.contracts import columns_of
from kedge.errors import KedgeError
from kedge.profile import reference_of
from kedge.registry import Registry
from kedge.registry.mlflow import Mirror, adopt, run
from kedge.registry.mlflow.versions import VERSION_TAG
from kedge.registry.outbox import publish_pending
from kedge.settings import Settings
from services import PATIENCE, eventually, running

REFERENCE = reference_of(
    columns_of([{"distance": float(x), "carrier": "UA"} for x in range(20)], "feature")
)


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """Address of a server of our own."""
    home = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    stores = ["--backend-store-uri", f"sqlite:///{home}/mlflow.db"]
    stores += ["--artifacts-destination", str(home / "artifacts")]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, *stores],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )
    try:
        # It makes a database of its own at first, which takes long where the cores are busy.
        eventually(lambda: _answers(address), bool, 3 * PATIENCE)
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait(PATIENCE)


def _answers(address):
    try:
        with urllib.request.urlopen(f"{address}/health") as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def client(uri):
    return MlflowClient(uri, uri)


@pytest.fixture
def name(client):
    """A registered model of its own."""
    name = f"flights-{time.time_ns()}"
    client.create_registered_model(name)
    return name


def _logged(client, name, folder, inputs=("distance", "carrier"), weights="{}"):
    """A model with a signature, as one version more; its number."""
    folder.mkdir(exist_ok=True)
    columns = [ColSpec("double" if each == "distance" else "string", each) for each in inputs]
    Model(signature=ModelSignature(inputs=Schema(columns))).save(str(folder / "MLmodel"))
    (folder / "model.json").write_text(weights)
    run = client.create_run("0")
    client.log_artifacts(run.info.run_id, str(folder), "model")
    source = f"{run.info.artifact_uri}/model"
    return str(client.create_model_version(name, source, run.info.run_id).version)


def test_a_version_of_mlflow_is_adopted_once_with_its_artifact(client, name, tmp_path):
    number = _logged(client, name, tmp_path / "model", weights='{"w": 1}')
    client.set_registered_model_alias(name, "champion", number)
    with Registry.open(Settings(home=tmp_path / "home")) as registry:
        first = adopt(registry, client, name, number, REFERENCE, actor="test", model="flights")
        again = adopt(registry, client, name, "@champion", REFERENCE, actor="test", model="flights")
        assert again.id == first.id
        artifact = registry.artifact(first.id)
        assert (artifact / "model.json").read_text() == '{"w": 1}'
        assert (artifact / "MLmodel").read_bytes() == (tmp_path / "model/MLmodel").read_bytes()
        assert [each.id for each in registry.model_versions("flights")] == [first.id]
    assert client.get_model_version(name, number).tags[VERSION_TAG] == first.id


def test_what_can_not_be_adopted_is_told(client, name, tmp_path):
    number = _logged(client, name, tmp_path / "model", ("distance", "wind"))
    with Registry.open(Settings(home=tmp_path / "home")) as registry:
        with pytest.raises(KedgeError, match="needs wind, and the reference has no such"):
            adopt(registry, client, name, number, REFERENCE, actor="test")
        with pytest.raises(KedgeError, match="99"):
            adopt(registry, client, name, "99", REFERENCE, actor="test")
        assert registry.models() == []


def _tagged(client, name, tmp_path, ids):
    """A version in MLflow for each id in Kedge; the numbers by id."""
    numbers = {each: _logged(client, name, tmp_path / each, weights=each) for each in ids}
    for each, number in numbers.items():
        client.set_model_version_tag(name, number, VERSION_TAG, each)
    return numbers


def _shown(client, model_version, generation):
    try:
        return Mirror(client).show(model_version, "production", generation)
    except MlflowException:
        return None


@pytest.mark.parametrize("seed", range(5))
def test_the_newest_move_is_shown_in_whatever_order_and_by_how_many(client, name, tmp_path, seed):
    dice = random.Random(seed)
    ids = [f"{name}-{letter}" for letter in "abc"]
    numbers = _tagged(client, name, tmp_path, ids)
    moves = [(dice.choice(ids), generation) for generation in range(1, 9)]
    told = [*dice.choices(moves, k=12), moves[-1]]
    dice.shuffle(told)

    def tell(mine):
        for model_version, generation in mine:
            # Of two writers at once the server refuses one now and then; `run` tries again too.
            eventually(lambda: _shown(client, model_version, generation), bool)  # noqa: B023

    threads = [threading.Thread(target=tell, args=(told[i::3],)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    shown = client.get_model_version_by_alias(name, "production").version
    assert str(shown) == numbers[moves[-1][0]]


def test_who_moved_an_alias_past_kedge_is_overruled_and_that_is_told(client, name, tmp_path):
    ids = [f"{name}-{letter}" for letter in "ab"]
    numbers = _tagged(client, name, tmp_path, ids)
    other = _logged(client, name, tmp_path / "other", weights="other")
    mirror = Mirror(client)
    assert mirror.show(ids[0], "production", 1).overruled is None
    client.set_registered_model_alias(name, "production", other)
    mirrored = mirror.show(ids[1], "production", 2)
    assert (mirrored.version, mirrored.overruled) == (numbers[ids[1]], other)
    assert mirror.show("not-mlflows", "production", 3) is None


def test_moves_in_kedge_reach_mlflow(client, name, uri, make_settings, tmp_path):
    settings = make_settings(mlflow={"uri": uri, "poll": 0.1})
    shown = lambda: client.get_registered_model(name).aliases.get("production")  # noqa: E731
    with Registry.open(settings) as registry:
        for version in ("1", "2"):
            assert _logged(client, name, tmp_path / version, weights=version) == version
            found = adopt(registry, client, name, version, REFERENCE, actor="test")
            code = registry.register_code(name, commit=version * 40, actor="test")
            registry.create_release(name, found.id, code.id, actor="test")
        with running(run, settings=settings):
            for generation, release in enumerate((1, 2, 1)):
                registry.move_alias(
                    *(name, "production", release),
                    expected_generation=generation,
                    actor="test",
                    reason="as it pleases",
                )
                publish_pending(settings)
                eventually(shown, lambda version, wanted=release: str(version) == str(wanted))
    tags = client.get_registered_model(name).tags
    history = [tags[f"kedge.alias.production.{generation}"] for generation in (1, 2, 3)]
    assert history == ["1", "2", "1"]
