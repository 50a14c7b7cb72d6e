"""Alerting rehearses a target on the real broker, with real releases, before it moves the alias."""

import json

import numpy as np
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from kedge import alerting, policies
from kedge.alerting import Alerting
from kedge.cli import app
from kedge.contracts import (
    PredictionBatch,
    Tags,
    Topics,
    columns_of,
    decode,
    encode,
    encode_batch,
)
from kedge.errors import KedgeError
from kedge.profile import reference_of
from kedge.registry import Registry
from kedge.rollback import ACTOR
from kedge.streams import Incoming
from services import committed, eventually, produce, running
from statistic_records import MINUTE, statistic, window

POLICY = """
model = "flights"
[[rules]]
name = "no delay comes out"
statistic = "missing_rate"
role = "output"
above = 0.1
action = "rollback"
[rollback]
rehearse_rows = 300
"""
CODE = """
def load(artifact):
    return float(artifact.read_text())

def prepare(instance):
    return instance

def predict(model, rows):
    return [{expression} for row in rows]
"""
EXPRESSIONS = {1: 'row["x"] * model', 2: 'row["km"] * model', 3: "None"}
XS = np.random.default_rng(5).normal(size=300).tolist()


@pytest.fixture
def settings(make_settings, tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)
    return make_settings(alerting={"policy": file})


@pytest.fixture
def registry(settings, tmp_path):
    """Release 1 is right, 2 wants an input that is no more, and 3, which serves, answers null."""
    with Registry.open(settings) as registry:
        _ship(registry, tmp_path, EXPRESSIONS)
        yield registry


def _ship(registry, folder, expressions, shifts=None):
    """Releases, one after the other: of one model, or each of one that had inputs of its own."""
    for number, expression in expressions.items():
        source = folder / str(number)
        source.mkdir()
        shift = 0.0 if shifts is None else shifts[number]
        artifact = source / "model.txt"
        artifact.write_text("2.0" if shifts is None else f"2.{'0' * number}")
        columns = (
            *columns_of([{"x": x + shift} for x in XS], "feature"),
            *columns_of([{"output": 2 * x} for x in XS], "output"),
        )
        version = registry.register_model("flights", artifact, reference_of(columns), actor="test")
        bundle = source / "inference.py"
        bundle.write_text(CODE.format(expression=expression))
        code = registry.register_code("flights", bundle, actor="test")
        registry.create_release("flights", version.id, code.id, actor="test")
        registry.move_alias(
            "flights",
            "production",
            number,
            expected_generation=number - 1,
            actor="test",
            reason="deployed",
        )


def _log_predictions(settings, registry, shift=0.0, since=0):
    release = registry.release("flights", 3)
    batch = PredictionBatch(
        tags=Tags("flights", release.model_version, release.code_version, 3, "production"),
        ids=[f"p{n}" for n in range(len(XS))],
        event_times=since + np.arange(len(XS), dtype=np.int64),
        latencies_ms=np.full(len(XS), np.nan, np.float32),
        columns=(
            *columns_of([{"x": x + shift} for x in XS], "feature"),
            *columns_of([{"output": None} for _ in XS], "output"),
        ),
    )
    produce(settings.kafka, Topics(settings.topic_prefix).predictions, [encode_batch(batch)])


def _missing(value):
    return statistic("missing_rate", value, role="output", column="output")


INCIDENT = [window(number, number, _missing(0.0)) for number in (1, 2)] + [
    window(3, 3, _missing(1.0))
]


