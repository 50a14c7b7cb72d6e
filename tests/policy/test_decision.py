from dataclasses import dataclass, replace

import pytest

from kedge.attribution import Verdict
from kedge.policy import (
    Case,
    GoBack,
    Incident,
    Reading,
    Refused,
    Rollback,
    Rule,
    Subject,
    WentBack,
    Window,
    decide,
)
from statistic_records import MINUTE

HOUR = 60 * MINUTE


@dataclass(frozen=True)
class Version:
    number: int
    model_version: str
    code_version: str


@dataclass(frozen=True)
class Moved:
    generation: int
    from_release: int | None
    to_release: int
    incident: str | None = None
    moved_at: int = 0
    actor: str = "somebody"
    reason: str = ""


@dataclass(frozen=True)
class Rehearsed:
    ok: bool | None
    because: str


def _readings(*values, since=0, rows=1000):
    return [
        Reading(Window((since + i) * MINUTE, (since + i + 1) * MINUTE, 0), value, rows)
        for i, value in enumerate(values)
    ]


RULE = Rule(name="missing", statistic="missing_increase", above=0.1, action="rollback")
INCIDENT = Incident(
    id="abc-0",
    fingerprint="abc",
    release=2,
    model_version="mv",
    code_version="cv",
    subject=Subject("missing_increase", "feature", "dep_delay"),
    rule="missing",
    severity="critical",
    action="rollback",
    threshold=0.1,
    comparison="above",
    alias="production",
    starts_at=10 * MINUTE,
    last=Window(10 * MINUTE, 11 * MINUTE, 0),
)
DEPLOYED = (Moved(1, None, 1), Moved(2, 1, 2))
# Release 1 healthy in the minutes 0 to 2, release 2 bad from minute 10 on, decided after a day.
CASE = Case(
    INCIDENT,
    RULE,
    Rollback(),
    Verdict("code", ("Release 1 is healthy.",), came_with_release=True),
    {1: _readings(0.0, 0.02, 0.01), 2: _readings(0.5, since=10)},
    DEPLOYED,
    now=30 * HOUR,
)


def _case(**changes):
    return replace(CASE, **changes)


@pytest.mark.parametrize("ok", [True, None])
def test_a_rehearsal_that_does_not_fail_is_told_with_the_target(ok):
    answer = decide(_case(rehearsals={1: Rehearsed(ok, "it loads")}))
    assert isinstance(answer, GoBack)
    assert answer.reason.endswith("not above 0.1; rehearsed: it loads")


def test_a_target_that_failed_its_rehearsal_gives_way_to_an_older_one():
    case = _case(
        history=(Moved(1, None, 3), Moved(2, 3, 1), Moved(3, 1, 2)),
        readings=CASE.readings | {3: _readings(0.0)},
    )
    assert decide(case).to_release == 1
    failed = {1: Rehearsed(ok=False, because="it does not load")}
    assert decide(replace(case, rehearsals=failed)).to_release == 3


def test_back_to_the_release_that_was_healthy():
    answer = decide(CASE)
    assert (answer.to_release, answer.expected_generation) == (1, 2)
    assert answer.reason == (
        "missing_increase of feature dep_delay was 0.01 in the window of "
        "1970-01-01 00:02:00 UTC of release 1, not above 0.1"
    )


