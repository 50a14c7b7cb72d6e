"""Registries, artifacts and references for the tests."""

from __future__ import annotations

from contextlib import contextmanager

from sqlalchemy import create_engine, make_url, text

from kedge.contracts import columns_of
from kedge.profile import reference_of
from kedge.registry import Registry


def a_reference(*values):
    rows = [{"x": value, "carrier": "AA"} for value in values or (1.0, 2.0, None)]
    return reference_of(columns_of(rows, "feature"))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@contextmanager
def plain_connection(settings):
    """A connection to the registry's database as anybody could open it, not by Kedge."""
    url = make_url(settings.registry_url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("PRAGMA foreign_keys = ON"))
        yield connection
    engine.dispose()


@contextmanager
def released(settings, numbers=3, **options):
    """A registry with model `m` and releases 1 to `numbers`, that differ in the code."""
    with Registry.open(settings, **options) as registry:
        release(registry, settings.home / "source", numbers)
        yield registry


def release(registry, aside, numbers):
    """Make releases 1 to `numbers` of model `m`, from files in the folder `aside`."""
    artifact = write(aside / "model.json", "{}")
    version = registry.register_model("m", artifact, a_reference(), actor="a")
    for number in range(1, numbers + 1):
        code = write(aside / f"{number}" / "inference.py", f"NUMBER = {number}\n")
        bundle = registry.register_code("m", code, actor="a")
        registry.create_release("m", version.id, bundle.id, actor="a", reason=f"r{number}")
