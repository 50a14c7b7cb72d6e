from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.attribution import Verdict
from kedge.contracts import decode, encode
from kedge.policy import RELEASES, WINDOWS_BEFORE, Policy, Rule, Subject, Watch, alert_record
from statistic_records import MINUTE, increase, statistic, window

ROLLED_BACK = {
    "action": "rolled_back",
    "from_release": 2,
    "to_release": 1,
    "generation": 3,
    "proposal": None,
    "approve_url": None,
    "reject_url": None,
    "reason": "it was healthy",
    "decided_at": 0,
}
DEP_DELAY = Subject("missing_increase", "feature", "dep_delay")


def _rule(**changes):
    return Rule(
        **{"name": "missing", "statistic": "missing_increase", "above": 0.1, "min_rows": 100}
        | changes
    )


def _watch(*rules):
    policy = Policy(model="flights", rules=rules or (_rule(),))
    return Watch(policy, "flights", "production", MINUTE)


def _steps(changes):
    return [(change.step, change.incident.release) for change in changes]


def _fold(watch, *records):
    return [change for record in records for change in watch.observe(record)]


# One series by brute force: everything ever published is kept, and looked through from the start.


@dataclass(frozen=True)
class Publication:
    minute: int
    value: float | None
    rows: int


publications = st.lists(
    st.builds(
        Publication,
        st.integers(0, 8),
        st.sampled_from([None, 0.0, 0.1, 0.2, 0.9]),
        st.sampled_from([0, 99, 100, 5000]),
    ),
    max_size=30,
)


def _expected(published, windows, resolve_windows, for_minutes=0, keep_minutes=0):
    firing, told = False, []
    for count in range(1, len(published) + 1):
        latest = {each.minute: each for each in published[:count]}
        verdicts = {
            minute: latest[minute].value > 0.1
            for minute in sorted(latest)
            if latest[minute].value is not None and latest[minute].rows >= 100
        }
        # Every stretch of alike windows that ends with the newest one, as minutes from and to.
        newest = max(verdicts, default=None)
        alike = [
            (first, sum(minute >= first for minute in verdicts))
            for first in verdicts
            if len({over for minute, over in verdicts.items() if minute >= first}) == 1
        ]
        if firing:
            if any(
                not verdicts[first]
                and length >= resolve_windows
                and newest + 1 - first >= keep_minutes
                for first, length in alike
            ):
                firing = False
                told.append((count - 1, "resolved"))
        elif any(
            verdicts[first] and length >= windows and newest - first >= for_minutes
            for first, length in alike
        ):
            firing = True
            told.append((count - 1, "fired"))
    return told


def _records(published, release=1, column="dep_delay"):
    revisions = {}
    for each in published:
        revision = revisions[each.minute] = revisions.get(each.minute, -1) + 1
        yield window(
            release, each.minute, increase(each.value, column, each.rows), revision=revision
        )


@given(publications, st.integers(1, 4), st.integers(1, 4))
def test_firing_and_resolved_are_as_by_brute_force(published, windows, resolve_windows):
    watch = _watch(_rule(windows=windows, resolve_windows=resolve_windows))
    told = [
        (index, change.step)
        for index, record in enumerate(_records(published))
        for change in watch.observe(record)
    ]
    assert told == _expected(published, windows, resolve_windows)


@given(publications, st.integers(1, 3), st.integers(1, 3), st.integers(0, 5), st.integers(0, 5))
def test_how_long_it_holds_is_counted_in_event_time(
    published, windows, resolve_windows, for_minutes, keep_minutes
):
    rule = _rule(
        windows=windows,
        resolve_windows=resolve_windows,
        for_seconds=for_minutes * 60.0,
        keep_firing_for_seconds=keep_minutes * 60.0,
    )
    watch, topic, told = _watch(rule), {}, []
    for index, record in enumerate(_records(published)):
        told += [(index, change.step) for change in watch.observe(record)]
        topic.update(watch.snapshot())
        watch = _watch(rule)
        watch.restore(topic)
    assert told == _expected(published, windows, resolve_windows, for_minutes, keep_minutes)


