"""Two policies' alerts side by side."""

from kedge.backtest.fold import Counts
from kedge.backtest.report import Report, Trial

HOUR = 3_600_000_000


def alert(
    rule, status, window, *, starts_at=None, release=2, column="dep_delay", statistic="psi", **more
):
    starts_at = window if starts_at is None else starts_at
    return {
        "incident": f"{rule}-{release}-{column}-{starts_at}",
        "status": status,
        "model": "flights",
        "environment": "production",
        "release": release,
        "alias": "production",
        "rule": rule,
        "severity": "critical",
        "action": "rollback",
        "statistic": statistic,
        "role": "feature",
        "column": column,
        "kind": None,
        "segment": None,
        "threshold": 0.25,
        "starts_at": starts_at * HOUR,
        "window_start": window * HOUR,
        "window_end": (window + 1) * HOUR,
        "value": 0.5,
        "decision": None,
        "verdict": {"blame": "code", "because": ["it is"]},
        "produced_at": window,
        **more,
    }


def rolled_back(generation=3, **more):
    return {"action": "rolled_back", "to_release": 1, "generation": generation, "reason": ""} | more


def report(alerts, in_force, *, since=0, release=None):
    trial = Trial(
        "flights",
        "production",
        release,
        since * HOUR,
        100 * HOUR,
        Counts(),
        (),
        tuple(alerts),
        None if in_force is None else tuple(in_force),
    )
    return Report(HOUR, (trial,))


def test_an_incident_is_beside_the_one_of_the_other_policy_that_is_of_the_same():
    mine = [alert("drift", "firing", 5), alert("drift", "resolved", 9, starts_at=5)]
    theirs = [
        alert("drift", "firing", 7),
        alert("other name", "firing", 5),
        alert("drift", "firing", 5, column="wind"),
    ]
    found = report(mine, theirs)
    (incident,) = found.incidents
    assert (incident.fired_at, incident.ended_at) == (6 * HOUR, 10 * HOUR)
    assert (incident.counterpart.rule, incident.counterpart.windows_earlier) == ("drift", -2)
    # The other rule on the same column is of the same too; the other column is not.
    assert [each.column for each in found.only_in_force] == ["wind"]
    assert found.summary() == {
        "incidents": 1,
        "would_roll_back": 0,
        "in_force_too": 1,
        "earlier": 1,
        "later": 0,
        "only_here": 0,
        "only_in_force": 1,
    }
    assert found.differs


def test_another_statistic_of_the_same_column_counts_where_there_is_no_nearer():
    found = report(
        [alert("drift", "firing", 5)], [alert("distance", "firing", 4, statistic="js_distance")]
    )
    (incident,) = found.incidents
    assert (incident.counterpart.rule, incident.counterpart.windows_earlier) == ("distance", 1)


def test_what_was_over_before_is_of_something_else():
    over = [alert("drift", "firing", 1), alert("drift", "resolved", 2, starts_at=1)]
    found = report([alert("drift", "firing", 5)], over)
    assert found.incidents[0].counterpart is None
    assert len(found.only_in_force) == 1


def test_one_rollback_answers_all_columns_that_fail_together():
    found = report(
        [
            alert("drift", "firing", 5, decision=rolled_back()),
            alert("drift", "firing", 6, column="wind", decision=rolled_back()),
        ],
        None,
    )
    assert [each.would for each in found.incidents] == [
        "roll back to 1",
        "stay: rolled back to 1 already",
    ]
    assert found.summary() == {"incidents": 2, "would_roll_back": 1}
    assert not found.is_compared
    assert not found.differs


def test_the_wall_clock_makes_no_difference():
    one = [alert("drift", "firing", 5, decision=rolled_back(decided_at=1))]
    other = [alert("drift", "firing", 5, decision=rolled_back(decided_at=2), produced_at=77)]
    assert not report(one, other).differs
    assert report(one, [alert("drift", "firing", 5, value=0.6)]).differs


def test_what_fired_before_the_time_that_is_asked_about_is_only_compared_with():
    early, late = [alert("drift", "firing", 3)], [alert("drift", "firing", 6)]
    found = report(late, early, since=5)
    assert found.incidents[0].counterpart.windows_earlier == 3
    assert found.only_in_force == ()
    assert found.differs
    found = report(early, [], since=5)
    assert found.incidents == ()
    assert not found.differs


def test_one_release_is_reported_on_alone():
    alerts = [alert("drift", "firing", 5), alert("drift", "firing", 5, release=1)]
    assert [each.release for each in report(alerts, None, release=1).incidents] == [1]
    assert not report(alerts, alerts[1:], release=1).differs
