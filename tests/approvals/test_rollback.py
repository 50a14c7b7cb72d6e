"""Alerting asks a person before it moves an alias, and goes on from the answer."""

import pytest

from kedge import alerting, policies
from kedge.alerting import Alerting
from kedge.approvals.links import verified
from kedge.clock import microseconds_now
from kedge.contracts import Topics, decode, encode
from kedge.rollback import ACTOR
from kedge.streams import Incoming
from registry.building import released
from services import committed, eventually, produce, running
from statistic_records import MINUTE, increase, window

POLICY = """
model = "m"
[[rules]]
name = "an input goes missing"
statistic = "missing_increase"
above = 0.1
action = "rollback"
[rollback]
mode = "approve"
approve_within_seconds = 600
rehearse = false
"""
SECRET = "0123456789abcdef0123456789abcdef"
HEALTHY, BAD = 0.01, 0.5
COLUMNS = ("dep_delay", "wind")


@pytest.fixture
def settings(make_settings, tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)
    return make_settings(
        alerting={"policy": file},
        approvals={"secret": SECRET, "url": "https://kedge.example.com"},
    )


@pytest.fixture
def registry(settings):
    """Production was moved from release 1 to 2."""
    with released(settings, 2) as registry:
        for generation in (0, 1):
            registry.move_alias(
                "m",
                "production",
                generation + 1,
                expected_generation=generation,
                actor="test",
                reason="deployed",
            )
        yield registry


def _window(release, minute, value, columns=COLUMNS):
    return window(release, minute, *(increase(value, column) for column in columns), model="m")


INCIDENT = [_window(1, 0, HEALTHY), _window(2, 1, BAD), _window(2, 2, BAD)]
RECOVERY = [_window(1, 3, HEALTHY), _window(1, 4, HEALTHY)]


def _publish(settings, records):
    values = [encode("statistic", record) for record in records]
    produce(settings.kafka, Topics(settings.topic_prefix).statistics, values, b"m")


def _alerts(settings):
    values = committed(settings.kafka, Topics(settings.topic_prefix).alerts)
    return [decode(value, "alert")[1] for value in values]


def _told(alerts):
    return [(a["status"], a["column"], a["decision"]["action"]) for a in alerts]


def test_over_kafka_with_a_restart_at_each_step(settings, registry):
    with running(alerting.run, settings=settings):
        _publish(settings, INCIDENT)
        asked = eventually(lambda: _alerts(settings), lambda found: len(found) == 2)
    assert _told(asked) == [("firing", column, "proposed") for column in COLUMNS]
    (proposal,) = registry.proposals.list()
    assert (proposal.actor, proposal.incident) == (ACTOR, asked[0]["incident"])
    assert proposal.expires_at == proposal.proposed_at + 600_000_000
    for alert in asked:
        decision = alert["decision"]
        assert (decision["proposal"], decision["to_release"]) == (proposal.id, None)
        assert "to move production from release 2 to 1" in decision["reason"]
        assert "kedge rollback approve 1 --reason" in decision["reason"]
        for answer in ("approve", "reject"):
            start, token = decision[f"{answer}_url"].rsplit("/", 1)
            assert start == "https://kedge.example.com/approvals"
            link = (proposal.id, answer, proposal.expires_at)
            assert verified(SECRET.encode(), token, 0) == link
    assert registry.live("m", "production").number == 2

    with running(alerting.run, settings=settings):
        _publish(settings, [_window(2, 3, BAD)])  # nobody answered yet: nothing is told
    move = registry.proposals.approve(proposal.id, actor="bob", reason="agreed")
    with running(alerting.run, settings=settings):
        _publish(settings, [_window(1, 4, HEALTHY), _window(1, 5, HEALTHY)])
        alerts = eventually(lambda: _alerts(settings), lambda found: len(found) == 6)
    assert _told(alerts[2:]) == [
        *(("firing", column, "rolled_back") for column in COLUMNS),
        *(("resolved", column, "rolled_back") for column in COLUMNS),
    ]
    for alert in alerts[2:]:
        decision = alert["decision"]
        assert (decision["to_release"], decision["generation"]) == (1, move.generation)
        assert "was approved by bob" in decision["reason"]
        assert decision["approve_url"] is None
    assert alerts[-1]["summary"].startswith("Recovered after the rollback to release 1")
    assert [m.actor for m in registry.history("m", "production")] == ["test", "test", "bob"]


