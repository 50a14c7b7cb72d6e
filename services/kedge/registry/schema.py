"""Whether a database has the registry's tables as this version needs them, and how it gets them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from kedge.registry.tables import models

State = Literal["empty", "older", "current", "newer"]

_FIRST = "0001"
_LOCK = 0x6B65646765  # "kedge": which of PostgreSQL's advisory locks


def state(connection: Connection) -> State:
    """What the database holds."""
    found = _revision(connection)
    if found is None:
        return "older" if _unversioned(connection) else "empty"
    script = ScriptDirectory.from_config(_config())
    if found == script.get_current_head():
        return "current"
    known = {step.revision for step in script.walk_revisions()}
    return "older" if found in known else "newer"


def upgrade(connection: Connection) -> None:
    """Make the tables, or bring older ones up to date, in the caller's transaction.

    Of processes that do this at once, one does it, and the others find it done.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    if _unversioned(connection):
        command.stamp(config, _FIRST)
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _unversioned(connection: Connection) -> bool:
    """Whether it was made before its tables had versions."""
    return _revision(connection) is None and inspect(connection).has_table(models.name)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
