"""Groups of alerts on a virtual clock, against a model that is asked about the whole past."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kedge.policy import Inhibition, Policy, Rule, Webhook
from kedge.webhooks.groups import Groups
from webhook_alerts import DECISION, alert

SECOND = 1_000_000
WAIT, INTERVAL, REPEAT = 3, 10, 25
"""Seconds, and one of them is a tick of the machine's clock."""


def _webhook(name="oncall", **options):
    return Webhook(
        name=name,
        url="https://example.com/",
        group_wait_seconds=float(WAIT),
        group_interval_seconds=float(INTERVAL),
        repeat_interval_seconds=float(REPEAT),
        **options,
    )


POLICY = Policy(
    model="flights",
    rules=(Rule(name="drift", statistic="psi", above=0.1),),
    webhooks=(_webhook(), _webhook("grave", severities=["critical"], group_by=["release"])),
    inhibit=(Inhibition(source={"severity": "critical"}, target={"severity": "warning"}),),
)


@dataclass
class Past:
    """Of one incident: everything that came, and how it stood at each tick."""

    labels: dict
    changes: list = field(default_factory=list)  # (second, alert)
    muted: list = field(default_factory=list)  # by tick: nobody was to be told

    @property
    def fires(self):
        return self.changes[-1][1]["status"] == "firing"


