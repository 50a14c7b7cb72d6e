"""Tokens of the HTTP API. Their digests are kept, they themselves are shown once.

A token is 256 bits from the system's random source, so a plain SHA-256 keeps it as safe as a slow
password hash would: there is nothing to guess (NIST SP 800-63B, 5.1.2.2, on look-up secrets).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from kedge.clock import Clock
from kedge.registry.database import Database
from kedge.registry.errors import TakenNameError, UnknownTokenError
from kedge.registry.names import checked_name, checked_text
from kedge.registry.tables import tokens

Scope = Literal["read", "operate", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "operate", "admin")
"""Each includes those before it."""

MARK = "kedge_"
"""What every token begins with, so that those who scan for leaked secrets know one."""

_SHOWN = len(MARK) + 6
_USE_NOTED_EVERY = 600_000_000
"""Microseconds: a note of each use would make a write of each read."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token. Times are microseconds since 1970 UTC.

    Attributes:
        name: what the audit calls it.
        prefix: its first letters.
        scope: what it may do: `read`, `operate` (reads and changes) or `admin` (the audit and
            tokens too).
        created_at: when it was made.
        actor: who made it.
        expires_at: from when on it is no good; None for never.
        revoked_at: from when on somebody wanted it to be no good.
        used_at: when it was used last, to ten minutes.
    """

    name: str
    prefix: str
    scope: Scope
    created_at: int
    actor: str
    expires_at: int | None
    revoked_at: int | None
    used_at: int | None

    def may(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def is_live(self, now: int) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Tokens:
    """The tokens of a registry."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database, self._now = database, now

    def create(
        self, name: str, scope: Scope, *, actor: str, lifetime: int | None = None
    ) -> tuple[str, Token]:
        """Make a token.

        Args:
            name: not used by any token before; see `names.NAME_PATTERN`.
            scope: what it may do.
            actor: who makes it.
            lifetime: microseconds until it expires; None for never.

        Returns:
            The token, which nobody can tell again, and what is known of it.

        Raises:
            TakenNameError: another token has or had the name.
        """
        checked_name(name, "a token")
        actor = checked_text(actor, "actor", required=True)
        secret = MARK + secrets.token_urlsafe(32)
        now = self._now()
        expires = None if lifetime is None else now + lifetime
        token = Token(name, secret[:_SHOWN], scope, now, actor, expires, None, None)
        try:
            with self._database.write() as connection:
                connection.execute(insert(tokens).values(digest=_digest(secret), **asdict(token)))
        except IntegrityError as error:
            raise TakenNameError(name) from error
        return secret, token

    def all(self) -> list[Token]:
        """Every token, revoked and expired ones too, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(*_KNOWN).order_by(tokens.c.name))
            return [_token(row) for row in rows]

    def any_live(self) -> bool:
        """Whether somebody can get in."""
        now = self._now()
        return any(token.is_live(now) for token in self.all())

    def revoke(self, name: str) -> Token:
        """Make a token no good from now on. One that was revoked before stays as it is.

        Raises:
            UnknownTokenError: there is none of this name.
        """
        with self._database.write() as connection:
            connection.execute(
                update(tokens)
                .where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
                .values(revoked_at=self._now())
            )
            row = connection.execute(select(*_KNOWN).where(tokens.c.name == name)).one_or_none()
            if row is None:
                raise UnknownTokenError(name)
            return _token(row)

    def live(self, secret: str) -> Token | None:
        """What is known of a token that is good; None if it is not. Notes its use."""
        now = self._now()
        mine = tokens.c.digest == _digest(secret)
        with self._database.read() as connection:
            row = connection.execute(select(*_KNOWN).where(mine)).one_or_none()
        if row is None or not (token := _token(row)).is_live(now):
            return None
        if token.used_at is None or now - token.used_at >= _USE_NOTED_EVERY:
            with self._database.write() as connection:
                connection.execute(update(tokens).where(mine).values(used_at=now))
        return token


_KNOWN = [column for column in tokens.c if column.name != "digest"]


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(**row._asdict())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
