"""Alerting on the real broker with a real registry; statistics are written by hand."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from kedge import alerting, policies
from kedge.alerting import Alerting
from kedge.contracts import Topics, columns_of, decode, encode
from kedge.profile import reference_of
from kedge.registry import Registry
from kedge.rollback import ACTOR
from kedge.settings import Settings
from kedge.streams import Incoming
from kedge.streams.clients import consumer
from services import committed, eventually, produce, running
from statistic_records import MINUTE, increase, window

POLICY = """
model = "flights"
[[rules]]
name = "an input goes missing"
statistic = "missing_increase"
above = 0.1
severity = "critical"
action = "rollback"
"""
HEALTHY, BAD = 0.01, 0.5
COLUMNS = ("dep_delay", "wind")


@pytest.fixture
def with_policy(make_settings, tmp_path):
    def make(text=POLICY, **sections):
        file = tmp_path / "policy.toml"
        file.write_text(text)
        return make_settings(alerting={"policy": file}, **sections)

    return make


@pytest.fixture
def settings(with_policy):
    return with_policy()


@pytest.fixture
def registry(settings, tmp_path):
    """Two releases of one model with two code versions; production was moved to the second."""
    artifact = tmp_path / "model.bin"
    artifact.write_bytes(b"weights")
    reference = reference_of(columns_of([{"dep_delay": 1.0, "wind": 2.0}] * 10, "feature"))
    with Registry.open(settings) as registry:
        version = registry.register_model("flights", artifact, reference, actor="test")
        for generation, commit in enumerate(("a" * 40, "b" * 40)):
            code = registry.register_code("flights", commit=commit, actor="test")
            release = registry.create_release("flights", version.id, code.id, actor="test")
            registry.move_alias(
                "flights",
                "production",
                release.number,
                expected_generation=generation,
                actor="test",
                reason="deployed",
            )
        yield registry


def _window(release, minute, value):
    return window(release, minute, *(increase(value, column) for column in COLUMNS))


INCIDENT = [_window(1, 0, HEALTHY), _window(2, 1, BAD), _window(2, 2, BAD)]
RECOVERY = [_window(1, 2, HEALTHY), _window(1, 3, HEALTHY)]


def _publish(settings, records):
    values = [encode("statistic", record) for record in records]
    produce(settings.kafka, Topics(settings.topic_prefix).statistics, values, b"flights")


def _alerts(settings):
    values = committed(settings.kafka, Topics(settings.topic_prefix).alerts)
    return [decode(value, "alert")[1] for value in values]


def _told(alerts):
    return [(alert["status"], alert["release"], alert["column"]) for alert in alerts]


ROLLED_BACK = [("firing", 2, column) for column in COLUMNS]
RECOVERED = [("resolved", 2, column) for column in COLUMNS]


def _moves(registry):
    return [
        (move.from_release, move.to_release, move.actor)
        for move in registry.history("flights", "production")[2:]
    ]


def test_a_bad_release_is_rolled_back_once_and_its_alerts_are_resolved(settings, registry):
    with running(alerting.run, settings=settings):
        _publish(settings, INCIDENT)
        first, second = eventually(lambda: _alerts(settings), lambda found: len(found) == 2)
        assert _told([first, second]) == ROLLED_BACK
        assert _moves(registry) == [(2, 1, ACTOR)]
        _publish(settings, RECOVERY)
        alerts = eventually(lambda: _alerts(settings), lambda found: len(found) == 4)
    assert _told(alerts) == ROLLED_BACK + RECOVERED
    assert _moves(registry) == [(2, 1, ACTOR)]

    move = registry.alias("flights", "production")
    assert move.incident == first["incident"]
    assert move.reason.startswith(
        "an input goes missing: the code is to blame, and release 1 keeps the model; "
        "missing_increase of feature dep_delay was 0.01"
    )
    assert {alert["verdict"]["blame"] for alert in alerts} == {"code"}
    for alert in alerts:
        decision = alert["decision"]
        assert (decision["action"], decision["from_release"]) == ("rolled_back", 2)
        assert (decision["to_release"], decision["generation"]) == (1, move.generation)
    assert second["decision"]["reason"] == (
        f"already rolled back to release 1 for incident {first['incident']}"
    )
    assert (first["value"], first["rows"], first["severity"]) == (BAD, 1000, "critical")
    assert first["code_version"] == "cv2"
    assert [(e["release"], e["value"]) for e in first["evidence"]] == [(2, BAD), (1, HEALTHY)]


def test_a_restart_between_any_two_windows_changes_nothing(settings, registry):
    for count, record in enumerate(INCIDENT + RECOVERY, 1):
        with running(alerting.run, settings=settings):
            _publish(settings, [record])
            eventually(lambda: _consumed(settings), lambda done, n=count: done >= n)
    assert _told(_alerts(settings)) == ROLLED_BACK + RECOVERED
    assert _moves(registry) == [(2, 1, ACTOR)]


def _consumed(settings):
    """How many statistics the service has committed as processed."""
    client = consumer(settings.kafka, f"{settings.topic_prefix}.alerting")
    try:
        topic = Topics(settings.topic_prefix).statistics
        found = client.committed([TopicPartition(topic, n) for n in range(2)], timeout=30)
        return sum(max(0, each.offset) for each in found)
    finally:
        client.close()


# A process that is killed by the kernel at the worst moment: the alias is moved, and nothing of
# it is in Kafka yet.
KILLED_AFTER_THE_MOVE = """
import os, signal, threading
from kedge import alerting
from kedge.registry import Registry
from kedge.settings import Settings