class Simulation(RuleBasedStateMachine):
    """Alerts come and go, silences too, processes die; a tick is a second."""

    def __init__(self):
        super().__init__()
        self.groups = Groups(POLICY, "flights", "production")
        self.topic, self.now, self.count = {}, 0, 0
        self.silenced = set()
        self.incidents = {}
        self.sent = {"oncall": [], "grave": []}  # (second, notification)

    def _process(self):
        """A process that takes over from what was committed."""
        groups = Groups(POLICY, "flights", "production")
        groups.restore({key: state for key, state in self.topic.items() if state is not None})
        return groups

    def _change(self, name, status, decision=None):
        self.count += 1
        past = self.incidents[name]
        change = alert(
            id=f"alert_{self.count}",
            incident=name,
            status=status,
            decision=decision,
            starts_at=int(name),
            **past.labels,
        )
        past.changes.append((self.now, change))
        return change

    def _commit(self, *alerts):
        """Take alerts and the tick; sometimes a process dies before that is committed."""
        died = self._process()
        for each in alerts:
            died.take(each, self.now * SECOND)
        died.notifications(self.now * SECOND, self._silenced)
        for each in alerts:
            self.groups.take(each, self.now * SECOND)
        firing = [each for each in self.incidents.values() if each.fires]
        for past in self.incidents.values():
            past.muted.append(self._is_muted(past, firing))
        for each in self.groups.notifications(self.now * SECOND, self._silenced):
            self.sent[each.endpoint].append((self.now, each))
        self.topic.update(self.groups.snapshot())
        self.now += 1

    def _silenced(self, labels):
        return labels["column"] in self.silenced

    def _is_muted(self, past, firing):
        return past.labels["column"] in self.silenced or (
            past.labels["severity"] == "warning"
            and any(
                each.labels["severity"] == "critical"
                and each.labels["release"] == past.labels["release"]
                for each in firing
            )
        )

    @rule(
        release=st.integers(1, 2),
        column=st.sampled_from("abc"),
        severity=st.sampled_from(["info", "warning", "critical"]),
        decided=st.booleans(),
    )
    def fires(self, release, column, severity, decided):
        name = str(len(self.incidents))
        labels = {"release": release, "column": column, "severity": severity}
        self.incidents[name] = Past(labels)
        decision = DECISION if decided and severity == "critical" else None
        self._commit(self._change(name, "firing", decision))

    @precondition(lambda self: any(past.fires for past in self.incidents.values()))
    @rule(data=st.data(), decided=st.booleans())
    def changes(self, data, decided):
        names = sorted(name for name, past in self.incidents.items() if past.fires)
        name = data.draw(st.sampled_from(names))
        self._commit(self._change(name, "firing", DECISION if decided else None))

    @precondition(lambda self: any(past.fires for past in self.incidents.values()))
    @rule(data=st.data(), again=st.booleans(), decided=st.booleans())
    def is_over(self, data, again, decided):
        names = sorted(name for name, past in self.incidents.items() if past.fires)
        name = data.draw(st.sampled_from(names))
        changes = [self._change(name, "resolved", DECISION if decided else None)]
        if again:  # a revision of the window, in the same micro-batch
            changes.append(self._change(name, "firing"))
        self._commit(*changes)

    @rule(column=st.sampled_from("abc"))
    def silences(self, column):
        self.silenced ^= {column}
        self._commit()

    @rule(seconds=st.integers(1, 12))
    def time_passes(self, seconds):
        for _ in range(seconds):
            self._commit()

    @rule()
    def is_killed(self):
        self.groups = self._process()

    @invariant()
    def what_fires_and_is_not_muted_is_told_in_time(self):
        for endpoint, name, past in self._covered():
            since, newest = past.changes[-1]
            if not past.fires:
                continue
            patience = 0 if newest["decision"] else max(WAIT, INTERVAL)
            heard = past.muted[-patience - 1 :]
            if self.now - 1 - since >= patience and not any(heard):
                assert newest["id"] in self._told(endpoint, name)

    @invariant()
    def what_is_muted_is_not_told_while_it_fires(self):
        for endpoint, notifications in self.sent.items():
            for second, notification in notifications:
                for told in notification.firing:
                    past = self.incidents[told["incident"]]
                    first = past.changes[0][0]
                    assert not past.muted[second - first], endpoint

    @invariant()
    def the_end_of_what_was_told_is_told_and_of_nothing_else(self):
        for endpoint, name, past in self._covered():
            told = self._statuses(endpoint, name)
            since, newest = past.changes[-1]
            # No end without a beginning unless an alias was to be moved, and no two ends of one.
            if told[:1] == ["resolved"]:
                first = self._told(endpoint, name)[0]
                assert next(each for _, each in past.changes if each["id"] == first)["decision"]
            if newest["decision"] and not past.fires and not past.muted[since - self.now]:
                assert newest["id"] in self._told(endpoint, name)
            assert ("resolved", "resolved") not in pairwise(told)
            over = self.now - 1 - past.changes[-1][0] >= max(WAIT, INTERVAL)
            if not past.fires and over:
                assert told[-1:] != ["firing"]

    @invariant()
    def one_without_news_comes_as_late_as_the_repeat_interval(self):
        for notifications in self.sent.values():
            for group in {each.group_id for _, each in notifications}:
                known, before = {}, None
                for second, each in notifications:
                    if each.group_id != group:
                        continue
                    news = [a for a in each.alerts if known.get(a["incident"]) != a["id"]]
                    if not news:
                        assert second - before >= REPEAT
                    elif before is not None and not any(a["decision"] for a in news):
                        assert second - before >= INTERVAL
                    # What one left out, as it was muted, may be told by the next.
                    known = {alert["incident"]: alert["id"] for alert in each.alerts}
                    before = second

    @invariant()
    def what_still_fires_is_repeated(self):
        for endpoint, name, past in self._covered():
            if past.fires and self._statuses(endpoint, name)[-1:] == ["firing"]:
                last = max(s for s, each in self.sent[endpoint] if name in _names(each))
                if self.now - 1 - last > REPEAT + INTERVAL:
                    assert any(past.muted[-INTERVAL:])

    @invariant()
    def ids_are_unique_and_nothing_is_kept_for_ever(self):
        ids = [each.id for notifications in self.sent.values() for _, each in notifications]
        assert len(ids) == len(set(ids))
        kept = {key[1] for key, state in self.topic.items() if state and key[0] == "incident"}
        assert kept <= {
            name
            for name, past in self.incidents.items()
            if past.fires or self.now - 1 - past.changes[-1][0] <= max(WAIT, INTERVAL)
        }

    @invariant()
    def a_notification_is_one_group(self):
        for _, each in self.sent["oncall"]:
            assert {str(told["release"]) for told in each.alerts} == {each.group["release"]}
        for _, each in self.sent["grave"]:
            assert {told["severity"] for told in each.alerts} == {"critical"}

    def _covered(self):
        for endpoint in self.sent:
            for name, past in self.incidents.items():
                if endpoint == "oncall" or past.labels["severity"] == "critical":
                    yield endpoint, name, past

    def _told(self, endpoint, name):
        return [
            told["id"]
            for _, each in self.sent[endpoint]
            for told in each.alerts
            if told["incident"] == name
        ]

    def _statuses(self, endpoint, name):
        return [
            told["status"]
            for _, each in self.sent[endpoint]
            for told in each.alerts
            if told["incident"] == name
        ]


