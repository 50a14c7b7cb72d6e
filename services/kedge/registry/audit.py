"""The audit: who changed what, or was refused to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import Connection, insert, select

from kedge.clock import Clock
from kedge.registry.database import Database
from kedge.registry.tables import audit

Result = Literal["done", "refused"]


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody's attempt to change something.

    Attributes:
        actor: who: the name of a token, or of a user of the shell.
        action: what, for example `move_alias`.
        target: of what, for example a path of the HTTP API.
        request: id of the HTTP request.
    """

    actor: str
    action: str
    target: str
    request: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An act and what came of it.

    Attributes:
        sequence: grows with every entry; a gap is no loss.
        at: when, microseconds since 1970 UTC.
        result: `done`, or `refused` with nothing changed.
        detail: why it was refused; empty where it was done.
    """

    sequence: int
    at: int
    actor: str
    action: str
    target: str
    request: str | None
    result: Result
    detail: str


class Audit:
    """Entries are appended and never changed."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database, self._now = database, now

    @staticmethod
    def writer(act: Act, now: Clock) -> Callable[[Connection], None]:
        """What writes that an act was done, in the transaction that does it."""
        return lambda connection: _write(connection, act, now(), "done", "")

    def refused(self, act: Act, detail: str) -> None:
        """Write that an act was refused."""
        with self._database.write() as connection:
            _write(connection, act, self._now(), "refused", detail)

    def newest(self, limit: int) -> list[AuditEntry]:
        """The newest entries, the newest first."""
        statement = select(audit).order_by(audit.c.sequence.desc()).limit(limit)
        with self._database.read() as connection:
            return [AuditEntry(**row._asdict()) for row in connection.execute(statement)]


def _write(connection: Connection, act: Act, at: int, result: Result, detail: str) -> None:
    connection.execute(insert(audit).values(**asdict(act), at=at, result=result, detail=detail))