def test_the_alias_goes_back_to_the_release_that_can_answer_what_is_asked_now(
    settings, registry, make_settings
):
    topics = Topics(settings.topic_prefix)
    _log_predictions(settings, registry)
    values = [encode("statistic", record) for record in INCIDENT]
    produce(settings.kafka, topics.statistics, values, b"flights")
    with running(alerting.run, settings=settings):
        (value,) = eventually(lambda: committed(settings.kafka, topics.alerts), len)
    decision = decode(value, "alert")[1]["decision"]
    assert (decision["action"], decision["to_release"]) == ("rolled_back", 1)
    move = registry.alias("flights", "production")
    assert (move.actor, move.to_release) == (ACTOR, 1)
    assert (
        "rehearsed: missing_rate of output output is 0 in the rehearsal, not above 0.1; "
        "it raised on 0 of 300 logged inputs" in move.reason
    )

    told, logged = _again(settings, registry, make_settings, values)
    assert [alert["decision"]["generation"] for alert in told] == [move.generation]
    assert "rolled_back" in {each["event"] for each in logged}
    assert "rehearsed" not in {each["event"] for each in logged}


def _again(settings, registry, make_settings, values):
    """What a process tells and logs that comes to the same windows with the state before them."""
    topics = Topics(make_settings().topic_prefix)
    watched = policies.configured(settings)
    service = Alerting(watched, registry, topics, settings.kafka, base_window=MINUTE)
    service.assigned(0)
    with capture_logs() as logged:
        outputs = service.process(
            [Incoming(topics.statistics, 0, n, 0, b"flights", v) for n, v in enumerate(values)]
        )
    told = [decode(o.value, "alert")[1] for o in outputs if o.topic == topics.alerts]
    return told, logged


def test_of_two_that_would_do_the_one_made_for_such_inputs_is_gone_back_to(
    settings, make_settings, tmp_path
):
    topics = Topics(settings.topic_prefix)
    with Registry.open(settings) as registry:
        # Release 2 served last, and was made for other inputs than there are now.
        right = EXPRESSIONS[1]
        _ship(registry, tmp_path, {1: right, 2: right, 3: "None"}, {1: 0.0, 2: 3.0, 3: 0.0})
        _log_predictions(settings, registry)
        values = [encode("statistic", record) for record in INCIDENT]
        produce(settings.kafka, topics.statistics, values, b"flights")
        with running(alerting.run, settings=settings):
            (value,) = eventually(lambda: committed(settings.kafka, topics.alerts), len)
        decision = decode(value, "alert")[1]["decision"]
        assert (decision["action"], decision["to_release"]) == ("rolled_back", 1)
        assert "against its reference: 0 of 1 inputs above a PSI of 0.25" in decision["reason"]
        assert "of release 2 1 of 1 inputs above a PSI of 0.25" in decision["reason"]

        # What is asked has changed since; what was decided has not.
        _log_predictions(settings, registry, shift=3.0, since=1000)
        (told,), logged = _again(settings, registry, make_settings, values)
        assert told["decision"]["to_release"] == 1
        assert told["decision"]["reason"] == decision["reason"]
        assert "rehearsed" not in {each["event"] for each in logged}


def test_by_hand(settings, registry, monkeypatch):
    _log_predictions(settings, registry)
    monkeypatch.setenv("KEDGE_HOME", str(settings.home))
    monkeypatch.setenv("KEDGE_TOPIC_PREFIX", settings.topic_prefix)
    monkeypatch.setenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", settings.kafka["bootstrap.servers"])

    def run(*arguments):
        return CliRunner().invoke(app, ["rehearse", "flights", *arguments])

    well = run("1", "--json")
    assert well.exit_code == 0
    told = json.loads(well.stdout)
    assert (told["ok"], told["rows"], told["inputs_of"]) == (True, 300, 3)
    sick = run("2", "--inputs-of", "3", "--rows", "50")
    assert sick.exit_code == 1
    assert "it raised on 50 of 50 logged inputs (KeyError 50)" in sick.stdout
    unasked = run("1", "--inputs-of", "2")
    assert unasked.exit_code == 3
    assert "it loads, and 0 inputs" in unasked.stdout
    with pytest.raises(KedgeError, match="--seconds: Input should be less than or equal to 60"):
        CliRunner().invoke(
            app, ["rehearse", "flights", "1", "--seconds", "90"], catch_exceptions=False
        )
