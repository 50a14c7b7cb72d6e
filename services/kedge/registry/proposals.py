"""Proposals: rollbacks that a person is asked about, and their answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

from sqlalchemy import Connection, insert, update

from kedge.clock import Clock
from kedge.registry import decisions, queries
from kedge.registry.database import Database
from kedge.registry.entries import AliasMove, Proposal, ProposalState, Refusal
from kedge.registry.errors import (
    SettledProposalError,
    StaleAliasError,
    UnknownProposalError,
)
from kedge.registry.names import checked_name, checked_text
from kedge.registry.tables import proposals


class Proposals:
    """The part of the registry that asks before an alias is moved.

    A proposal has one answer, and whoever comes second is told of the first.
    """

    def __init__(self, database: Database, now: Clock) -> None:
        self._database, self._now = database, now

    def propose(
        self,
        model: str,
        alias: str,
        to_release: int,
        *,
        expected_generation: int,
        incident: str,
        within: int,
        actor: str,
        reason: str,
    ) -> AliasMove | Refusal | Proposal:
        """Ask whether an alias may be moved for an incident.

        Args:
            model: name of the model.
            alias: name of the alias.
            to_release: number of the release that it would be moved to.
            expected_generation: of the move that the caller knows as the latest.
            incident: what asks for it. It is decided once: the second call gives what came of the
                first, or what it is now. Where a person is being asked about the same move for
                another incident, that is the answer.
            within: microseconds until it expires.
            actor: who asks.
            reason: why.

        Raises:
            StaleAliasError: the alias is at another generation; nobody is asked.
        """
        checked_name(alias, "an alias")
        incident = checked_text(incident, "incident", required=True)
        actor = checked_text(actor, "actor", required=True)
        reason = checked_text(reason, "reason", required=True)
        with self._database.write() as connection:
            queries.lock_model(connection, model)
            known = decisions.decided(connection, model, alias, incident)
            if known is not None:
                return known.as_of(self._now()) if isinstance(known, Proposal) else known
            current = next(iter(queries.latest_moves(connection, model, alias)), None)
            if current is None or current.generation != expected_generation:
                raise StaleAliasError(model, alias, expected_generation, current)
            queries.release(connection, model, to_release)
            now = self._now()
            alike = queries.proposals_where(
                connection,
                proposals.c.model == model,
                proposals.c.alias == alias,
                proposals.c.expected_generation == expected_generation,
                proposals.c.to_release == to_release,
                proposals.c.state == "pending",
                proposals.c.expires_at > now,
            )
            if alike:
                return alike[0]
            values = {
                "incident": incident,
                "model": model,
                "alias": alias,
                "expected_generation": expected_generation,
                "from_release": current.to_release,
                "to_release": to_release,
                "actor": actor,
                "reason": reason,
                "proposed_at": now,
                "expires_at": now + within,
                "state": "pending",
            }
            connection.execute(insert(proposals).values(values))
            (proposal,) = queries.proposals_where(connection, proposals.c.incident == incident)
            return proposal

    def get(self, number: int) -> Proposal:
        """A proposal by its number, as it is now.

        Raises:
            UnknownProposalError: there is none.
        """
        with self._database.read() as connection:
            return _get(connection, number).as_of(self._now())

    def list(
        self, model: str | None = None, states: Iterable[ProposalState] | None = None
    ) -> list[Proposal]:
        """Proposals as they are now, the oldest first.

        Args:
            model: only of this one.
            states: only in one of these.
        """
        with self._database.read() as connection:
            if model is not None:
                queries.require_model(connection, model)
            mine = () if model is None else (proposals.c.model == model,)
            found = queries.proposals_where(connection, *mine)
        now, wanted = self._now(), None if states is None else frozenset(states)
        current = [each.as_of(now) for each in found]
        return [each for each in current if wanted is None or each.state in wanted]

    def approve(self, number: int, *, actor: str, reason: str) -> AliasMove:
        """Move the alias as was proposed, in one transaction with the answer.

        Args:
            number: of the proposal.
            actor: who approves; the move is theirs.
            reason: why; the proposal's own is kept with it.

        Raises:
            UnknownProposalError: there is none.
            SettledProposalError: it was answered before, or has expired, or the alias was moved
                meanwhile; nothing was moved.
        """
        _, move = self._answer(number, "approved", actor, reason)
        assert move is not None
        return move

    def reject(self, number: int, *, actor: str, reason: str) -> Proposal:
        """Leave the alias where it is: the incident moves nothing any more.

        Raises:
            UnknownProposalError: there is none.
            SettledProposalError: it was answered before, or has expired.
        """
        rejected, _ = self._answer(number, "rejected", actor, reason)
        return rejected

    def withdraw(self, number: int, *, actor: str, reason: str) -> Proposal:
        """Ask no more, as the incident has ended.

        Raises:
            UnknownProposalError: there is none.
            SettledProposalError: it was answered before, or has expired.
        """
        withdrawn, _ = self._answer(number, "withdrawn", actor, reason)
        return withdrawn

    def _answer(
        self, number: int, state: ProposalState, actor: str, reason: str
    ) -> tuple[Proposal, AliasMove | None]:
        """The proposal as it is after that, and the move that approving makes.

        Raises:
            SettledProposalError: it has ended otherwise.
        """
        actor = checked_text(actor, "actor", required=True)
        reason = checked_text(reason, "reason", required=True)
        try:
            with self._database.write() as connection:
                return self._answered(connection, number, state, actor, reason)
        except SettledProposalError as error:
            raise SettledProposalError(self._kept(error.proposal)) from error

    def _answered(
        self, connection: Connection, number: int, state: ProposalState, actor: str, reason: str
    ) -> tuple[Proposal, AliasMove | None]:
        queries.lock_model(connection, _get(connection, number).model)
        now = self._now()
        proposal = _get(connection, number).as_of(now)
        if proposal.state != "pending":
            raise SettledProposalError(proposal)
        answered = replace(proposal, state=state, answered_by=actor, answer=reason, answered_at=now)
        if state != "approved":
            return _put(connection, answered), None
        try:
            move = decisions.append_move(
                connection,
                now,
                proposal.model,
                proposal.alias,
                proposal.to_release,
                expected_generation=proposal.expected_generation,
                actor=actor,
                reason=f"approved ({reason}): {proposal.reason}",
                incident=proposal.incident,
            )
        except StaleAliasError as error:
            stale = replace(answered, state="stale", answer=str(error))
            raise SettledProposalError(stale) from error
        return _put(connection, replace(answered, generation=move.generation)), move

    def _kept(self, settled: Proposal) -> Proposal:
        """Keep how a proposal was found to have ended; as who found it first has it.

        In a transaction apart: whoever answered did not do what they wanted, and the audit must not
        say so. In between nobody can end it otherwise, as time and generations only grow.
        """
        with self._database.ending_with(None).write() as connection:
            queries.lock_model(connection, settled.model)
            known = _get(connection, settled.id)
            return _put(connection, settled) if known.state == "pending" else known


def _get(connection: Connection, number: int) -> Proposal:
    found = queries.proposals_where(connection, proposals.c.id == number)
    if not found:
        raise UnknownProposalError(number)
    return found[0]


def _put(connection: Connection, proposal: Proposal) -> Proposal:
    mine = proposals.c.id == proposal.id
    connection.execute(update(proposals).where(mine).values(**asdict(proposal)))
    return proposal
