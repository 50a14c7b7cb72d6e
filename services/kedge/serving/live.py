"""The release that serves: loaded beside the one it replaces, then swapped in one assignment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from kedge.registry import Registry
from kedge.sdk import Follower, LiveRelease, PredictionLogger
from kedge.serving.code import Features, InferenceCode, load_code

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A release whose model and code are in memory."""

    release: LiveRelease
    code: InferenceCode
    model: Any

    def predict(
        self,
        instances: Sequence[Mapping[str, Any]],
        log: PredictionLogger,
        *,
        ids: Sequence[str] | None = None,
        event_times: Sequence[int] | None = None,
    ) -> tuple[list[str], list[Any]]:
        """Ids and outputs of some requests, each logged as of this release.

        Whatever the inference code raises is logged as an error of the request and raised again.
        """
        started = time.perf_counter()
        features: list[Features] = []
        filled: list[tuple[str, ...]] = []
        outputs: Sequence[Any] = ()
        error: str | None = None
        try:
            for instance in instances:
                prepared = self.code.prepare(instance)
                row, names = prepared if isinstance(prepared, tuple) else (prepared, ())
                features.append(row)
                filled.append(tuple(names))
            outputs = _one_each(self.code.predict(self.model, features), len(instances))
        except Exception as caught:
            error = type(caught).__name__
            raise
        finally:
            latency = (time.perf_counter() - started) * 1000 / max(len(instances), 1)
            logged = [
                log.prediction(
                    # What can't be prepared is logged as it came.
                    features[i] if i < len(features) else dict(instance),
                    outputs[i] if error is None else {},
                    id=None if ids is None else ids[i],
                    event_time=None if event_times is None else event_times[i],
                    imputed=filled[i] if i < len(filled) else (),
                    latency_ms=latency,
                    error=error,
                    release=self.release,
                )
                for i, instance in enumerate(instances)
            ]
        return logged, list(outputs)


def _one_each(outputs: Sequence[Any], rows: int) -> Sequence[Any]:
    if len(outputs) != rows:
        raise ValueError(f"predict gave {len(outputs)} outputs for {rows} rows")
    return outputs


class LiveModel:
    """Always holds the release that the alias points at, or the last one that could be loaded.

    Raises:
        KedgeError: the first release can't be loaded.
    """

    def __init__(self, follower: Follower, registry: Registry, first: LiveRelease) -> None:
        self._follower, self._registry = follower, registry
        self.failure: str | None = None
        self.current = self._load(first)
        follower.on_change(self._swap)
        # The alias may have moved between the first look and the subscription.
        if follower.live != first:
            self._swap(follower.live)

    def _swap(self, release: LiveRelease) -> None:
        """On the follower's thread, so no request waits; those under way end with the old one."""
        if release == self.current.release:
            return
        try:
            self.current = self._load(release)
        except Exception as error:  # noqa: BLE001 - foreign code may raise anything
            # Serving the old release beats serving nothing; /health says so.
            self.failure = f"release {release.number} can't be loaded: {error}"
            _log.exception("swap_failed", release=release.number)
            return
        self.failure = None
        _log.info("swapped", release=release.number, generation=release.generation)

    def _load(self, release: LiveRelease) -> Loaded:
        code = load_code(self._registry.bundle(release.code_version), release.code_version)
        model = code.load(self._registry.artifact(release.model_version))
        return Loaded(release, code, model)
