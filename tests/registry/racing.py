"""What the racers run, each in a process of its own."""

from __future__ import annotations

from kedge.registry import (
    NothingBeforeError,
    Registry,
    SettledProposalError,
    StaleAliasError,
)

_meeting = None
_LONGEST_WAIT = 120


def meet_at(barrier):
    """Give this process the place where all racers wait for each other."""
    global _meeting  # noqa: PLW0603 - a pool has no other way
    _meeting = barrier


def race_moves(settings, racer, rounds):
    """In every round, all racers try the same generation at the same moment."""
    results = []
    with Registry.open(settings) as registry:
        for generation in range(rounds):
            _meeting.wait(_LONGEST_WAIT)
            try:
                move = registry.move_alias(
                    "m",
                    "production",
                    1 + (racer + generation) % 3,
                    expected_generation=generation,
                    actor=f"racer {racer}",
                    reason="",
                )
            except StaleAliasError as error:
                results.append((generation, racer, False, error.current.generation))
            else:
                results.append((generation, racer, True, move.generation))
    return results


def race_back_and_forth(settings, racer, rounds):
    """In every round some promote and some roll back, all from what they see at that moment."""
    won = []
    with Registry.open(settings) as registry:
        for number in range(rounds):
            _meeting.wait(_LONGEST_WAIT)
            try:
                if (racer + number) % 2:
                    move = registry.move_back("m", "production", actor=f"{racer}", reason="back")
                else:
                    move = registry.move_alias(
                        *("m", "production", 1 + (racer + number) % 3),
                        expected_generation=registry.alias("m", "production").generation,
                        actor=f"{racer}",
                        reason="forth",
                    )
            except (StaleAliasError, NothingBeforeError):
                continue
            won.append((move.generation, move.actor, move.reason))
    return won


def race_releases(settings, each, pair):
    _meeting.wait(_LONGEST_WAIT)
    with Registry.open(settings) as registry:
        return [registry.create_release("m", *pair, actor="a").number for _ in range(each)]


def race_registrations(settings, artifact, reference):
    """Everything from nothing: the database, the model and the content are all made in the race."""
    _meeting.wait(_LONGEST_WAIT)
    with Registry.open(settings) as registry:
        return registry.register_model("m", artifact, reference, actor="a").id


def race_approvals(settings, racer, proposals):
    """All racers approve each proposal at the same moment."""
    results = []
    with Registry.open(settings) as registry:
        for number in proposals:
            _meeting.wait(_LONGEST_WAIT)
            try:
                move = registry.proposals.approve(number, actor=f"racer {racer}", reason="now")
            except SettledProposalError as error:
                results.append((number, False, error.proposal.answered_by))
            else:
                results.append((number, True, move.actor))
    return results