REFUSALS = {
    "no alias": (_case(history=()), "no alias production"),
    "the alias points elsewhere": (
        _case(history=(*DEPLOYED, Moved(3, 2, 3))),
        "production points at release 3, and the evidence is about release 2",
    ),
    "it came from upstream": (
        _case(verdict=Verdict("upstream", (), came_with_release=False)),
        "the fault did not come with the release: blame upstream",
    ),
    "it is unclear where it came from": (
        _case(verdict=Verdict("unclear", (), came_with_release=None)),
        "it is unclear whether going back would help",
    ),
    "an earlier release has an incident of its own": (
        _case(ailing={1: "slow, latency_p95"}),
        "release 1 has an incident of its own: slow, latency_p95",
    ),
    "within the cooldown": (
        _case(
            history=(*DEPLOYED, Moved(3, 2, 1, "x", 29 * HOUR + MINUTE), Moved(4, 1, 2)),
        ),
        "the cooldown ends at 1970-01-02 06:01:00 UTC",
    ),
    "the day's budget is spent": (
        _case(
            guard=Rollback(most_per_day=2),
            history=(
                *DEPLOYED,
                Moved(3, 2, 1, "w", 5 * HOUR),
                Moved(4, 1, 2),
                Moved(5, 2, 1, "x", 7 * HOUR),
                Moved(6, 1, 2),
                Moved(7, 2, 1, "y", 20 * HOUR),
                Moved(8, 1, 2),
            ),
        ),
        "rolled back 2 times in 24 hours, and the policy allows 2",
    ),
    "rollbacks are switched off": (_case(guard=Rollback(most_per_day=0)), "the policy allows 0"),
    "there is no earlier release": (
        _case(history=(Moved(1, None, 2),)),
        "production pointed at no other release before",
    ),
    "the earlier release was rolled back for cause": (
        _case(
            history=(Moved(1, None, 3), Moved(2, 3, 1), Moved(3, 1, 3, "x"), Moved(4, 3, 2)),
            readings={1: _readings(0.0), 2: _readings(0.5, since=10)},
        ),
        (
            "release 3 there are 0 windows with enough rows, and 1 are needed as evidence; "
            "release 1 was itself rolled back for cause"
        ),
    ),
    "nothing is known of the earlier release": (
        _case(readings={2: _readings(0.5, since=10)}),
        "of release 1 there are 0 windows with enough rows",
    ),
    "too few rows are no evidence": (
        _case(readings={1: _readings(0.0, rows=199), 2: _readings(0.5, since=10)}),
        "of release 1 there are 0 windows with enough rows",
    ),
    "more windows are needed": (
        _case(rule=RULE.model_copy(update={"resolve_windows": 4})),
        "of release 1 there are 3 windows with enough rows, and 4 are needed",
    ),
    "the earlier release was over the threshold at last": (
        _case(readings=CASE.readings | {1: _readings(0.0, 0.3)}),
        "release 1 was at 0.3 itself in its window of 1970-01-01 00:01:00 UTC",
    ),
    "a target that failed its rehearsal": (
        _case(rehearsals={1: Rehearsed(ok=False, because="it does not load")}),
        "no earlier release qualifies: release 1 failed its rehearsal: it does not load",
    ),
}


@pytest.mark.parametrize(("case", "says"), REFUSALS.values(), ids=REFUSALS)
def test_it_refuses_and_says_why(case, says):
    answer = decide(case)
    assert isinstance(answer, Refused)
    assert says in answer.reason


ALLOWED = {
    "unclear whether model or code, but it came with the release": _case(
        verdict=Verdict("unclear", (), came_with_release=True)
    ),
    "a rehearsal speaks for a release without windows": _case(
        readings={2: _readings(0.5, since=10)},
        rehearsals={1: Rehearsed(ok=True, because="500 inputs gave outputs as before")},
    ),
    "over the threshold without the evidence that the rule asks for is not sick": _case(
        rule=RULE.model_copy(update={"evidence_above": 1000.0}),
        readings=CASE.readings | {1: _readings(0.0, 0.3)},
    ),
    "the target's last windows count, not those before": _case(
        readings=CASE.readings | {1: _readings(0.3, 0.0)}
    ),
    "after the cooldown": _case(
        history=(*DEPLOYED, Moved(3, 2, 1, "x", 29 * HOUR), Moved(4, 1, 2))
    ),
    "people's moves start no cooldown": _case(
        history=(*DEPLOYED, Moved(3, 2, 1, None, 30 * HOUR), Moved(4, 1, 2, None, 30 * HOUR))
    ),
    "rollbacks of yesterday count no more": _case(
        guard=Rollback(most_per_day=1),
        history=(*DEPLOYED, Moved(3, 2, 1, "x", 6 * HOUR), Moved(4, 1, 2)),
    ),
    "the older of the earlier releases, where the newer one does not qualify": _case(
        readings=CASE.readings | {3: _readings(0.4)},
        history=(Moved(1, None, 1), Moved(2, 1, 3), Moved(3, 3, 2)),
    ),
}


