"""The steps that make the tables, held against the tables that the code uses."""

import json
from contextlib import closing
from functools import partial

import pytest
import typer
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from typer.testing import CliRunner

from kedge.cli import registry as registry_cli
from kedge.errors import KedgeError
from kedge.registry import Registry, schema
from kedge.registry.addresses import reference_text
from kedge.registry.database import Database
from kedge.registry.tables import metadata
from registry.building import a_reference, plain_connection, released


def _revise(home, statement):
    with plain_connection(home) as connection:
        connection.exec_driver_sql(statement)


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


@pytest.fixture
def first(home):
    """What an earlier Kedge left: the tables of the first step, with a rollback in them."""
    with closing(Database(home.registry_url)) as database, database.write() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    reference = reference_text(a_reference())
    for statement in (
        "INSERT INTO models VALUES ('m')",
        f"INSERT INTO model_versions VALUES ('m', 'v', '{'0' * 64}', '{reference}', 1, 'a')",
        "INSERT INTO code_versions VALUES ('m', 'c', 'c', NULL, 2, 'a')",
        "INSERT INTO releases VALUES ('m', 1, 'v', 'c', 3, 'a', 'r1')",
        "INSERT INTO releases VALUES ('m', 2, 'v', 'c', 4, 'a', 'r2')",
        "INSERT INTO alias_moves VALUES ('m', 'production', 1, NULL, NULL, 2, 'a', '', NULL, 5)",
    ):
        _revise(home, statement)
    _revise(home, "INSERT INTO alias_moves VALUES ('m', 'production', 2, 1, 2, 1, 'b', '', 'i', 9)")
    return home


def _upgrade(home, monkeypatch):
    """What the command says each time: whether it changed something."""
    monkeypatch.setenv("KEDGE_REGISTRY__URL", home.registry_url)
    app = typer.Typer()
    registry_cli.add_to(app)
    if home.registry_url.startswith("postgresql"):
        with pytest.raises(KedgeError, match="run `kedge registry upgrade`"):
            Registry.open(home)
    for changed in (True, False):
        told = CliRunner().invoke(app, ["registry", "upgrade", "--json"], catch_exceptions=False)
        assert json.loads(told.stdout) == {"upgraded": changed}


@pytest.mark.parametrize("versioned", [True, False])
def test_the_tables_of_an_earlier_kedge_are_upgraded_with_what_is_in_them(
    first, monkeypatch, versioned
):
    if not versioned:
        _revise(first, "DROP TABLE alembic_version")
    _upgrade(first, monkeypatch)
    with Registry.open(first) as registry:
        assert [release.reason for release in registry.releases("m")] == ["r1", "r2"]
        deployed, back = registry.history("m", "production")
        assert (deployed.to_release, back.to_release, back.incident) == (2, 1, "i")
        refuse = partial(registry.refuse, "m", "production", actor="a", reason="why")
        assert refuse("i") == back
        refusal = refuse("j")
        assert registry.refusals("m", "production") == [refusal]
    with plain_connection(first) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_sqlite_is_upgraded_by_whoever_opens_it(first):
    with Registry.open(first) as registry:
        refusal = registry.refuse("m", "production", "j", actor="a", reason="why")
        assert registry.refusals("m", "production") == [refusal]


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
