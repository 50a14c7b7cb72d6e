"""Proposals, silences, deletions and canary shares over HTTP, held against the registry itself."""

import datetime as dt

import pytest

from web.asking import API

HOUR = 3_600_000_000
M = f"{API}/models/m"


def _problem(answer, status, kind):
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert told["type"] == f"urn:kedge:problem:{kind}"
    return told


def _audited(registry):
    return [(e.actor, e.action, e.result) for e in reversed(registry.audit.newest(20))]


@pytest.fixture
def proposed(registry):
    """`production` serves release 3, and it is asked whether it may go back to 2."""
    registry.move_alias("m", "production", 3, expected_generation=0, actor="ann", reason="")

    def propose(incident="i", generation=1, within=HOUR):
        return registry.proposals.propose(
            "m",
            "production",
            2,
            expected_generation=generation,
            incident=incident,
            within=within,
            actor="alerting",
            reason="psi is 0.4",
        ).id

    return propose


def test_approving_moves_the_alias_in_the_token_s_name_and_is_audited(operator, registry, proposed):
    path = f"{API}/proposals/{proposed()}"
    assert operator.get(path).json()["state"] == "pending"
    done = operator.post(f"{path}/approve", json={"reason": "agreed"})
    assert done.status_code == 200, done.text
    assert (done.json()["state"], done.json()["generation"]) == ("approved", 2)
    move = registry.alias("m", "production")
    assert (move.to_release, move.actor, move.incident) == (2, "operate", "i")
    for verb in ("approve", "reject"):
        again = operator.post(f"{path}/{verb}", json={"reason": "late"})
        assert _problem(again, 409, "settled-proposal")["state"] == "approved"
    assert _audited(registry) == [
        ("operate", "approve_proposal", "done"),
        ("operate", "approve_proposal", "refused"),
        ("operate", "reject_proposal", "refused"),
    ]


def test_of_what_expired_or_went_stale_the_audit_says_no_more_than_that_it_was_refused(
    operator, registry, proposed
):
    expired, stale = proposed("late", within=0), proposed()
    registry.move_alias("m", "production", 1, expected_generation=1, actor="ann", reason="quicker")
    for number, state in ((stale, "stale"), (expired, "expired")):
        path = f"{API}/proposals/{number}"
        told = _problem(
            operator.post(f"{path}/approve", json={"reason": "agreed"}), 409, "settled-proposal"
        )
        assert told["state"] == operator.get(path).json()["state"] == state
    assert registry.live("m", "production").number == 1
    assert _audited(registry) == [("operate", "approve_proposal", "refused")] * 2


def test_proposals_are_listed_by_what_they_are_now(operator, proposed):
    expired = proposed("late", within=0)
    rejected = proposed("j")
    operator.post(f"{API}/proposals/{rejected}/reject", json={"reason": "a fix comes"})
    pending = proposed()

    def listed(**filters):
        page = operator.get(f"{API}/proposals", params=filters).json()
        return [each["id"] for each in page["items"]]

    assert listed() == [pending, rejected, expired]
    assert listed(state="pending", model="m", alias="production") == [pending]
    assert listed(state="rejected") == [rejected]
    assert listed(state="expired") == [expired]
    assert listed(alias="staging") == []
    _problem(operator.get(f"{API}/proposals/99"), 404, "not-found")
    _problem(operator.post(f"{API}/proposals/{pending}/approve", json={}), 422, "invalid")


def test_a_silence_is_made_listed_and_ended_and_the_audit_has_both(operator, registry):
    ends = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    body = {"matchers": {"model": "m", "rule": ["drift*"]}, "ends_at": ends, "comment": "known"}
    made = operator.post(f"{API}/silences", json=body)
    assert made.status_code == 201, made.text
    (kept,) = registry.silences.find()
    assert (kept.author, kept.matchers.given) == (
        "operate",
        {"model": ("m",), "rule": ("drift*",)},
    )
    assert dt.datetime.fromisoformat(made.json()["ends_at"]) == dt.datetime.fromisoformat(ends)
    assert operator.get(made.headers["location"]).json() == made.json()

    def listed(state):
        page = operator.get(f"{API}/silences", params={"state": state}).json()
        return [(each["id"], each["state"]) for each in page["items"]]

    assert listed("active") == [(kept.id, "active")]
    ended = operator.delete(made.headers["location"])
    assert (ended.json()["state"], ended.json()["expired_by"]) == ("expired", "operate")
    assert (listed("active"), listed("expired")) == ([], [(kept.id, "expired")])
    assert _audited(registry) == [
        ("operate", "create_silence", "done"),
        ("operate", "expire_silence", "done"),
    ]
    _problem(operator.delete(f"{API}/silences/9"), 404, "not-found")
    _problem(operator.post(f"{API}/silences", json={**body, "matchers": {}}), 422, "invalid")
    past = {**body, "ends_at": "2020-01-01T00:00:00Z"}
    _problem(operator.post(f"{API}/silences", json=past), 422, "invalid")


def test_what_nothing_needs_is_deleted_and_listed_with_its_reason(operator, registry):
    registry.move_alias("m", "production", 1, expected_generation=0, actor="a", reason="")
    why = {"reason": "a mistake"}
    needed = _problem(operator.delete(f"{M}/releases/1", params=why), 409, "conflict")
    assert "in the history of `production`" in needed["detail"]
    code = registry.release("m", 3).code_version
    paired = _problem(operator.delete(f"{M}/code/{code}", params=why), 409, "conflict")
    assert "release 3 pairs it" in paired["detail"]
    version = registry.release("m", 3).model_version
    _problem(operator.delete(f"{M}/versions/{version}", params=why), 409, "conflict")
    _problem(operator.delete(f"{M}/releases/3"), 422, "invalid")
    assert operator.delete(f"{M}/releases/3", params=why).json()["subject"] == "3"
    assert operator.delete(f"{M}/code/{code}", params=why).is_success
    first = operator.get(f"{M}/deletions", params={"limit": 1}).json()
    rest = operator.get(f"{M}/deletions", params={"cursor": first["next"]}).json()
    told = [(d["kind"], d["subject"], d["actor"], d["reason"]) for d in first["items"]]
    told += [(d["kind"], d["subject"], d["actor"], d["reason"]) for d in rest["items"]]
    assert told == [
        ("code_versions", code, "operate", "a mistake"),
        ("releases", "3", "operate", "a mistake"),
    ]
    assert [release.number for release in registry.releases("m")] == [1, 2]


def test_a_canary_has_a_share_that_a_way_back_keeps(operator):
    alias = f"{M}/aliases/canary"
    moves = [
        {"release": 1, "expected_generation": 0},
        {"release": 2, "expected_generation": 1, "share": 0.1},
        {"release": 3, "expected_generation": 2},
    ]
    shares = [operator.put(alias, json=move).json()["share"] for move in moves]
    assert shares == [None, 0.1, 0.1]
    for share in (-0.1, 1.1, "a"):
        wrong = {"release": 1, "expected_generation": 3, "share": share}
        _problem(operator.put(alias, json=wrong), 422, "invalid")
    back = [
        operator.post(f"{alias}/rollback", json={"expected_generation": seen}).json()
        for seen in (3, 4)
    ]
    # What it was moved back from does not count: twice leads two releases back.
    assert [(move["to_release"], move["share"]) for move in back] == [(2, 0.1), (1, 0.1)]
