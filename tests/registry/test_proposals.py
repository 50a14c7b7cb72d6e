"""A proposal has one answer, and after it, or its time, nothing moves any more."""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from typer.testing import CliRunner

from kedge.cli import app
from kedge.errors import KedgeError
from kedge.registry import (
    BadNameError,
    ProposedIncidentError,
    SettledProposalError,
    StaleAliasError,
    UnknownProposalError,
)
from registry.building import plain_connection, released

HOUR = 3_600_000_000


class Time:
    now = 1_700_000_000_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def registry(home, time):
    """`production` points at release 3."""
    with released(home, 3, now=time) as registry:
        registry.move_alias("m", "production", 3, expected_generation=0, actor="ann", reason="")
        yield registry


def _propose(registry, incident="i", to_release=2, generation=1, **options):
    return registry.proposals.propose(
        "m",
        "production",
        to_release,
        expected_generation=generation,
        incident=incident,
        within=HOUR,
        actor="alerting",
        reason="psi is 0.4",
        **options,
    )


def _generation(registry):
    return registry.alias("m", "production").generation


def test_approving_moves_the_alias_in_the_name_of_who_approved(registry, time):
    proposal = _propose(registry)
    assert (proposal.state, proposal.expires_at) == ("pending", time.now + HOUR)
    assert _generation(registry) == 1
    move = registry.proposals.approve(proposal.id, actor="bob", reason="agreed")
    assert registry.history("m", "production")[-1] == move
    assert (move.from_release, move.to_release, move.generation) == (3, 2, 2)
    assert (move.actor, move.incident) == ("bob", "i")
    assert move.reason == "approved (agreed): psi is 0.4"
    done = registry.proposals.get(proposal.id)
    assert (done.state, done.generation, done.answered_by) == ("approved", 2, "bob")
    with pytest.raises(SettledProposalError, match=r"was approved by bob at .*: agreed"):
        registry.proposals.approve(proposal.id, actor="cyd", reason="me too")
    with pytest.raises(SettledProposalError):
        registry.proposals.reject(proposal.id, actor="cyd", reason="no")
    assert _generation(registry) == 2
    # Whoever comes to the incident again finds the move.
    assert _propose(registry, generation=2) == move


def test_rejecting_leaves_the_alias_and_decides_the_incident(registry):
    proposal = _propose(registry)
    rejected = registry.proposals.reject(proposal.id, actor="bob", reason="a fix comes")
    assert (rejected.state, rejected.answered_by, rejected.answer) == (
        "rejected",
        "bob",
        "a fix comes",
    )
    with pytest.raises(SettledProposalError, match=r"was rejected by bob at .*: a fix comes"):
        registry.proposals.approve(proposal.id, actor="cyd", reason="now")
    assert _propose(registry) == rejected
    refuse = registry.refuse("m", "production", "i", actor="alerting", reason="why")
    assert refuse == rejected
    with pytest.raises(ProposedIncidentError, match="by proposal 1, which is rejected"):
        registry.move_alias(
            "m", "production", 2, expected_generation=1, actor="x", reason="", incident="i"
        )
    assert _generation(registry) == 1


def test_after_its_time_it_is_expired_for_everybody(registry, time):
    proposal = _propose(registry)
    time.now = proposal.expires_at - 1
    assert registry.proposals.get(proposal.id).state == "pending"
    time.now = proposal.expires_at
    assert registry.proposals.get(proposal.id).state == "expired"
    assert registry.proposals.list(states=["pending"]) == []
    assert _propose(registry).state == "expired"
    for answer in (registry.proposals.approve, registry.proposals.reject):
        with pytest.raises(SettledProposalError, match="answered by nobody until it expired at"):
            answer(proposal.id, actor="bob", reason="late")
    # It stays so, whatever the clock says then.
    time.now -= HOUR
    assert registry.proposals.get(proposal.id).state == "expired"
    assert _generation(registry) == 1


def test_an_alias_that_was_moved_meanwhile_makes_it_stale(registry):
    proposal = _propose(registry)
    registry.move_alias("m", "production", 1, expected_generation=1, actor="ann", reason="quicker")
    with pytest.raises(SettledProposalError) as stale:
        registry.proposals.approve(proposal.id, actor="bob", reason="agreed")
    assert "was found to be stale by bob" in str(stale.value)
    assert "ann moved it" in str(stale.value)
    assert registry.proposals.get(proposal.id).state == "stale"
    assert (_generation(registry), registry.live("m", "production").number) == (2, 1)


def test_nobody_is_asked_about_an_alias_that_was_moved_since(registry):
    with pytest.raises(StaleAliasError):
        _propose(registry, generation=0)
    assert registry.proposals.list() == []


def test_an_incident_asks_once_and_another_one_about_the_same_move_not_at_all(registry):
    first = _propose(registry)
    assert _propose(registry, to_release=1) == first
    assert _propose(registry, "j") == first
    other = _propose(registry, "k", to_release=1)
    assert [each.id for each in registry.proposals.list("m")] == [first.id, other.id]
    registry.proposals.withdraw(first.id, actor="alerting", reason="the incident ended")
    assert registry.proposals.get(first.id).state == "withdrawn"
    assert _propose(registry, "j").incident == "j"


def test_what_was_decided_before_is_the_answer(registry):
    refusal = registry.refuse("m", "production", "i", actor="alerting", reason="upstream")
    assert _propose(registry) == refusal
    assert registry.proposals.list() == []


def test_an_answer_needs_a_name_and_a_reason(registry):
    proposal = _propose(registry)
    for actor, reason in (("", "why"), ("bob", " ")):
        with pytest.raises(BadNameError, match="must not be empty"):
            registry.proposals.approve(proposal.id, actor=actor, reason=reason)
    with pytest.raises(UnknownProposalError, match="there is no proposal 99"):
        registry.proposals.approve(99, actor="bob", reason="why")
    assert registry.proposals.get(proposal.id) == proposal


@pytest.mark.parametrize(
    "change", ["UPDATE proposals SET state = 'approved', generation = 1", "DELETE FROM proposals"]
)
def test_the_database_itself_keeps_an_answer(home, registry, change):
    registry.proposals.reject(_propose(registry).id, actor="bob", reason="no")
    with plain_connection(home) as connection, pytest.raises(DatabaseError):
        connection.execute(text(change))


def test_from_the_shell(home, registry, time, monkeypatch):
    time.now = 4_000_000_000_000_000  # the command has a clock of its own
    monkeypatch.setenv("KEDGE_REGISTRY__URL", home.registry_url)
    monkeypatch.setenv("KEDGE_HOME", str(home.home))

    def run(*arguments):
        arguments = ["rollback", *arguments, "--json"]
        told = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return json.loads(told.stdout)

    assert run("list") == []
    first = _propose(registry)
    (listed,) = run("list", "--model", "m")
    assert (listed["id"], listed["state"]) == (first.id, "pending")
    answer = (str(first.id), "--reason", "agreed", "--actor", "bob")
    move = run("approve", *answer)
    assert (move["actor"], move["to_release"]) == ("bob", 2)
    with pytest.raises(KedgeError, match="was approved by bob"):
        run("reject", *answer)
    second = _propose(registry, "j", to_release=1, generation=2)
    assert run("reject", str(second.id), "--reason", "no")["state"] == "rejected"
    assert run("list") == []
    assert [each["state"] for each in run("list", "--all")] == ["approved", "rejected"]
