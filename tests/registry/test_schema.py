"""The steps that make the tables, held against the tables that the code uses."""

import json
from contextlib import closing

import pytest
import typer
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from typer.testing import CliRunner

from kedge.cli import registry as registry_cli
from kedge.errors import KedgeError
from kedge.registry import Registry
from kedge.registry.database import Database
from kedge.registry.tables import metadata
from registry.building import plain_connection, released


def _revise(home, statement):
    with plain_connection(home) as connection:
        connection.execute(text(statement))


def test_the_steps_make_the_tables_of_the_code(home):
    with Registry.open(home), plain_connection(home) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_what_a_newer_kedge_made_is_left_alone(home):
    with released(home):
        pass
    _revise(home, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(KedgeError, match="made by a newer Kedge"):
        Registry.open(home)


def test_tables_from_before_they_had_versions_are_taken_as_they_are(home, monkeypatch):
    with released(home) as registry:
        before = registry.releases("m")
    _revise(home, "DROP TABLE alembic_version")
    monkeypatch.setenv("KEDGE_REGISTRY__URL", home.registry_url)
    app = typer.Typer()
    registry_cli.add_to(app)
    if home.registry_url.startswith("postgresql"):
        with pytest.raises(KedgeError, match="run `kedge registry upgrade`"):
            Registry.open(home)
    for changed in (True, False):
        told = CliRunner().invoke(app, ["registry", "upgrade", "--json"], catch_exceptions=False)
        assert json.loads(told.stdout) == {"upgraded": changed}
    with Registry.open(home) as registry:
        assert registry.releases("m") == before


@pytest.mark.parametrize("home", ["postgresql"], indirect=True)
def test_a_server_that_closed_the_connections_is_asked_again(home):
    with closing(Database.open(home)) as database, plain_connection(home) as other:
        other.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        with database.read() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
