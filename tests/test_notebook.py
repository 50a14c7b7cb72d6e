"""The verbs as a notebook has them: models in memory, frames, and what the shell says to it."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import kedge
from artifacts import written
from kedge.registry import Registry, SignatureError, StaleAliasError, UnsafeArtifactError
from kedge.settings import Settings

ROWS = [
    {"distance": 100.0, "wind_speed": 3.0, "month": 1.0, "size": "S", "late": True},
    {"distance": 200.0, "wind_speed": None, "month": 2.0, "size": "L", "late": False},
    {"distance": 300.0, "wind_speed": 5.0, "month": 3.0, "size": "M", "late": True},
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KEDGE_CONFIG", str(tmp_path / "kedge.toml"))
    monkeypatch.setenv("KEDGE_ACTOR", "ann")
    return tmp_path


def register(model, reference=COLUMNS, **options):
    options = {"outputs": ["late"], "ignored": ["size"], **options}
    return kedge.register(model, name="flights", reference=reference, **options)


@pytest.mark.parametrize(
    "frame",
    [
        lambda: ROWS,
        lambda: pd.DataFrame(COLUMNS),
        lambda: pl.DataFrame(COLUMNS),
        lambda: pa.table(COLUMNS),
    ],
    ids=["rows", "pandas", "polars", "pyarrow"],
)
def test_one_reference_from_any_frame(home, frame):
    model = home / "model.json"
    model.write_text("{}")
    table = home / "train.parquet"
    pd.DataFrame(COLUMNS).to_parquet(table)
    version = register(model, frame())
    assert register(model, table).id == version.id
    assert version.actor == "ann"
    assert [(spec.role, spec.name, spec.type) for spec in version.signature] == [
        ("feature", "distance", "numeric"),
        ("feature", "wind_speed", "numeric"),
        ("feature", "month", "numeric"),
        ("output", "late", "boolean"),
    ]


@pytest.mark.parametrize(
    ("model", "format_"),
    [
        (lambda: written.booster_of_lightgbm(written.FEATURES), "lightgbm"),
        (lambda: written.booster_of_xgboost(written.FEATURES), "xgboost"),
        (lambda: written.graph_of_onnx(written.FEATURES), "onnx"),
        (lambda: {"weights": np.arange(6.0)}, "safetensors"),
    ],
    ids=["lightgbm", "xgboost", "onnx", "arrays"],
)
def test_a_model_in_memory_is_saved_in_its_safe_format_the_same_each_time(model, format_):
    version = register(model())
    assert version.format == format_
    assert register(model()).id == version.id


def test_a_model_of_scikit_learn_is_registered_and_loaded_without_pickle():
    model = written.classifier()
    version = register(model)
    assert version.format == "skops"
    with Registry.open(Settings()) as registry:
        loaded = kedge.load_model(registry.artifact(version.id))
    rows, _ = written.training()
    assert np.array_equal(loaded.predict_proba(rows), model.predict_proba(rows))


def test_the_whole_way(home):
    model, code = home / "model.json", home / "inference.py"
    model.write_text("{}")
    version = register(model)
    releases = []
    for fix in (1, 2):
        code.write_text(f"FIX = {fix}\n")
        releases.append(kedge.release("flights", version, code, reason=f"fix {fix}"))
    assert [release.model_version for release in releases] == [version.id] * 2
    assert kedge.release("flights", version.id[:8], releases[0].code_version[:8]).number == 3

    assert kedge.promote("flights", releases[0], reason="first").generation == 1
    with pytest.raises(StaleAliasError):
        kedge.promote("flights", 2, expected_generation=0)
    assert kedge.promote("flights", 2).from_release == 1
    back = kedge.roll_back("flights", reason="worse")
    assert (back.from_release, back.to_release, back.reason, back.actor) == (2, 1, "worse", "ann")
    assert kedge.promote("flights", 2, "canary", share=0.1).share == 0.1


def test_orders_are_kept_in_the_signature(home):
    (home / "model.json").write_text("{}")
    version = register(home / "model.json", ignored=[], orders={"size": ["S", "M", "L"]})
    assert {spec.name: spec.order for spec in version.signature}["size"] == ("S", "M", "L")
    pd.DataFrame(COLUMNS).to_csv(home / "train.csv", index=False)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "kedge", "model", "register", "flights", "model.json"),
            *("--reference", "train.csv", "--output", "late", "--order", "size=S,M,L", "--json"),
        ],
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["id"] == version.id


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"reference": 7}, kedge.KedgeError, "a int makes no reference"),
        ({"reference": [{"x": 1}, {"x": "a"}]}, kedge.KedgeError, "a list makes no reference"),
        ({"outputs": ["lat"]}, kedge.KedgeError, "the reference has no column `lat`"),
        ({"orders": {"siz": ["S"]}}, kedge.KedgeError, "the reference has no column `siz`"),
        ({"orders": {"month": ["1"]}}, kedge.KedgeError, "month` is numeric"),
        ({"model": object()}, kedge.KedgeError, "builtins.object can't be saved here"),
        ({"model": "gone.onnx"}, kedge.KedgeError, "there is no gone.onnx"),
        ({"model": "model.pkl"}, UnsafeArtifactError, "allow_pickle=True"),
        ({"model": written.graph_of_onnx(["a", "b"])}, SignatureError, "takes `a`, `b`"),
    ],
)
def test_what_is_wrong_is_named(home, monkeypatch, given, error, said):
    monkeypatch.chdir(home)
    (home / "model.json").write_text("{}")
    (home / "model.pkl").write_bytes(b"")
    arguments = {"model": "model.json", **given}
    with pytest.raises(error, match=said):
        register(**arguments)


@pytest.mark.parametrize("name", ["register", "release", "promote", "roll_back"])
def test_a_bare_install_says_what_the_verbs_need(home, name):
    (home / "sqlalchemy.py").write_text("raise ModuleNotFoundError('no', name='sqlalchemy')")
    done = subprocess.run(
        [sys.executable, "-c", f"from kedge import KedgeError, follow, load_model, {name}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(home), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"kedge.{name} needs sqlalchemy" in done.stderr
    assert "pip install 'kedge[services]'" in done.stderr


def test_a_notebook_asks_the_archive_of_the_settings(home):
    with kedge.connect() as connection:
        assert connection.sql("SELECT count(*) FROM at_release('flights', 1)").fetchall() == [(0,)]
    assert (home / "home" / "archive" / "predictions").is_dir()
