"""The registry's database: SQLite in WAL mode by default, PostgreSQL by its URL."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random

from kedge.errors import KedgeError
from kedge.registry import schema
from kedge.settings import Settings

_BUSY_TIMEOUT = 30.0
"""Seconds to wait for another writer; `?timeout=` in the URL says otherwise."""

_BEGIN = "kedge_begin"
"""Execution option: how a transaction begins on SQLite; empty for none at all."""


class DatabaseUnavailableError(KedgeError):
    """The database is locked, away, or none at all; waiting may help."""


class Database:
    """Transactions on the registry's database. Threads may share one; processes must not."""

    def __init__(self, url: str) -> None:
        """Connect at the first use.

        Raises:
            KedgeError: the URL names no database that can be used here.
        """
        try:
            parsed = make_url(url)
            self._engine = _engine(parsed)
        except OSError as error:
            raise KedgeError(f"the registry's folder can't be made: {error}") from error
        except (ArgumentError, ImportError) as error:
            raise KedgeError(
                f"the registry's URL can't be used: {error}. KEDGE_REGISTRY__URL takes a "
                "SQLAlchemy URL, for example sqlite:////var/lib/kedge/registry.db or "
                "postgresql://kedge@db.example.com/kedge, which needs pip install 'kedge[postgres]'"
            ) from error
        self._reader = self._engine
        if self._engine.dialect.name == "postgresql":
            # By default, each of its statements would see another state.
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._writer = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        self._name = parsed.render_as_string(hide_password=True)
        self._last: Callable[[Connection], None] | None = None

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The database of the settings, its tables made where they are missing.

        SQLite's are brought up to date as well: nobody else can be using them with an older Kedge.

        Raises:
            DatabaseUnavailableError: it can't be reached.
            KedgeError: the URL names no database that can be used here, or its tables are of
                another version of Kedge.
        """
        database = cls(settings.registry_url)
        try:
            with database._explained():
                _use_wal(database._engine)
            database._make_current()
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of everything."""
        with self._explained(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is the only writing one from its start, where SQLite runs it.

        Other databases need a row to lock: see `queries.lock_model`.
        """
        with self._explained(), self._writer.begin() as connection:
            yield connection
            if self._last is not None:
                self._last(connection)

    def ending_with(self, last: Callable[[Connection], None] | None) -> Self:
        """The same database, where `last` is done in each writing transaction before its end.

        None for nothing.
        """
        other = copy.copy(self)
        other._last = last  # noqa: SLF001 - it is one of us
        return other

    def upgrade(self) -> bool:
        """Bring the tables up to date; False when they are."""
        with self.read() as connection:
            if schema.state(connection) == "current":
                return False
        with self.write() as connection:
            schema.upgrade(connection)
        return True

    def _make_current(self) -> None:
        with self.read() as connection:
            state = schema.state(connection)
        if state == "newer":
            raise KedgeError(
                f"the registry at {self._name} was made by a newer Kedge, and this one does not "
                "know its tables: install that version here too"
            )
        if state == "older" and self._engine.dialect.name != "sqlite":
            raise KedgeError(
                f"the registry at {self._name} was made by an older Kedge: stop what uses it, make "
                "a backup, and run `kedge registry upgrade`"
            )
        self.upgrade()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            # A broken constraint, say, is a bug or a lost race, and no outage.
            if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
                raise
            raise DatabaseUnavailableError(
                f"the registry at {self._name} can't be used: {error.orig}. "
                "See KEDGE_REGISTRY__URL and KEDGE_HOME"
            ) from error


def _engine(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        # A connection that a restarted server has closed is replaced, not handed out.
        return create_engine(url, pool_pre_ping=True)
    if url.database:
        Path(url.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    timeout = {} if "timeout" in url.query else {"timeout": _BUSY_TIMEOUT}
    engine = create_engine(url, connect_args=timeout)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # Python's driver begins transactions late and never IMMEDIATE: `_begin` does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes then could be overtaken between the two, and fail
    # however long it waits. One that will write takes the lock at once.
    statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)


def _busy(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, OperationalError) else None
    return (
        isinstance(cause, sqlite3.OperationalError)
        and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )


@retry(
    retry=retry_if_exception(_busy),
    stop=stop_after_delay(_BUSY_TIMEOUT),
    wait=wait_random(0, 0.1),
    reraise=True,
)
def _use_wal(engine: Engine) -> None:
    """Let readers and a writer work at once; the file remembers it.

    While another process does this, SQLite answers "locked" at once, whatever the timeout.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect().execution_options(**{_BEGIN: ""}) as connection:
            if connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete":
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
