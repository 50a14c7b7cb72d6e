import getpass
import json
import os
import pickle
import subprocess
import sys
from fractions import Fraction

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from kedge.cli import app
from kedge.errors import KedgeError
from kedge.registry import Registry
from kedge.settings import Settings
from registry.building import write

TRAINING = """flight_id,distance,carrier,night,late
1,100.5,AA,true,0.1
2,,B6,false,0.9
3,300,,true,0.3
4,400,AA,true,
"""


@pytest.fixture
def kedge(tmp_path, monkeypatch):
    """Run a command line; its output, its data with `--json`, or the error that it ends with."""
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KEDGE_CONFIG", str(tmp_path / "kedge.toml"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if isinstance(result.exception, KedgeError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.output

    return run


@pytest.fixture
def flights(kedge, tmp_path):
    """A model with two releases; what registering gave."""
    model = kedge(
        *("model", "register", "flights", write(tmp_path / "model.json", "{}")),
        *("--reference", write(tmp_path / "train.csv", TRAINING)),
        *("--output", "late", "--ignore", "flight_id", "--actor", "ann", "--json"),
    )
    for fix in (1, 2):
        script = write(tmp_path / f"inference{fix}.py", f"FIX = {fix}")
        code = kedge("code", "register", "flights", script, "--json")
        release = ("release", "create", "flights", model["id"][:8], code["id"][:8])
        kedge(*release, "--reason", f"fix {fix}")
    return model


def test_a_reference_is_built_from_a_table(flights):
    assert flights["rows"] == 4
    assert [
        (column["name"], column["role"], column["type"], column["missing"][1])
        for column in flights["reference"]["columns"]
    ] == [
        ("distance", "feature", "numeric", 1),
        ("carrier", "feature", "categorical", 1),
        ("night", "feature", "boolean", 0),
        ("late", "output", "numeric", 1),
    ]
    distance, carrier, night, _ = flights["reference"]["columns"]
    assert sum(distance["counts"]) == 3
    assert dict(zip(carrier["categories"], carrier["counts"], strict=True)) == {"AA": 2, "B6": 1}
    assert night["counts"] == [1, 3]


def test_parquet_and_csv_make_the_same_version(kedge, flights, tmp_path):
    table = pa.table(
        {
            "distance": pa.array([100.5, None, 300, 400]),
            "carrier": pa.array(["AA", "B6", None, "AA"]).dictionary_encode(),
            "night": [True, False, True, True],
            "late": pa.array([0.1, 0.9, 0.3, None]),
        }
    )
    pa.parquet.write_table(table, tmp_path / "train.parquet")
    again = kedge(
        *("model", "register", "flights", tmp_path / "model.json"),
        *("--reference", tmp_path / "train.parquet", "--output", "late", "--json"),
    )
    assert again == flights
    assert len(kedge("model", "list", "--json")) == 1


