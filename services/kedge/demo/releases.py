"""The releases of the story: trained, registered, and pointed at."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from pathlib import Path

from kedge.demo.chapters import MODELS, Ships
from kedge.demo.flights import Flights
from kedge.demo.stage import ALIAS, MODEL
from kedge.demo.training import train
from kedge.profile import Reference
from kedge.registry import Registry, Release
from kedge.serving.code import load_code

_ACTOR = "demo"


class Releases:
    """Makes releases as they ship.

    Args:
        registry: where they are registered.
        store: folder of the registry's artifacts.
        home: where models are written before.
    """

    def __init__(self, registry: Registry, store: Path, home: Path) -> None:
        self._registry, self._store, self._home = registry, store, home
        self._trained: dict[str, tuple[Path, Reference]] = {}

    def train(self, name: str, flights: Flights) -> None:
        """Train one of `MODELS`, ahead of its time: the traffic would have to wait for it."""
        training, artifact = MODELS[name], self._home / f"{name}.json"
        chosen = list(flights.between(training.since, training.until))
        with _code("first") as bundle:
            code = load_code(bundle, "training")
            reference = train(chosen, code, artifact, shuffled=training.shuffled)
        self._trained[name] = artifact, reference

    def ship(self, ships: Ships, reason: str) -> Release:
        """Register what is new of a release, and point the alias at it."""
        artifact, reference = self._trained[ships.model]
        version = self._registry.register_model(MODEL, artifact, reference, actor=_ACTOR)
        with _code(ships.code) as bundle:
            code = self._registry.register_code(MODEL, bundle, actor=_ACTOR)
        release = self._registry.create_release(
            MODEL, version.id, code.id, actor=_ACTOR, reason=reason
        )
        current = self._registry.alias(MODEL, ALIAS)
        self._registry.move_alias(
            MODEL,
            ALIAS,
            release.number,
            expected_generation=current.generation if current else 0,
            actor=_ACTOR,
            reason=reason,
        )
        return release

    def current(self) -> Release:
        """What the alias points at."""
        return self._registry.live(MODEL, ALIAS)

    def stored(self) -> tuple[int, int]:
        """Bytes of the artifact store: those of code, and all others."""
        bundles = {
            code.bundle: self._registry.bundle(code.id, model=MODEL)
            for code in self._registry.code_versions(MODEL)
        }
        code = sum(map(_bytes_of, bundles.values()))
        return code, _bytes_of(self._store) - code


def _bytes_of(path: Path) -> int:
    here = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in here if file.is_file())


def _code(name: str) -> AbstractContextManager[Path]:
    return as_file(files("kedge.demo") / "code" / name)