def test_a_long_stretch_is_remembered_from_its_start():
    hours = 3
    watch = _watch(_rule(for_seconds=hours * 3600.0))
    records = (window(1, minute, increase(0.5)) for minute in range(hours * 60 + 5))
    (fired,) = _fold(watch, *records)
    assert (fired.incident.starts_at, fired.trigger.end) == (0, (hours * 60 + 1) * MINUTE)


@given(publications, st.integers(1, 4))
def test_an_incident_starts_with_the_stretch_and_ids_are_unique(published, windows):
    watch, ids = _watch(_rule(windows=windows)), []
    for index, record in enumerate(_records(published)):
        for change in watch.observe(record):
            ids.append(change.id)
            if change.step != "fired":
                continue
            latest = {each.minute: each for each in published[: index + 1]}
            telling = [
                each
                for _minute, each in sorted(latest.items())
                if each.rows >= 100 and each.value is not None
            ]
            stretch = []
            while telling and telling[-1].value > 0.1:
                stretch.append(telling.pop())
            assert change.incident.starts_at == stretch[-1].minute * MINUTE
            assert change.incident.last.start == stretch[0].minute * MINUTE
            assert change.reading.value == stretch[0].value
    assert len(ids) == len(set(ids))


# Restarts, on several releases, columns and rules.

traffic = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(0, 12),
        st.sampled_from([0.0, 0.2]),
        st.sampled_from([0.0, 0.2, None]),
    ),
    max_size=40,
)


def _several(arrivals):
    revisions = {}
    for release, minute, one, other in arrivals:
        revision = revisions[release, minute] = revisions.get((release, minute), -1) + 1
        yield window(
            release,
            minute,
            increase(one, "dep_delay"),
            increase(other, "wind"),
            statistic("error_rate", one),
            revision=revision,
        )


def _alerts(watch, record):
    for change in watch.observe(record):
        told = change
        if change.step == "fired" and change.incident.release > 1:
            back = ROLLED_BACK | {"to_release": change.incident.release - 1}
            told = replace(change, incident=watch.decided(change.incident, back))
        yield alert_record(watch, told, 0)


@given(traffic, st.data())
def test_a_restart_anywhere_gives_the_same_alerts(arrivals, data):
    rules = (_rule(windows=2), _rule(name="errors", statistic="error_rate", resolve_windows=2))
    records = list(_several(arrivals))
    whole = _watch(*rules)
    expected = [alert for record in records for alert in _alerts(whole, record)]
    topic, watch, alerts = {}, _watch(*rules), []
    while records:
        size = data.draw(st.integers(1, len(records)))
        batch, records = records[:size], records[size:]
        if data.draw(st.booleans()):  # the process dies before the commit of what it did
            died_after = data.draw(st.integers(0, size))
            for record in batch[:died_after]:
                list(_alerts(watch, record))
            watch = _watch(*rules)
            watch.restore({number: state for number, state in topic.items() if state is not None})
        alerts.extend(alert for record in batch for alert in _alerts(watch, record))
        topic.update(watch.snapshot())
    assert alerts == expected
    for alert in alerts:
        assert decode(encode("alert", alert))[1] == alert


def test_too_few_rows_say_nothing():
    watch = _watch(_rule(windows=2))
    changes = _fold(
        watch,
        window(1, 0, increase(0.5)),
        window(1, 1, increase(0.0, rows=99)),
        window(1, 2, increase(0.5)),
    )
    assert _steps(changes) == [("fired", 1)]
    assert changes[0].incident.starts_at == 0


def test_a_rule_on_rows_sees_empty_windows():
    watch = _watch(Rule(name="silent", statistic="rows", below=10))
    assert _steps(_fold(watch, window(1, 0, statistic("rows", 0.0, 0)))) == [("fired", 1)]