def _names(notification):
    return {told["incident"] for told in notification.alerts}


TestSimulation = Simulation.TestCase
TestSimulation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# By example.


def _quiet(_labels):
    return False


def _at(groups, second, *alerts, silenced=_quiet):
    for each in alerts:
        groups.take(each, second * SECOND)
    return groups.notifications(second * SECOND, silenced)


@pytest.fixture
def groups():
    return Groups(POLICY, "flights", "production")


def test_twenty_features_that_drift_together_are_one_notification(groups):
    names = [f"f{number:02}" for number in range(20)]
    for second, half in ((0, names[:10]), (1, names[10:])):
        assert _at(groups, second, *(alert(incident=n, id=n, column=n) for n in half)) == []
    (told,) = _at(groups, WAIT)
    assert told.distinct("column") == names
    assert told.group == {
        "model": "flights",
        "environment": "production",
        "release": "1",
        "rule": "drift",
    }


def test_a_group_of_any_size_is_told_in_messages_that_are_not_too_long(groups):
    names = [f"f{number:04}" for number in range(1001)]
    _at(groups, 0, *(alert(incident=name, id=name, column=name) for name in names))
    told = _at(groups, WAIT)
    assert [each["id"] for one in told for each in one.alerts] == names
    assert len({one.id for one in told}) == len(told) == 6
    assert {one.group_id for one in told} == {told[0].group_id}
    assert _at(groups, WAIT + INTERVAL) == []


def test_one_with_a_decision_takes_along_what_waits(groups):
    assert _at(groups, 0, alert(incident="a", id="a", severity="info")) == []
    decided = alert(incident="b", id="b", severity="critical", decision=DECISION)
    oncall, grave = _at(groups, 1, decided)
    assert [told["id"] for told in oncall.alerts] == ["a", "b"]
    assert [told["id"] for told in grave.alerts] == ["b"]


def test_a_group_is_over_only_when_all_that_was_told_of_it_is(groups):
    a, b = (alert(incident=name, id=name, column=name) for name in "ab")
    _at(groups, 0, a, b)
    _at(groups, WAIT)
    # `a` is silenced meanwhile and still fires: nobody is told that all is well.
    end = alert(incident="b", id="b over", column="b", status="resolved")
    (told,) = _at(groups, 60, end, silenced=lambda labels: labels["column"] == "a") or _at(
        groups, 60 + WAIT, silenced=lambda labels: labels["column"] == "a"
    )
    assert ([each["id"] for each in told.alerts], told.status) == (["b over"], "firing")


def test_another_grouping_tells_nothing_anew_and_ends_what_was_told():
    before = Groups(POLICY, "flights", "production")
    _at(before, 0, alert(incident="a", id="a"))
    _at(before, WAIT)
    other = POLICY.model_copy(update={"webhooks": (_webhook(group_by=["column"]),)})
    after = Groups(other, "flights", "production")
    after.restore(before.snapshot())
    assert _at(after, WAIT + 1) == []
    end = alert(incident="a", id="over", status="resolved")
    assert _at(after, WAIT + 2, end) == []
    (told,) = _at(after, 2 * WAIT + 2)
    assert (told.status, told.group["column"]) == ("resolved", "x")


def test_who_left_the_policy_keeps_nothing_open():
    before = Groups(POLICY, "flights", "production")
    _at(before, 0, alert(incident="a", id="a"))
    _at(before, WAIT)
    topic = before.snapshot()
    nobody = Groups(POLICY.model_copy(update={"webhooks": ()}), "flights", "production")
    nobody.restore(topic)
    _at(nobody, 60, alert(incident="a", id="over", status="resolved"))
    assert set((topic | nobody.snapshot()).values()) == {None}