def _service(settings, registry, now=microseconds_now):
    """Give windows to a service, one after the other, and get what it tells."""
    topics = Topics(settings.topic_prefix)
    service = Alerting(
        policies.configured(settings),
        registry,
        topics,
        settings.kafka,
        base_window=MINUTE,
        approvals=settings.approvals.links,
        now=now,
    )
    service.assigned(0)

    def observe(*records):
        batch = [
            Incoming("statistics", 0, n, 0, b"m", encode("statistic", record))
            for n, record in enumerate(records)
        ]
        outputs = service.process(batch)
        return [decode(o.value, "alert")[1] for o in outputs if o.topic == topics.alerts]

    return observe


@pytest.fixture
def observed(settings, registry):
    return _service(settings, registry)


def test_a_rollback_that_was_approved_may_not_help(observed, registry):
    observed(*INCIDENT)
    registry.proposals.approve(1, actor="bob", reason="agreed")
    told = observed(_window(1, 3, BAD, COLUMNS[:1]))
    assert ("firing", "dep_delay", "rolled_back") in _told(told)
    assert any(
        alert["summary"].startswith("The rollback to release 1 did not help") for alert in told
    )


def test_what_serves_beside_is_no_effect_of_what_was_only_proposed(observed, registry):
    observed(*INCIDENT)
    # Too few rows to say anything, but release 2 still serves.
    quiet = window(2, 3, *(increase(BAD, column, rows=10) for column in COLUMNS), model="m")
    assert observed(quiet, _window(1, 3, HEALTHY)) == []
    assert registry.proposals.get(1).state == "pending"


def test_a_release_that_serves_no_more_needs_no_proposal(observed, registry):
    observed(*INCIDENT)
    told = observed(_window(1, 4, HEALTHY))
    assert _told(told) == [("resolved", column, "refused") for column in COLUMNS]
    assert registry.proposals.get(1).state == "withdrawn"


def test_a_rejection_is_told_once_with_its_reason(observed, registry):
    observed(*INCIDENT)
    registry.proposals.reject(1, actor="bob", reason="a fix comes")
    told = observed(_window(2, 3, BAD), _window(2, 4, BAD))
    assert _told(told) == [("firing", column, "refused") for column in COLUMNS]
    for alert in told:
        assert "was rejected by bob" in alert["decision"]["reason"]
        assert alert["decision"]["reason"].endswith(": a fix comes")
    assert len(registry.history("m", "production")) == 2
    assert len(registry.proposals.list()) == 1


def test_a_proposal_that_nobody_answers_expires(settings, registry):
    now = [1_700_000_000_000_000]
    registry._now = lambda: now[0]
    observe = _service(settings, registry, lambda: now[0])
    observe(*INCIDENT)
    now[0] += 600_000_000
    told = observe(_window(2, 3, BAD))
    assert _told(told) == [("firing", column, "refused") for column in COLUMNS]
    assert "answered by nobody until it expired" in told[0]["decision"]["reason"]


def test_an_incident_that_ends_by_itself_withdraws_its_proposal(observed, registry):
    observed(*INCIDENT)
    told = observed(_window(2, 3, HEALTHY))
    assert _told(told) == [("resolved", column, "refused") for column in COLUMNS]
    withdrawn = registry.proposals.get(1)
    assert (withdrawn.state, withdrawn.answered_by) == ("withdrawn", ACTOR)
    assert "withdrawn" in told[0]["decision"]["reason"]


def test_of_columns_that_share_a_proposal_one_that_is_still_sick_proposes_anew(observed, registry):
    observed(*INCIDENT)
    one_is_well = window(2, 3, increase(HEALTHY, "dep_delay"), increase(BAD, "wind"), model="m")
    assert _told(observed(one_is_well)) == [("resolved", "dep_delay", "refused")]
    told = observed(_window(2, 4, BAD, COLUMNS[1:]))
    assert _told(told) == [("firing", "wind", "proposed")]
    first, second = registry.proposals.list()
    assert (first.state, second.state) == ("withdrawn", "pending")
    assert told[0]["decision"]["proposal"] == second.id
    assert second.incident == told[0]["incident"]


def test_a_batch_that_is_taken_again_asks_for_nothing_new(observed, registry, settings):
    first = observed(*INCIDENT)
    again = _service(settings, registry)(*INCIDENT)
    ignored = {"decided_at": 0}
    assert [a["id"] for a in again] == [a["id"] for a in first]
    assert [a["decision"] | ignored for a in again] == [a["decision"] | ignored for a in first]
    registry.proposals.approve(1, actor="bob", reason="agreed")
    after = _service(settings, registry)(*INCIDENT)
    assert {a["decision"]["generation"] for a in after if a["status"] == "firing"} == {3}
    assert len(registry.proposals.list()) == 1
