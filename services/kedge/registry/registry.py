"""The registry: one object for all that is registered, released and pointed at."""

from __future__ import annotations

import copy
from dataclasses import asdict
from types import TracebackType
from typing import Self

from sqlalchemy import insert, select

from kedge.clock import Clock, microseconds_now
from kedge.registry import decisions, events, queries
from kedge.registry.audit import Act, Audit
from kedge.registry.comparison import Difference, Released, differences
from kedge.registry.content_stores import open_contents
from kedge.registry.database import Database
from kedge.registry.deletion import Deletions
from kedge.registry.entries import AliasMove, Proposal, Refusal, Release
from kedge.registry.errors import (
    BadNameError,
    NothingBeforeError,
    ProposedIncidentError,
    RefusedIncidentError,
)
from kedge.registry.history import release_before
from kedge.registry.listings import Listings
from kedge.registry.names import checked_name, checked_text
from kedge.registry.proposals import Proposals
from kedge.registry.silences import Silences
from kedge.registry.tables import code_versions, model_versions, refusals, releases
from kedge.registry.tokens import Tokens
from kedge.settings import Settings


class Registry(Deletions):
    """Models, code versions, releases and aliases; and silences.

    Every method is one transaction. Threads may share a registry; a process that forks opens
    another in the child. Every method may raise `DatabaseUnavailableError`, and a subclass of
    `KedgeError` for names that are not there.
    """

    @classmethod
    def open(cls, settings: Settings, *, now: Clock = microseconds_now) -> Self:
        """The registry of the settings, made if it is not there.

        Args:
            settings: where it lies.
            now: microseconds since 1970 UTC.
        """
        contents = open_contents(settings.artifacts, settings.home / "artifact-cache")
        return cls(Database.open(settings), contents, now)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def audited(self, act: Act) -> Self:
        """This registry, where every change is written to the audit in the change's transaction."""
        other = copy.copy(self)
        ending = Audit.writer(act, self._now)
        other._database = self._database.ending_with(ending)  # noqa: SLF001 - it is one of us
        return other

    @property
    def audit(self) -> Audit:
        """Who changed what."""
        return Audit(self._database, self._now)

    @property
    def tokens(self) -> Tokens:
        """What the HTTP API is asked with."""
        return Tokens(self._database, self._now)

    @property
    def listings(self) -> Listings:
        """Everything in the registry, a page at a time."""
        return Listings(self._database, self._now)

    @property
    def silences(self) -> Silences:
        """What webhooks say nothing about."""
        return Silences(self._database, self._now)

    # Releases

    def create_release(
        self, model: str, model_version: str, code_version: str, *, actor: str, reason: str = ""
    ) -> Release:
        """Pair a model version and a code version under the model's next number.

        A number is never given twice, even where its release was deleted.

        Args:
            model: name of the model.
            model_version: its id, which may be cut short to six characters or more.
            code_version: likewise.
            actor: who does it.
            reason: why.
        """
        actor = checked_text(actor, "actor", required=True)
        reason = checked_text(reason, "reason")
        with self._database.write() as connection:
            queries.lock_model(connection, model)
            release = Release(
                model,
                queries.last_number(connection, model) + 1,
                queries.version_id(connection, model_versions, model_version, model),
                queries.version_id(connection, code_versions, code_version, model),
                self._now(),
                actor,
                reason,
            )
            connection.execute(insert(releases).values(**asdict(release)))
            reference = connection.scalars(
                select(model_versions.c.reference).where(
                    model_versions.c.model == model, model_versions.c.id == release.model_version
                )
            ).one()
            events.add_release(connection, release, reference)
            return release

    def release(self, model: str, number: int) -> Release:
        with self._database.read() as connection:
            return queries.release(connection, model, number)

    def releases(self, model: str) -> list[Release]:
        """Every release of a model, the oldest first."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            rows = connection.execute(
                select(releases).where(releases.c.model == model).order_by(releases.c.number)
            )
            return [Release(**row._asdict()) for row in rows]

    def compare(self, model: str, before: int, after: int) -> list[Difference]:
        """What changed from one release to another; empty where they pair the same versions."""
        return list(differences(*(self._released(model, number) for number in (before, after))))

    def _released(self, model: str, number: int) -> Released:
        release = self.release(model, number)
        return Released(
            release,
            self.model_version(model, release.model_version),
            self.code_version(model, release.code_version),
        )

    # Aliases

    def move_alias(
        self,
        model: str,
        alias: str,
        to_release: int,
        *,
        expected_generation: int,
        actor: str,
        reason: str,
        incident: str | None = None,
        share: float | None = None,
    ) -> AliasMove:
        """Point an alias at a release, if nobody moved it since the caller looked.

        Args:
            model: name of the model.
            alias: name of the alias; see `names.NAME_PATTERN`.
            to_release: number of the release. It may be where the alias points already: that is a
                move as well.
            expected_generation: of the move that the caller knows as the latest; 0 for none yet.
            actor: who does it.
            reason: why.
            incident: what the move answers. An incident is decided once: the second call gives
                the first call's move, whatever it asked for.
            share: of the traffic, from 0 to 1, that the release gets as a canary; by default the
                alias keeps the one it has.

        Raises:
            BadNameError: the share is not from 0 to 1.
            StaleAliasError: the alias is at another generation; nothing was moved.
            IncidentConflictError: the incident has moved another alias.
            RefusedIncidentError: it was refused to move anything for the incident.
            ProposedIncidentError: a person is, or was, asked about the incident.
        """
        checked_name(alias, "an alias")
        actor = checked_text(actor, "actor", required=True)
        reason = checked_text(reason, "reason")
        if share is not None and not 0 <= share <= 1:
            raise BadNameError(f"a share of {share:g} can't be: give a number from 0 to 1")
        if incident is not None:
            incident = checked_text(incident, "incident", required=True)
        with self._database.write() as connection:
            queries.lock_model(connection, model)
            if incident is not None:
                decided = decisions.decided(connection, model, alias, incident)
                if isinstance(decided, Refusal):
                    raise RefusedIncidentError(decided)
                if isinstance(decided, Proposal):
                    raise ProposedIncidentError(decided)
                if decided is not None:
                    return decided
            return decisions.append_move(
                connection,
                self._now(),
                model,
                alias,
                to_release,
                expected_generation=expected_generation,
                actor=actor,
                reason=reason,
                incident=incident,
                share=share,
            )

    def move_back(self, model: str, alias: str, *, actor: str, reason: str) -> AliasMove:
        """Point an alias at the release that it was on before; see `history.release_before`.

        Raises:
            NothingBeforeError: it was on no other release before.
            StaleAliasError: somebody else moved it at the same time; nothing was moved.
        """
        self.live(model, alias)
        moves = self.history(model, alias)
        before = release_before(moves)
        if before is None:
            raise NothingBeforeError(moves[-1])
        return self.move_alias(
            model,
            alias,
            before,
            expected_generation=moves[-1].generation,
            actor=actor,
            reason=reason,
        )

    def refuse(
        self,
        model: str,
        alias: str,
        incident: str,
        *,
        actor: str,
        reason: str,
        answer: AliasMove | None = None,
    ) -> AliasMove | Refusal | Proposal:
        """Decide that an incident moves no alias, unless it was decided on before.

        Args:
            model: name of the model.
            alias: name of the alias, which need not exist.
            incident: what is refused. It is decided once: the second call gives the first call's
                refusal, whatever its reason.
            actor: who does it.
            reason: why.
            answer: the latest move of this alias that was made for another incident, where this
                is why.

        Returns:
            What holds from now on: the refusal, or the move or the proposal that was made for the
            incident before.

        Raises:
            IncidentConflictError: the incident has moved another alias.
        """
        checked_name(alias, "an alias")
        incident = checked_text(incident, "incident", required=True)
        actor = checked_text(actor, "actor", required=True)
        reason = checked_text(reason, "reason", required=True)
        with self._database.write() as connection:
            queries.lock_model(connection, model)
            decided = decisions.decided(connection, model, alias, incident)
            if decided is not None:
                return decided
            refusal = Refusal(
                incident,
                model,
                alias,
                answer.generation if answer else None,
                answer.to_release if answer else None,
                actor,
                reason,
                self._now(),
            )
            connection.execute(insert(refusals).values(**asdict(refusal)))
            return refusal

    @property
    def proposals(self) -> Proposals:
        """Rollbacks that a person is asked about."""
        return Proposals(self._database, self._now)

    def refusal(self, incident: str) -> Refusal | None:
        """The refusal to move anything for an incident; None where there is none."""
        with self._database.read() as connection:
            return queries.refusal_of(connection, incident)

    def refusals(self, model: str, alias: str) -> list[Refusal]:
        """Every refusal to move an alias, the oldest first."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            return queries.refusals_of_alias(connection, model, alias)

    def alias(self, model: str, alias: str) -> AliasMove | None:
        """The latest move of an alias; None if it was never moved."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            return next(iter(queries.latest_moves(connection, model, alias)), None)

    def aliases(self, model: str) -> list[AliasMove]:
        """The latest move of each alias of a model, by name."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            return queries.latest_moves(connection, model)

    def live(self, model: str, alias: str) -> Release:
        """The release that an alias points at.

        Raises:
            UnknownAliasError: the alias was never moved.
        """
        with self._database.read() as connection:
            queries.require_model(connection, model)
            move = queries.require_alias(connection, model, alias)
            return queries.release(connection, model, move.to_release)

    def history(self, model: str, alias: str) -> list[AliasMove]:
        """Every move of an alias, the oldest first; empty if it was never moved."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            return queries.moves(connection, model, alias)