def test_texts_that_mean_null_are_named(kedge, tmp_path):
    table = write(tmp_path / "t.csv", 'x,y\nNA,NA\n1,a\n,""\n')

    def columns(*options):
        model = ("model", "register", "m", table, "--reference", table, *options, "--json")
        return [(c["type"], c["missing"][1:4]) for c in kedge(*model)["reference"]["columns"]]

    # Null, NaN, empty.
    assert columns() == [("categorical", [1, 0, 0]), ("categorical", [0, 0, 1])]
    assert columns("--null", "NA") == [("numeric", [2, 0, 0]), ("categorical", [1, 0, 1])]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_truth_is_a_column_that_estimates_are_learnt_from(kedge, tmp_path, suffix):
    # Of ten rows with the same score, as many tens of percent are positive.
    risks = [tenth / 10 for tenth in range(10) for _ in range(10)]
    table = pa.table(
        {
            "x": list(range(100)),
            "other": [1.0] * 100,
            "risk": risks,
            "end": ["bad" if i % 10 < i // 10 else "good" for i in range(100)],
        }
    )
    path = tmp_path / f"validation.{suffix}"
    (pa.csv.write_csv if suffix == "csv" else pa.parquet.write_table)(table, path)
    register = (
        *("model", "register", "loans", write(tmp_path / "model.json", "{}")),
        *("--reference", path, "--output", "other", "--output", "risk", "--json"),
    )
    truth = ("--truth", "end", "--truth-of", "risk", "--positive", "bad", "--threshold", 0.65)
    model = kedge(*register, *truth)
    columns = [(c["name"], c["role"]) for c in model["reference"]["columns"]]
    assert columns == [("x", "feature"), ("other", "output"), ("risk", "output")]
    assert model["reference"]["estimator"]["task"] == {
        "kind": "binary", "output": "risk", "positive": "bad", "threshold": 0.65, "classes": [],
    }  # fmt: skip
    (calibration,) = model["reference"]["estimator"]["calibrations"]
    assert calibration["probabilities"] == calibration["scores"] == sorted(set(risks))
    assert kedge(*register, *truth)["id"] == model["id"]
    without = kedge(*register, "--ignore", "end")
    assert without["id"] != model["id"]
    code = kedge("code", "register", "loans", write(tmp_path / "inference.py", ""), "--json")
    for version in (without, model):
        kedge("release", "create", "loans", version["id"][:8], code["id"][:8])
    assert kedge("release", "diff", "loans", 1, 2, "--json") == [
        {"part": "reference", "what": "estimator of performance", "before": "", "after": "known"}
    ]


def test_the_story_from_the_shell(kedge, flights):
    moved = kedge("alias", "move", "flights", "production", 1, "--reason", "first")
    assert "`production` is at generation 0, not there yet" in moved
    shown = kedge("alias", "show", "flights", "production", "--json")
    assert (shown["generation"], shown["to_release"], shown["actor"]) == (1, 1, getpass.getuser())
    assert shown["release"]["model_version"] == flights["id"]

    move = ("alias", "move", "flights", "production", 2, "--actor", "ann", "--json")
    assert kedge(*move, "--expect", 1)["from_release"] == 1
    with pytest.raises(KedgeError, match="expected at generation 1, but is at generation 2"):
        kedge(*move, "--expect", 1)
    back = ("alias", "move", "flights", "production", 1, "--incident", "i7", "--json")
    assert kedge(*back) == kedge(*back)

    with Registry.open(Settings()) as registry:
        registry.refuse("flights", "production", "i8", actor="alerting", reason="it came later")
    with pytest.raises(KedgeError, match=r"alerting refused.*\(it came later\)"):
        kedge("alias", "move", "flights", "production", 2, "--incident", "i8")
    (refusal,) = kedge("alias", "refusals", "flights", "production", "--json")
    assert (refusal["incident"], refusal["reason"]) == ("i8", "it came later")

    history = kedge("alias", "history", "flights", "production", "--json")
    assert [entry["to_release"] for entry in history] == [1, 2, 1]
    assert [entry["incident"] for entry in history] == [None, None, "i7"]
    assert [entry["generation"] for entry in kedge("alias", "list", "flights", "--json")] == [3]
    assert kedge("release", "show", "flights", 1, "--json")["aliases"] == ["production"]
    assert kedge("release", "show", "flights", 2, "--json")["aliases"] == []
    releases = kedge("release", "list", "flights", "--json")
    assert [release["reason"] for release in releases] == ["fix 1", "fix 2"]
    assert len(kedge("code", "list", "flights", "--json")) == 2


def test_a_pickle_from_the_shell_is_refused_until_it_is_allowed_and_shown(kedge, tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Fraction(1, 3)))
    table = write(tmp_path / "train.csv", TRAINING)
    register = ("model", "register", "m", "model.pkl", "--reference", table, "--actor", "ann")
    with pytest.raises(KedgeError, match=r"model\.pkl is a pickle.*--allow-pickle"):
        kedge(*register)
    kedge(*register, "--allow-pickle")
    shown = kedge("model", "show", "m")
    assert "format             pickle" in shown
    assert "pickle_allowed_by  ann" in shown


