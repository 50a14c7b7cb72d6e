import pytest

from arrivals import RELEASE
from kedge import KedgeError, LiveRelease, PredictionLogger, follow
from kedge.contracts import Topics

KAFKA = {"bootstrap.servers": "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        (RELEASE, {"kafka": {}}, "KEDGE_KAFKA__BOOTSTRAP_SERVERS=host:port"),
        (RELEASE, {"kafka": KAFKA | {"no.such.option": "1"}}, "no.such.option"),
        (RELEASE, {"kafka": KAFKA | {"acks": "some"}}, "acks"),
        (RELEASE, {"kafka": KAFKA | {"message.max.bytes": "large"}}, "large"),
        (RELEASE, {"topic_prefix": "a b"}, "topic prefix 'a b'"),
        (RELEASE, {"environment": ""}, "environment is ''"),
        (RELEASE, {"queue_events": 0}, "queue_events is 0"),
        (RELEASE, {"batch_rows": 1.5}, r"batch_rows is 1\.5"),
        (RELEASE, {"linger": -1}, "linger is -1"),
        (RELEASE, {"exit_timeout": float("nan")}, "exit_timeout is nan"),
        ("flights", {}, "source of releases is a str"),
        (LiveRelease("flights", "three", "m", "c"), {}, "can't be written"),
        (LiveRelease("flights", 3, None, "c"), {}, "can't be written"),
    ],
)
def test_wrong_configuration_is_refused_at_once(source, options, says):
    with pytest.raises(KedgeError, match=says):
        PredictionLogger(source, **({"kafka": KAFKA} | options))


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("",), {}, "model is ''"),
        (("flights", None), {}, "alias is None"),
        (("flights",), {"kafka": {}}, "no broker is named"),
        (("flights",), {"kafka": KAFKA | {"no.such.option": "1"}}, "no.such.option"),
        (("flights",), {"topic_prefix": ""}, "topic prefix ''"),
    ],
)
def test_what_can_not_be_followed_is_refused_at_once(arguments, options, says):
    with pytest.raises(KedgeError, match=says):
        follow(*arguments, **({"kafka": KAFKA} | options))


def test_the_environment_configures(monkeypatch, settings, arrived):
    monkeypatch.setenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", settings.kafka["bootstrap.servers"])
    monkeypatch.setenv("KEDGE_TOPIC_PREFIX", settings.topic_prefix)
    monkeypatch.setenv("KEDGE_ENVIRONMENT", "shadow")
    predictions = arrived(Topics(settings.topic_prefix).predictions)
    with PredictionLogger(RELEASE) as log:
        name = log.prediction({}, 1)
    assert predictions.rows()[name]["tags"] == RELEASE.tags("shadow")