def test_an_old_revision_changes_nothing():
    watch = _watch()
    assert _steps(_fold(watch, window(1, 0, increase(0.0), revision=1))) == []
    assert _steps(_fold(watch, window(1, 0, increase(0.5), revision=1))) == []
    assert _steps(_fold(watch, window(1, 0, increase(0.5), revision=0))) == []


def test_revisions_of_one_window_give_messages_of_their_own():
    watch = _watch()
    values = (0.5, 0.0, 0.5, 0.0)
    records = [window(1, 0, increase(value), revision=n) for n, value in enumerate(values)]
    changes = _fold(watch, *records)
    assert _steps(changes) == [("fired", 1), ("resolved", 1)] * 2
    assert len({change.incident.id for change in changes}) == 1
    assert len({change.id for change in changes}) == 4


def test_a_revision_without_a_value_takes_back_the_one_before():
    watch = _watch(_rule(windows=2))
    _fold(watch, window(1, 0, increase(0.5)), window(1, 0, increase(None), revision=1))
    assert _fold(watch, window(1, 1, increase(0.5))) == []


# After a rollback the bad release is silent: others speak for it.


def _rolled_back():
    watch = _watch()
    _fold(watch, window(1, 0, increase(0.0)))
    (fired,) = _fold(watch, window(2, 1, increase(0.5)))
    watch.decided(fired.incident, ROLLED_BACK)
    return watch


def test_the_release_that_was_rolled_back_to_resolves_the_alert():
    watch = _rolled_back()
    # The window in which both served says nothing about what came after.
    assert _fold(watch, window(1, 1, increase(0.0))) == []
    # Requests that were still on their way to the bad release.
    assert _fold(watch, window(2, 2, increase(0.5))) == []
    assert _fold(watch, window(1, 2, increase(0.0))) == []
    assert _fold(watch, window(1, 3, increase(0.0, rows=99))) == []
    (change,) = _fold(watch, window(1, 4, increase(0.01)))
    assert (change.step, change.firing) == ("recovered", False)
    alert = alert_record(watch, change, 0)
    assert alert["summary"].startswith("Recovered after the rollback to release 1: ")
    assert (alert["status"], alert["release"], alert["ends_at"]) == ("resolved", 2, 3 * MINUTE)
    assert (alert["window_start"], alert["value"]) == (4 * MINUTE, 0.01)
    assert alert["decision"] == ROLLED_BACK


def test_what_the_bad_release_did_before_the_recovery_does_not_fire_again():
    watch = _rolled_back()
    # The window right after the last bad one is late enough.
    assert _steps(_fold(watch, window(1, 2, increase(0.0)))) == [("recovered", 2)]
    assert _fold(watch, window(2, 2, increase(0.5))) == []
    # But when somebody brings it back, it is a new incident.
    (change,) = _fold(watch, window(2, 5, increase(0.5)))
    assert (change.step, change.incident.starts_at) == ("fired", 5 * MINUTE)


def test_a_recovery_is_remembered():
    watch = _rolled_back()
    before = watch.snapshot()
    assert _steps(_fold(watch, window(1, 2, increase(0.0)))) == [("recovered", 2)]
    restarted = _watch()
    restarted.restore(before | watch.snapshot())
    assert _fold(restarted, window(2, 2, increase(0.5)), window(1, 3, increase(0.0))) == []


def test_a_rollback_that_does_not_help_is_told_once():
    watch = _rolled_back()
    changes = _fold(
        watch,
        window(1, 2, increase(0.5)),
        window(1, 3, increase(0.5)),
        window(1, 4, increase(0.0)),
    )
    assert _steps(changes) == [
        ("fired", 1),
        ("not_helped", 2),
        ("resolved", 1),
        ("recovered", 2),
    ]
    alert = alert_record(watch, changes[1], 0)
    assert alert["status"] == "firing"
    assert alert["summary"] == (
        "The rollback to release 1 did not help: missing_increase of feature dep_delay is 0.5 "
        "there, above 0.1 too."
    )