def test_the_way_back_a_share_and_what_may_be_deleted(kedge, flights):
    for release in (1, 2):
        kedge("alias", "move", "flights", "production", release)
    back = kedge("alias", "back", "flights", "production", "--reason", "worse", "--json")
    assert (back["to_release"], back["reason"], back["share"]) == (1, "worse", None)
    canary = kedge("alias", "move", "flights", "canary", 2, "--share", 0.25, "--json")
    assert canary["share"] == 0.25

    code = kedge("code", "list", "flights", "--json")[1]["id"]
    kedge("release", "create", "flights", flights["id"], code)
    why = ("--reason", "by mistake", "--actor", "ann", "--json")
    with pytest.raises(KedgeError, match=r"history of `canary` \(generation 1\); .*`production`"):
        kedge("release", "delete", "flights", 2, *why)
    assert kedge("release", "delete", "flights", 3, *why)["subject"] == "3"
    with pytest.raises(KedgeError, match="release 2 pairs it"):
        kedge("code", "delete-version", "flights", code[:8], *why)
    with pytest.raises(KedgeError, match="release 1, 2 pairs it"):
        kedge("model", "delete-version", "flights", flights["id"][:8], *why)
    (gone,) = kedge("model", "deletions", "flights", "--json")
    assert (gone["kind"], gone["reason"], gone["actor"]) == ("releases", "by mistake", "ann")
    collected = ("registry", "collect", "--older-than", 0)
    assert kedge(*collected, "--json") == {"deleted": [], "dry_run": False}
    assert kedge(*collected, "--dry-run").splitlines() == ["0 would go"]


def test_people_read_lines(kedge, flights):
    listed = kedge("model", "list").splitlines()
    assert listed[0].split() == [
        "model", "id", "artifact", "format", "rows", "columns", "created_at", "actor",
    ]  # fmt: skip
    assert listed[1].split()[:2] == ["flights", flights["id"][:12]]
    shown = kedge("model", "show", "flights")
    assert flights["id"] in shown
    assert "feature  distance  numeric" in shown
    assert "25.0%" in shown
    kedge("alias", "move", "flights", "production", 2)
    assert "aliases        production" in kedge("release", "show", "flights", 2)


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("model show flight", "did you mean `flights`"),
        ("model show flights 000000", "the newest: "),
        ("release show flights 9", "it has 1 to 2"),
        ("release create flights 000000 000000", "no model version of `flights`"),
        ("alias show flights production", "there is none yet"),
        ("alias history flights production", "there is none yet"),
        ("alias move flights production 9", "it has 1 to 2"),
        ("alias move flights production 1 --expect 3", "which is generation 0"),
        ("code register flights", "needs a bundle, a commit or both"),
        ("model register flights gone.bin --reference train.csv", "there is no gone.bin"),
        ("model register flights model.json --reference train.csv --order size", "size=S,M,L"),
        ("alias back flights production", "there is none yet"),
        ("model register flights model.json --reference gone.csv", "gone.csv can't be read"),
        ("model register flights model.json --reference model.json", "neither .parquet nor .csv"),
        ("model register flights model.json --reference train.csv --output lat", "has no column"),
        ("model register flights model.json --reference empty.csv", "has no rows"),
        ("model register flights model.json --reference train.csv --truth ok", "no column `ok`"),
        (
            "model register flights model.json --reference train.csv --output late --truth late",
            "`late` can't be both an output and the truth",
        ),
        (
            "model register flights model.json --reference train.csv --output late --truth carrier",
            "the truth is text: say which text is the positive class",
        ),
        (
            "model register flights model.json --reference train.csv --positive AA",
            "about the truth: name its column, --truth",
        ),
        (
            "model register flights model.json --reference train.csv --output late --ignore late",
            "can't be both",
        ),
    ],
)
def test_what_is_wrong_is_named(kedge, tmp_path, arguments, said):
    write(tmp_path / "empty.csv", "a,b\n")
    before = kedge("model", "list", "--json"), kedge("release", "list", "flights", "--json")
    with pytest.raises(KedgeError) as error:
        kedge(*arguments.split())
    assert said in str(error.value)
    after = kedge("model", "list", "--json"), kedge("release", "list", "flights", "--json")
    assert before == after


def test_a_model_that_has_only_code_says_what_it_lacks(kedge, tmp_path):
    kedge("code", "register", "m", write(tmp_path / "i.py", ""))
    with pytest.raises(KedgeError, match="`m` has no model version yet"):
        kedge("model", "show", "m")


def test_the_real_command(tmp_path):
    write(tmp_path / "train.csv", TRAINING)
    write(tmp_path / "model.json", "{}")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "kedge", *arguments],
            cwd=tmp_path,
            env={**os.environ, "KEDGE_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("model", "register", "m", "model.json", "--reference", "train.csv", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["rows"] == 4
    failed = run("release", "list", "n")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error: there is no model `n`; there is `m`.")
