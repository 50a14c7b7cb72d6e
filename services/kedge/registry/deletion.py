"""Deletion: of what no alias and no history needs; it is kept who deleted what, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, insert, select
from sqlalchemy.exc import IntegrityError

from kedge.registry import queries
from kedge.registry.entries import Deletion
from kedge.registry.errors import StillNeededError, short
from kedge.registry.names import checked_text
from kedge.registry.tables import alias_moves, code_versions, deletions, model_versions, releases
from kedge.registry.versions import Versions


class Deletions(Versions):
    """The part of the registry that forgets."""

    def delete_release(self, model: str, number: int, *, actor: str, reason: str) -> Deletion:
        """Delete a release that no alias has ever pointed at. Its number is not given again.

        What was logged as of it stays as it is, and so does its event on the stream.

        Raises:
            StillNeededError: an alias points at it, or did.
        """
        actor, reason = _checked(actor, reason)
        with self._database.write() as connection:
            queries.lock_model(connection, model)
            queries.release(connection, model, number)
            moves = connection.execute(
                select(alias_moves.c.alias, alias_moves.c.generation)
                .where(alias_moves.c.model == model, alias_moves.c.to_release == number)
                .order_by(alias_moves.c.alias, alias_moves.c.generation)
            ).all()
            if moves:
                raise StillNeededError(
                    f"release {number} of `{model}`",
                    f"{_of_history(moves)}. History is kept for good, and what it names with it: "
                    "only a release that no alias has ever pointed at can be deleted",
                )
            mine = (releases.c.model == model) & (releases.c.number == number)
            gone = Deletion(model, releases.name, str(number), actor, reason, self._now())
            return _deleted(connection, releases, mine, gone)

    def delete_model_version(
        self, model: str, identifier: str, *, actor: str, reason: str
    ) -> Deletion:
        """Delete a model version that no release pairs.

        Its artifact goes with `collect`, where no other version has the same.

        Args:
            model: name of the model.
            identifier: may be cut short to six characters or more.
            actor: who does it.
            reason: why.

        Raises:
            StillNeededError: a release pairs it.
        """
        return self._delete_version(model_versions, model, identifier, actor, reason)

    def delete_code_version(
        self, model: str, identifier: str, *, actor: str, reason: str
    ) -> Deletion:
        """Delete a code version that no release pairs; see `delete_model_version`."""
        return self._delete_version(code_versions, model, identifier, actor, reason)

    def deletions(self, model: str) -> list[Deletion]:
        """What was deleted of a model, the oldest first."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            columns = [column for column in deletions.c if column.name != "sequence"]
            rows = connection.execute(
                select(*columns).where(deletions.c.model == model).order_by(deletions.c.sequence)
            )
            return [Deletion(**row._asdict()) for row in rows]

    def collect(self, *, older_than: float, dry_run: bool = False) -> list[str]:
        """Delete the content that no model version and no code version has.

        Args:
            older_than: seconds since content was last registered. What is younger may belong to a
                registration that is under way.
            dry_run: only say what would go.

        Returns:
            Addresses of what was deleted.
        """
        with self._database.read() as connection:
            artifacts = connection.scalars(select(model_versions.c.artifact))
            bundles = connection.scalars(select(code_versions.c.bundle))
            needed = {*artifacts, *(bundle for bundle in bundles if bundle is not None)}
        unneeded = sorted(set(self._contents.addresses(older_than)) - needed)
        if not dry_run:
            for address in unneeded:
                self._contents.delete(address)
        return unneeded

    def _delete_version(
        self, table: Table, model: str, identifier: str, actor: str, reason: str
    ) -> Deletion:
        actor, reason = _checked(actor, reason)
        column = releases.c.model_version if table is model_versions else releases.c.code_version
        with self._database.write() as connection:
            queries.lock_model(connection, model)
            full = queries.version_id(connection, table, identifier, model)
            paired = list(
                connection.scalars(
                    select(releases.c.number)
                    .where(releases.c.model == model, column == full)
                    .order_by(releases.c.number)
                )
            )
            if paired:
                raise StillNeededError(
                    f"{table.name.removesuffix('s').replace('_', ' ')} {short(full)} of `{model}`",
                    f"release {', '.join(map(str, paired))} pairs it. Delete each of these first, "
                    f"if no alias has ever pointed at it: `kedge release delete {model} NUMBER`",
                )
            mine = (table.c.model == model) & (table.c.id == full)
            gone = Deletion(model, table.name, full, actor, reason, self._now())
            return _deleted(connection, table, mine, gone)


def _deleted(
    connection: Connection, table: Table, mine: ColumnElement[bool], gone: Deletion
) -> Deletion:
    connection.execute(insert(deletions).values(**asdict(gone)))
    try:
        connection.execute(delete(table).where(mine))
    except IntegrityError as error:
        raise StillNeededError(
            f"{gone.subject} of `{gone.model}`",
            f"something in the registry refers to it: {error.orig}",
        ) from error
    return gone


def _checked(actor: str, reason: str) -> tuple[str, str]:
    return (
        checked_text(actor, "actor", required=True),
        checked_text(reason, "reason", required=True),
    )


def _of_history(moves: Iterable[Any]) -> str:
    generations: dict[str, list[str]] = {}
    for move in moves:
        generations.setdefault(move.alias, []).append(str(move.generation))
    return "; ".join(
        f"it is in the history of `{alias}` (generation {', '.join(numbers)})"
        for alias, numbers in generations.items()
    )
