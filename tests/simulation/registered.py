"""A real registry in SQLite, which answers a simulated process when the scheduler lets it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import select

from kedge.contracts import Tags, columns_of
from kedge.profile import reference_of
from kedge.registry import DatabaseUnavailableError, Registry
from kedge.registry.contents import ContentStore
from kedge.registry.database import Database
from kedge.registry.tables import outbox
from kedge.settings import Settings
from simulation.traffic import COLUMNS

MODELS = ("flights", "hotels")
ALIAS = "production"
_FILE = "registry.db"


@cache
def _deployed():
    """Two releases of each model, the second on the alias: made once, and copied for a schedule."""
    folder = tempfile.TemporaryDirectory(prefix="kedge-simulation-")
    home = Path(folder.name)
    (home / "model.bin").write_bytes(b"weights")
    with Registry.open(Settings(home=home)) as registry:
        for model in MODELS:
            version = registry.register_model(
                model, home / "model.bin", reference(), actor="tester"
            )
            for number, commit in enumerate(("a" * 40, "b" * 40)):
                code = registry.register_code(model, commit=commit, actor="tester")
                release = registry.create_release(model, version.id, code.id, actor="tester")
                registry.move_alias(
                    model,
                    ALIAS,
                    release.number,
                    expected_generation=number,
                    actor="tester",
                    reason="deployed",
                )
    return folder


@cache
def reference():
    rows = [{name: float(number) for name in COLUMNS} for number in range(100)]
    return reference_of(columns_of(rows, "feature"))


@cache
def tags():
    """Of every release, by model and number."""
    with Registry.open(Settings(home=Path(_deployed().name))) as registry:
        return {
            (model, each.number): Tags(
                model, each.model_version, each.code_version, each.number, "production"
            )
            for model in MODELS
            for each in registry.releases(model)
        }


@cache
def announcements():
    """Keys and values for the topic of releases, as the registry has them for its publisher."""
    database = Database(f"sqlite:///{_deployed().name}/{_FILE}")
    with closing(database), database.read() as connection:
        rows = connection.execute(select(outbox).order_by(outbox.c.sequence))
        return [(row.key.encode(), row.value) for row in rows]


@contextmanager
def copied(world):
    """A registry of this world's own."""
    deployed = Path(_deployed().name)
    with tempfile.TemporaryDirectory(prefix="kedge-simulation-") as folder:
        shutil.copyfile(deployed / _FILE, Path(folder) / _FILE)
        database = Database(f"sqlite:///{folder}/{_FILE}")
        with SimulatedRegistry(database, ContentStore(deployed), world.clock) as registry:
            registry.world = world
            yield registry


class SimulatedRegistry(Registry):
    """Others may run before and after each call; it may fail on the way there or back."""

    world = None

    def history(self, model, alias):
        self._turn(f"history of {model}")
        found = super().history(model, alias)
        self._turn("history, after it was read")
        return found

    def move_alias(self, *where, **how):
        self._turn(f"move {where} for {how.get('incident')}")
        move = super().move_alias(*where, **how)
        self._turn("move, after it was made")
        return move

    def refuse(self, *what, **how):
        self._turn(f"refuse {what}")
        decided = super().refuse(*what, **how)
        self._turn("refusal, after it was written")
        return decided

    def _turn(self, label):
        if self.world.current is None:
            return
        self.world.current.turn(label)
        self.world.perhaps_sleep()
        if self.world.faulty(0.2):
            raise DatabaseUnavailableError(f"no answer to: {label}")