@pytest.mark.parametrize("case", ALLOWED.values(), ids=ALLOWED)
def test_it_rolls_back(case):
    answer = decide(case)
    assert isinstance(answer, GoBack)
    assert (answer.to_release, answer.expected_generation) == (1, case.history[-1].generation)


def test_of_two_that_qualify_the_later_one_is_taken():
    readings = CASE.readings | {3: _readings(0.0)}
    history = (Moved(1, None, 3), Moved(2, 3, 1), Moved(3, 1, 3), Moved(4, 3, 2))
    assert decide(_case(readings=readings, history=history)).to_release == 3
    history = (Moved(1, None, 1), Moved(2, 1, 3), Moved(3, 3, 2))
    assert decide(_case(readings=readings, history=history)).to_release == 3


MINE = Moved(3, 2, 1, INCIDENT.id, 30 * HOUR, reason="missing: it was better")


@pytest.mark.parametrize(
    ("history", "says"),
    [
        # After a crash between the move and the commit, cooldown or not.
        ((*DEPLOYED, MINE), "missing: it was better"),
        ((*DEPLOYED, MINE, Moved(4, 1, 2)), "it was better; the alias was moved again since"),
        # Another column of the same window was first.
        ((*DEPLOYED, replace(MINE, incident="xyz-0")), "already rolled back"),
    ],
)
def test_an_incident_moves_the_alias_once(history, says):
    answer = decide(_case(history=history))
    assert isinstance(answer, WentBack)
    assert answer.generation == 3
    assert says in answer.reason


def test_a_rollback_by_hand_is_no_rollback_of_ours():
    answer = decide(_case(history=(*DEPLOYED, Moved(3, 2, 1))))
    assert isinstance(answer, Refused)
    back = decide(_case(history=(*DEPLOYED, Moved(3, 2, 1), Moved(4, 1, 2))))
    assert (back.to_release, back.expected_generation) == (1, 4)


FOR_NOW = {
    "the alias points elsewhere",
    "it is unclear where it came from",
    "within the cooldown",
    "the day's budget is spent",
    "rollbacks are switched off",
    "an earlier release has an incident of its own",
    "the earlier release was rolled back for cause",
    "nothing is known of the earlier release",
    "too few rows are no evidence",
    "more windows are needed",
    "the earlier release was over the threshold at last",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_may_change_is_refused_for_now(name):
    assert decide(REFUSALS[name][0]).for_now == (name in FOR_NOW)


# Releases 1 to 3 served in this order; the model and the code of each are told by a letter.
PAIRS = {n: Version(n, m, c) for n, (m, c) in enumerate(("aa", "ab", "bb"), 1)}


@pytest.mark.parametrize(
    ("blame", "pairs", "history", "target"),
    [
        # Release 4 has the model of 3 and new code: 3 keeps the model, 1 keeps nothing.
        ("code", {4: "bc"}, (1, 2, 3, 4), 3),
        # With the code of 2 and a new model: 2 keeps the code, 3 has another one.
        ("model", {3: "bc", 4: "bb"}, (1, 2, 3, 4), 2),
        # What the alias never pointed at keeps the model, and has been healthy as a canary.
        ("code", {4: "bc"}, (1, 2, 4), 3),
        # Nothing that is known of the model keeps the part: the last that served.
        ("code", {4: "cc"}, (1, 3, 2, 4), 2),
        ("unclear", {4: "bc"}, (1, 3, 2, 4), 2),
    ],
)
def test_what_is_not_to_blame_is_kept(blame, pairs, history, target):
    releases = PAIRS | {n: Version(n, *pair) for n, pair in pairs.items()}
    moves = [
        Moved(n, before, after)
        for n, (before, after) in enumerate(zip((None, *history), history, strict=False), 1)
    ]
    answer = decide(
        _case(
            incident=replace(INCIDENT, release=4),
            verdict=Verdict(blame, (), came_with_release=True),
            releases=releases,
            readings={n: _readings(0.0) for n in (1, 2, 3)} | {4: _readings(0.5, since=10)},
            history=moves,
        )
    )
    assert answer.to_release == target