move_alias = Registry.move_alias

def move_and_die(*args, **kwargs):
    move_alias(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

Registry.move_alias = move_and_die
alerting.run(Settings(), threading.Event())
"""


def test_killed_between_the_move_and_the_commit_it_rolls_back_once(settings, registry):
    _publish(settings, INCIDENT)
    environment = os.environ | {
        "KEDGE_HOME": str(settings.home),
        "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
        "KEDGE_ALERTING__POLICY": str(settings.alerting.policy),
        "KEDGE_STREAM__PARTITIONS": "2",
        "KEDGE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka["bootstrap.servers"],
        "PYTHONPATH": str(Path(alerting.__file__).parents[1]),
    }
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_THE_MOVE], env=environment, check=False, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    assert _moves(registry) == [(2, 1, ACTOR)]
    assert _alerts(settings) == []
    with running(alerting.run, settings=settings):
        alerts = eventually(lambda: _alerts(settings), lambda found: len(found) == 2)
    assert _told(alerts) == ROLLED_BACK
    assert _moves(registry) == [(2, 1, ACTOR)]
    move = registry.alias("flights", "production")
    assert alerts[0]["incident"] == move.incident
    assert {alert["decision"]["generation"] for alert in alerts} == {move.generation}


def test_a_locked_registry_is_waited_for(settings, registry, monkeypatch):
    # Reading goes on in WAL mode; the move waits for the lock, for as long as the URL says.
    impatient = Settings(
        **settings.model_dump(exclude={"registry"}),
        registry={"url": f"{settings.registry_url}?timeout=0.05"},
    )
    tried = []
    wait = Registry.move_alias

    def counted(*args, **kwargs):
        tried.append(kwargs["incident"])
        return wait(*args, **kwargs)

    monkeypatch.setattr(Registry, "move_alias", counted)
    lock = sqlite3.connect(settings.home / "registry.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        with running(alerting.run, settings=impatient):
            _publish(settings, INCIDENT)
            eventually(lambda: len(tried), lambda count: count >= 2)
            assert _alerts(settings) == []
            assert len(set(tried)) == 1
            lock.execute("ROLLBACK")
            alerts = eventually(lambda: _alerts(settings), lambda found: len(found) == 2)
    finally:
        lock.close()
    assert _told(alerts) == ROLLED_BACK
    assert _moves(registry) == [(2, 1, ACTOR)]


def _incoming(record, offset):
    value = record if isinstance(record, bytes) else encode("statistic", record)
    return Incoming("statistics", 0, offset, 0, b"flights", value)


def _processed(settings, registry, records):
    topics = Topics(settings.topic_prefix)
    service = Alerting(
        policies.configured(settings), registry, topics, settings.kafka, base_window=MINUTE
    )
    service.assigned(0)
    outputs = service.process([_incoming(record, n) for n, record in enumerate(records)])
    return [decode(o.value, "alert")[1] for o in outputs if o.topic == topics.alerts]


class Raced(Registry):
    """A registry in which a person moves the alias just after its history was read."""

    def history(self, model, alias):
        before = super().history(model, alias)
        self.move_alias(
            model,
            alias,
            2,
            expected_generation=before[-1].generation,
            actor="a person",
            reason="quicker",
        )
        return before


def test_a_move_by_somebody_else_meanwhile_is_respected(settings, registry):
    with Raced.open(settings) as raced:
        alerts = _processed(settings, raced, INCIDENT[:2])
    assert [alert["decision"]["action"] for alert in alerts] == ["deferred", "deferred"]
    assert "a person moved it" in alerts[0]["decision"]["reason"]
    assert {actor for _, _, actor in _moves(registry)} == {"a person"}
    assert registry.refusals("flights", "production") == []


def _move_by_hand(registry, alias, to_release, generation):
    registry.move_alias(
        "flights",
        alias,
        to_release,
        expected_generation=generation,
        actor="a person",
        reason="",
    )


def test_an_alias_that_comes_to_the_sick_release_goes_back_as_long_as_the_alert_is_on(
    settings, registry
):
    # Release 2 serves as a canary only, and somebody promotes it although it is sick.
    _move_by_hand(registry, "production", 1, 2)
    topics = Topics(settings.topic_prefix)
    service = Alerting(
        policies.configured(settings), registry, topics, settings.kafka, base_window=MINUTE
    )
    service.assigned(0)

    def told(records):
        outputs = service.process([_incoming(record, n) for n, record in enumerate(records)])
        alerts = [decode(o.value, "alert")[1] for o in outputs if o.topic == topics.alerts]
        return [(a["column"], a["decision"]["action"]) for a in alerts]

    assert told(INCIDENT) == [(column, "deferred") for column in COLUMNS]
    assert told([_window(2, 3, BAD)]) == []
    _move_by_hand(registry, "production", 2, 3)
    assert told([_window(2, 4, BAD)]) == [(column, "rolled_back") for column in COLUMNS]
    assert _moves(registry)[-1] == (2, 1, ACTOR)


def test_what_was_refused_once_is_not_done_by_who_was_paused_meanwhile(with_policy, registry):
    settings = with_policy('alias = "live"\n' + POLICY)

    class Paused(Registry):
        """It reads after a successor has decided, and a person has made the alias meanwhile."""

        def history(self, model, alias):
            if not self.successors:
                self.successors = _processed(settings, registry, INCIDENT)
                _move_by_hand(registry, "live", 1, 0)
                _move_by_hand(registry, "live", 2, 1)
            return super().history(model, alias)

        successors = ()

    with Paused.open(settings) as paused:
        alerts = _processed(settings, paused, INCIDENT)
    told = [alert["decision"] | {"decided_at": None} for alert in paused.successors]
    assert [alert["decision"] | {"decided_at": None} for alert in alerts] == told
    assert {decision["action"] for decision in told} == {"refused"}
    assert {each.actor for each in registry.history("flights", "live")} == {"a person"}
    refused = {each.incident: each.reason for each in registry.refusals("flights", "live")}
    assert refused == {alert["incident"]: alert["decision"]["reason"] for alert in alerts}


def test_what_another_rollback_answers_is_not_done_by_who_was_paused_meanwhile(settings, registry):
    told = _processed(settings, registry, INCIDENT)
    move = registry.alias("flights", "production")
    registry.move_alias(
        "flights",
        "production",
        2,
        expected_generation=move.generation,
        actor="a person",
        reason="mended",
    )
    again = _processed(settings, registry, INCIDENT)
    assert {alert["decision"]["generation"] for alert in told + again} == {move.generation}
    assert again[1]["decision"]["reason"] == told[1]["decision"]["reason"]
    (answered,) = registry.refusals("flights", "production")
    assert (answered.incident, answered.generation) == (told[1]["incident"], move.generation)
    assert _moves(registry) == [(2, 1, ACTOR), (1, 2, "a person")]


def test_a_dry_run_moves_nothing(with_policy, registry):
    settings = with_policy(POLICY + '[rollback]\nmode = "dry-run"\n')
    alerts = _processed(settings, registry, INCIDENT)
    assert _told(alerts) == ROLLED_BACK
    for alert in alerts:
        decision = alert["decision"]
        assert (decision["action"], decision["to_release"]) == ("refused", None)
        assert "would have moved production from release 2 to 1" in decision["reason"]
    assert _moves(registry) == []
    assert registry.refusals("flights", "production") == []


def test_a_model_that_is_not_in_the_registry_is_alerted_on(settings):
    with Registry.open(settings) as empty:
        alerts = _processed(settings, empty, INCIDENT)
    assert _told(alerts) == ROLLED_BACK
    assert "there is no model `flights`" in alerts[0]["decision"]["reason"]


def test_a_rule_that_only_notifies_decides_nothing(with_policy, registry):
    settings = with_policy(POLICY.replace("rollback", "notify"))
    assert [alert["decision"] for alert in _processed(settings, registry, INCIDENT)] == [None, None]
    assert _moves(registry) == []


def test_models_without_a_policy_are_left_alone(settings, registry):
    other = [window(1, 0, increase(BAD), model="another model")]
    assert _processed(settings, registry, other) == []


def test_garbage_among_the_statistics_is_set_aside(settings, registry):
    topics = Topics(settings.topic_prefix)
    _publish(settings, INCIDENT[:1])
    produce(settings.kafka, topics.statistics, [b"garbage"], b"flights")
    _publish(settings, INCIDENT[1:])
    with running(alerting.run, settings=settings):
        alerts = eventually(lambda: _alerts(settings), lambda found: len(found) == 2)
        (letter,) = eventually(lambda: committed(settings.kafka, topics.deadletter), len)
    assert _told(alerts) == ROLLED_BACK
    assert decode(letter, "dead_letter")[1]["reason"] == "unreadable"
    assert _moves(registry) == [(2, 1, ACTOR)]


def test_what_is_put_off_is_decided_with_a_later_window(with_policy, registry):
    # Nothing is known of release 1 when release 2 is found sick: its windows come late.
    settings = with_policy()
    late = [_window(1, 0, HEALTHY), _window(2, 3, BAD)]
    alerts = _processed(settings, registry, [*INCIDENT[1:], *late])
    told = [(a["column"], a["decision"]["action"], a["verdict"]["blame"]) for a in alerts]
    assert told == [
        ("dep_delay", "deferred", "unclear"),
        ("wind", "deferred", "unclear"),
        ("dep_delay", "rolled_back", "code"),
        ("wind", "rolled_back", "code"),
    ]
    assert {alert["status"] for alert in alerts} == {"firing"}
    assert len({alert["id"] for alert in alerts}) == len(alerts)
    assert _moves(registry) == [(2, 1, ACTOR)]
    # What is put off is no decision yet; the second incident was answered by the first one's move.
    assert len(registry.refusals("flights", "production")) == 1


def test_what_ends_before_it_is_decided_moves_nothing_any_more(settings, registry):
    ended = [*INCIDENT[1:], _window(2, 3, HEALTHY)]
    alerts = _processed(settings, registry, ended)
    assert [alert["decision"]["action"] for alert in alerts] == ["deferred"] * 2 + ["refused"] * 2
    assert [alert["status"] for alert in alerts] == ["firing"] * 2 + ["resolved"] * 2
    assert {each.reason for each in registry.refusals("flights", "production")} == {
        "it ended before it could be decided on"
    }