def test_a_release_that_another_one_took_over_from_is_resolved_by_it():
    watch = _watch()
    _fold(watch, window(2, 1, increase(0.5)))
    # The window that follows may only be a late one.
    assert _fold(watch, window(3, 2, increase(0.0))) == []
    assert _steps(_fold(watch, window(3, 3, increase(0.0)))) == [("superseded", 2)]


def test_a_release_that_still_serves_is_not_resolved_by_another():
    watch = _watch()
    records = [window(r, m, increase(0.5 if r == 2 else 0.0)) for m in range(6) for r in (2, 1)]
    assert _steps(_fold(watch, *records)) == [("fired", 2)]


# Windows of several lengths come in one topic.

HOURLY = _rule(name="hourly", window_seconds=180)
SLIDING = _rule(name="sliding", window_seconds=180, every_seconds=60)

lengths = st.lists(
    st.tuples(
        st.integers(1, 2),
        st.sampled_from([1, 3, 5]),
        st.integers(0, 12),
        st.sampled_from([0.0, 0.2]),
    ),
    max_size=40,
)


def _longer(arrivals):
    revisions = {}
    for release, minutes, minute, value in arrivals:
        where = release, minutes, minute
        revision = revisions[where] = revisions.get(where, -1) + 1
        yield window(release, minute, increase(value), minutes=minutes, revision=revision)


def _told(watch, records):
    return [
        (index, change)
        for index, record in enumerate(records)
        for change in watch.observe(record)
        if change.step != "withdrawn"
    ]


@given(lengths, st.integers(1, 3))
def test_rules_see_the_windows_of_their_pace_as_though_there_were_no_others(arrivals, windows):
    records = list(_longer(arrivals))
    rules = [rule.model_copy(update={"windows": windows}) for rule in (_rule(), HOURLY, SLIDING)]
    together = _told(_watch(*rules), records)
    minutes = {"missing": 1, "hourly": 3, "sliding": 3}
    for rule in rules:
        mine = [(index, c) for index, c in together if c.incident.rule == rule.name]
        own = [
            r if r["window_end"] - r["window_start"] == minutes[rule.name] * MINUTE else None
            for r in records
        ]
        if rule.name == "hourly":
            own = [r if r and r["window_end"] % (3 * MINUTE) == 0 else None for r in own]
        alone, expected = _watch(rule), []
        for index, record in enumerate(own):
            if record is not None:
                expected += [(index, change) for change in alone.observe(record)]
        assert mine == expected


@given(lengths, st.integers(0, 40))
def test_a_restart_keeps_the_windows_of_every_pace(arrivals, died_after):
    records, rules = list(_longer(arrivals)), (_rule(windows=2), HOURLY, SLIDING)
    before, after = _watch(*rules), _watch(*rules)
    told = _fold(before, *records[:died_after])
    after.restore(before.snapshot())
    told += _fold(after, *records[died_after:])
    assert told == _fold(_watch(*rules), *records)


def test_windows_in_a_row_do_not_overlap_unless_the_rule_says_so():
    def fires(rule):
        records = (window(1, minute, increase(0.5), minutes=3) for minute in range(12))
        (fired,) = _fold(_watch(rule.model_copy(update={"windows": 2})), *records)
        return fired.trigger.end // MINUTE

    # Minutes 0 to 2 and 3 to 5, all other data than the other; or minutes 0 to 2 and 1 to 3.
    assert fires(HOURLY) == 6
    assert fires(SLIDING) == 4


def test_a_recovery_is_not_seen_in_a_window_that_overlaps_the_last_bad_one():
    watch = _watch(SLIDING)
    (fired,) = _fold(watch, window(2, 3, increase(0.5), minutes=3))
    watch.decided(fired.incident, ROLLED_BACK)
    served = [window(1, minute, increase(0.0), minutes=3) for minute in range(3, 6)]
    assert _fold(watch, *served) == []
    assert _steps(_fold(watch, window(1, 6, increase(0.0), minutes=3))) == [("recovered", 2)]


