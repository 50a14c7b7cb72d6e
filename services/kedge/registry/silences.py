"""Silences: which alerts nobody wants to be told of, for a while."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, insert, select
from sqlalchemy.exc import IntegrityError

from kedge.clock import Clock
from kedge.policy import Matchers
from kedge.registry.database import Database
from kedge.registry.entries import Silence
from kedge.registry.errors import SilenceError, UnknownSilenceError
from kedge.registry.names import checked_text
from kedge.registry.tables import silence_expiries, silences

EVERY_SILENCE = select(
    silences, silence_expiries.c.expired_at, silence_expiries.c.expired_by
).outerjoin(silence_expiries, silence_expiries.c.silence == silences.c.id)


class Silences:
    """The part of the registry that says what webhooks are silent about.

    Silences are made and expired, never changed and never deleted.
    """

    def __init__(self, database: Database, now: Clock) -> None:
        self._database, self._now = database, now

    def create(
        self,
        matchers: Matchers,
        *,
        ends_at: int,
        author: str,
        comment: str,
        starts_at: int | None = None,
    ) -> Silence:
        """Silence the alerts that match.

        Args:
            matchers: on the labels of the alerts.
            ends_at: when it is over; microseconds since 1970 UTC.
            author: who wants it.
            comment: why.
            starts_at: when it begins; now by default.

        Raises:
            SilenceError: it would be over before it begins, or is over already.
        """
        author = checked_text(author, "author", required=True)
        comment = checked_text(comment, "comment", required=True)
        now = self._now()
        starts_at = now if starts_at is None else starts_at
        if ends_at <= max(starts_at, now):
            raise SilenceError(
                "a silence has to end after it begins, and after now: nothing was silenced"
            )
        values = {
            "matchers": json.dumps(matchers.given),
            "starts_at": starts_at,
            "ends_at": ends_at,
            "author": author,
            "comment": comment,
            "created_at": now,
        }
        with self._database.write() as connection:
            made = connection.execute(insert(silences).values(**values))
            assert made.inserted_primary_key is not None
            return _silence(connection, made.inserted_primary_key[0])

    def expire(self, number: int, *, actor: str) -> Silence:
        """End a silence now. One that was expired before, or is over, stays as it is.

        Raises:
            UnknownSilenceError: there is none of this number.
        """
        actor = checked_text(actor, "actor", required=True)
        with self._database.write() as connection:
            found, now = _silence(connection, number), self._now()
            if found.expired_at is not None or found.ends_at <= now:
                return found
            try:
                with connection.begin_nested():
                    connection.execute(
                        insert(silence_expiries).values(
                            silence=number, expired_at=now, expired_by=actor
                        )
                    )
            except IntegrityError:
                pass  # somebody else was quicker
            return _silence(connection, number)

    def get(self, number: int) -> Silence:
        """A silence by its number.

        Raises:
            UnknownSilenceError: there is none.
        """
        with self._database.read() as connection:
            return _silence(connection, number)

    def find(self, *, active_at: int | None = None) -> list[Silence]:
        """Every silence there ever was, the oldest first, or those in force at a moment.

        Args:
            active_at: microseconds since 1970 UTC.
        """
        chosen = EVERY_SILENCE.order_by(silences.c.id)
        if active_at is not None:
            chosen = chosen.where(silences.c.starts_at <= active_at, silences.c.ends_at > active_at)
        with self._database.read() as connection:
            found = [silence_of(row) for row in connection.execute(chosen)]
        return [each for each in found if active_at is None or each.is_active(active_at)]


def _silence(connection: Connection, number: int) -> Silence:
    row = connection.execute(EVERY_SILENCE.where(silences.c.id == number)).one_or_none()
    if row is None:
        raise UnknownSilenceError(number)
    return silence_of(row)


def silence_of(row: Row[Any]) -> Silence:
    """The silence of a row of `EVERY_SILENCE`."""
    values = row._asdict()
    matchers = Matchers(**json.loads(values.pop("matchers")))
    return Silence(matchers=matchers, **values)