def test_a_rule_that_looks_at_other_windows_now_begins_anew():
    watch = _watch(HOURLY)
    assert _steps(_fold(watch, window(1, 0, increase(0.5), minutes=3))) == [("fired", 1)]
    later = _watch(HOURLY.model_copy(update={"window_seconds": 300}))
    later.restore(watch.snapshot())
    assert _fold(later, window(1, 3, increase(0.0), minutes=3)) == []
    withdrawn, again = _fold(later, window(1, 0, increase(0.5), minutes=5))
    assert (withdrawn.step, again.step) == ("withdrawn", "fired")
    assert again.incident.starts_at == withdrawn.incident.starts_at == 0
    assert again.incident.id != withdrawn.incident.id


# What is remembered is bounded.


def test_old_windows_are_forgotten():
    watch = _watch(_rule(windows=3))
    _fold(watch, *(window(1, minute, increase(0.0)) for minute in range(200)))
    readings = watch.readings("missing", DEP_DELAY)[1]
    assert [r.window.start // MINUTE for r in readings] == list(range(200))[-WINDOWS_BEFORE - 3 :]
    assert _fold(watch, window(1, 3, increase(0.9))) == []
    assert len(watch.readings("missing", DEP_DELAY)[1]) == WINDOWS_BEFORE + 3


def test_old_releases_are_forgotten_and_their_alerts_closed():
    watch = _watch()
    assert _steps(_fold(watch, window(1, 0, increase(0.5)))) == [("fired", 1)]
    others = [window(number, 1, increase(0.5)) for number in range(2, RELEASES + 2)]
    changes = _fold(watch, *others)
    assert _steps(changes)[-1] == ("forgotten", 1)
    state = watch.snapshot()
    assert state.pop(1) is None
    assert len(state) == RELEASES
    alert = alert_record(watch, changes[-1], 0)
    assert (alert["status"], alert["value"], alert["rows"]) == ("resolved", None, 0)
    assert 1 not in {evidence["release"] for evidence in alert["evidence"]}


def test_a_rule_that_is_gone_closes_its_alerts():
    watch = _watch()
    _fold(watch, window(1, 0, increase(0.5)))
    later = _watch(_rule(name="another", above=0.9))
    later.restore(watch.snapshot())
    (change,) = _fold(later, window(2, 1, increase(0.0)))
    assert (change.step, change.firing, change.incident.rule) == ("withdrawn", False, "missing")
    assert "no rule 'missing'" in alert_record(later, change, 0)["summary"]


@pytest.mark.parametrize("changed", ["model", "environment", "rule", "release", "column"])
def test_a_fingerprint_tells_alerts_apart(changed):
    def fired(model="m", environment="e", rule="missing", release=1, column="a"):
        watch = Watch(Policy(model="*", rules=(_rule(name=rule),)), model, environment, MINUTE)
        (change,) = _fold(watch, window(release, 0, increase(0.5, column)))
        return change.incident

    other = fired(**{changed: 2 if changed == "release" else "other"})
    assert fired().fingerprint == fired().fingerprint != other.fingerprint
    assert fired().id.startswith(fired().fingerprint)


@pytest.mark.parametrize(
    ("limit", "low", "high", "fires"),
    [
        ({"above": 0.1}, 0.11, 0.3, True),
        ({"above": 0.1}, 0.05, 0.3, False),
        ({"below": 0.1}, 0.05, 0.3, False),
        ({"below": 0.1}, 0.01, 0.05, True),
    ],
)
def test_a_number_known_within_bounds_fires_only_when_all_of_them_are_over(limit, low, high, fires):
    bounded = statistic("ks", (low + high) / 2, role="feature", column="x", low=low, high=high)
    watch = _watch(_rule(**{"statistic": "ks", "above": None} | limit))
    assert bool(watch.observe(window(1, 0, bounded))) == fires
    # What was remembered over a restart resolves as what was seen.
    again = _watch(_rule(**{"statistic": "ks", "above": None} | limit))
    again.restore(watch.snapshot())
    assert _steps(again.observe(window(1, 1, bounded))) == []


def test_an_alert_tells_what_the_number_does_not():
    watch = _watch(_rule(statistic="missing_together"))
    group = "wind and gust in 50 % of the rows"
    (change,) = watch.observe(window(1, 0, statistic("missing_together", 0.5, note=group)))
    assert alert_record(watch, change, now=0)["summary"].endswith(f" Note: {group}.")


def test_windows_of_the_two_clocks_say_nothing_to_each_other():
    """Both start at the same moment, or years apart, as in a replay of the past."""
    lost = _rule(name="lost", statistic="predictions_missing", above=0, min_rows=0)
    watch = _watch(_rule(), lost)

    def audited(minute, missing):
        value = statistic("predictions_missing", missing, rows=0)
        return window(1, minute, value, clock="broker")

    years = 10_000_000
    assert _fold(watch, window(1, 5, increase(0.01)), audited(5 + years, 0.0)) == []
    assert _steps(_fold(watch, audited(6 + years, 3.0))) == [("fired", 1)]
    assert _steps(_fold(watch, window(1, 6, increase(0.5)))) == [("fired", 1)]
    restored = _watch(_rule(), lost)
    restored.restore({n: state for n, state in watch.snapshot().items() if state is not None})
    for each in (watch, restored):
        assert _fold(each, audited(7 + years, 3.0)) == []
        (resolved,) = _fold(each, window(1, 7, increase(0.01)))
        assert resolved.incident.rule == "missing"
        (resolved,) = _fold(each, audited(8 + years, 0.0))
        assert (resolved.step, resolved.incident.rule) == ("resolved", "lost")


def _rates(release, minute, rates, rows=1000):
    whole = statistic("error_rate", sum(rates.values()) if rows else None, rows)
    parts = [statistic("error_rate", rate, rows, kind=kind) for kind, rate in rates.items()]
    return window(release, minute, whole, *parts)


def test_an_error_that_does_not_happen_any_more_resolves_its_alert():
    rule = _rule(statistic="error_rate", kind="TimeoutError", above=0.05)
    watch = _watch(rule)
    fired = _fold(watch, _rates(1, 0, {}), _rates(1, 1, {"TimeoutError": 0.1, "KeyError": 0.2}))
    assert _steps(fired) == [("fired", 1)]
    assert str(fired[0].incident.subject) == "error_rate (TimeoutError)"
    # In a window without rows, and where it may be among the rest, nobody knows.
    for unknown in (_rates(1, 2, {}, rows=0), _rates(1, 3, {"KeyError": 0.2, "other": 0.1})):
        assert watch.observe(unknown) == []
    (resolved,) = watch.observe(_rates(1, 4, {"KeyError": 0.2}))
    assert (resolved.step, resolved.reading.value) == ("resolved", 0.0)


def test_what_was_measured_before_a_silence_is_still_evidence():
    rule, quiet = _rule(), _rule(name="quiet", statistic="rows", below=1, above=None, min_rows=0)
    watch = _watch(rule, quiet)
    for minute in range(5):
        watch.observe(window(1, minute, increase(0.01), statistic("rows", 1000.0)))
    silent = [
        window(1, minute, increase(None, rows=0), statistic("rows", 0.0, 0))
        for minute in range(5, 5 + 3 * WINDOWS_BEFORE)
    ]
    assert _steps(_fold(watch, *silent)) == [("fired", 1)]
    assert len(watch.readings(rule.name, DEP_DELAY)[1]) == 5
    assert len(watch.readings("quiet", Subject("rows"))[1]) == WINDOWS_BEFORE + 1
    (back,) = _fold(watch, window(1, 100, increase(0.01), statistic("rows", 1000.0)))
    assert (back.step, back.incident.rule) == ("resolved", "quiet")


def _with_evidence(minute, value, evidence):
    said = statistic("evidence", evidence)
    # A column's own is not the model's.
    of_column = statistic("evidence", 1e9, role="feature", column="dep_delay")
    return window(1, minute, increase(value), said, of_column)


@pytest.mark.parametrize(("evidence", "fires"), [(999.0, False), (1001.0, True), (None, False)])
def test_a_rule_can_ask_for_evidence_beside_the_effect(evidence, fires):
    watch = _watch(_rule(evidence_above=1000))
    assert bool(watch.observe(_with_evidence(0, 0.9, evidence))) == fires


def test_evidence_may_fall_while_an_incident_goes_on():
    watch = _watch(_rule(evidence_above=1000))
    changes = _fold(
        watch,
        _with_evidence(0, 0.9, 10.0),
        _with_evidence(1, 0.9, 2000.0),
        _with_evidence(2, 0.9, 10.0),
        _with_evidence(3, 0.0, 10.0),
    )
    assert [(c.step, c.trigger.start // MINUTE) for c in changes] == [("fired", 1), ("resolved", 3)]


def test_a_rule_on_evidence_is_about_the_model_whatever_its_rows():
    watch = _watch(Rule(name="changed", statistic="evidence", above=1000))
    assert watch.observe(_with_evidence(0, 0.0, 10.0)) == []
    (change,) = watch.observe(window(1, 1, statistic("evidence", 2000.0, rows=3)))
    assert change.incident.subject == Subject("evidence")


def test_a_restart_keeps_the_evidence_of_the_windows():
    rule = _rule(windows=2, evidence_above=1000)
    before, after = _watch(rule), _watch(rule)
    before.observe(_with_evidence(0, 0.9, 2000.0))
    after.restore({number: data for number, data in before.snapshot().items() if data})
    assert _steps(after.observe(_with_evidence(1, 0.9, 2000.0))) == [("fired", 1)]


@pytest.mark.parametrize(("came", "ailing"), [(True, {1}), (None, {1}), (False, set())])
def test_what_did_not_come_with_a_release_speaks_against_none(came, ailing):
    watch = _watch(_rule(action="rollback"))
    (fired,) = _fold(watch, window(1, 0, increase(0.9)))
    watch._put(replace(fired.incident, verdict=Verdict("unclear", (), came_with_release=came)))
    assert watch.ailing().keys() == ailing


def test_an_alert_says_when_it_began_and_what_became_of_it_after_a_restart_too():
    began = {"onset": 60.5, "onset_earliest": 30.0, "onset_latest": 91.25}
    watch = _watch(_rule(action="rollback"))
    evidence = [statistic(name, value) for name, value in began.items()]
    (fired,) = _fold(watch, window(1, 0, increase(0.0)), window(2, 1, increase(0.5), *evidence))
    judged = fired.with_incident(watch.decided(watch.judged(fired.incident), ROLLED_BACK))
    alert = decode(encode("alert", alert_record(watch, judged, 0)), "alert")[1]
    assert alert["step"] == "fired"
    assert {name: alert[name] for name in began} == {
        name: value * 1e6 for name, value in began.items()
    }
    again = _watch(_rule(action="rollback"))
    again.restore(watch.snapshot())
    (recovered,) = again.observe(window(1, 2, increase(0.0)))
    told = alert_record(again, recovered, 0)
    assert told["step"] == "recovered"
    assert {name: told[name] for name in began} == {name: alert[name] for name in began}


def test_an_onset_without_its_interval_is_none():
    watch = _watch()
    (fired,) = _fold(watch, window(1, 1, increase(0.5), statistic("onset", 60.0)))
    assert watch.judged(fired.incident).onset is None
