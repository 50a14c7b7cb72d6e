"""The release that serves: loaded beside the one it replaces, then swapped in one assignment."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from kedge.registry import Registry
from kedge.sdk import Follower, LiveRelease, NoReleaseError, PredictionLogger
from kedge.serving.code import Features, InferenceCode, load_code
from kedge.serving.signature import SignatureCheck

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A release whose model and code are in memory."""

    release: LiveRelease
    code: InferenceCode
    model: Any
    signature: SignatureCheck

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
            self.signature.count(features)
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

    Args:
        follower: of the alias.
        registry: has the artifacts and bundles.
        first: the release to begin with; None to begin with none if the alias has none.

    Attributes:
        loaded: what serves; None before there is anything.
        failure: why what the alias points at does not serve; None where it does.

    Raises:
        KedgeError: the first release can't be loaded.
    """

    def __init__(
        self, follower: Follower, registry: Registry, first: LiveRelease | None = None
    ) -> None:
        self._registry = registry
        self._swapping = threading.Lock()
        self.failure: str | None = None
        self.loaded = None if first is None else self._load(first)
        follower.on_change(self._swap)
        # The alias may have moved between the first look and the subscription.
        with suppress(NoReleaseError):
            self._swap(follower.live)

    @property
    def current(self) -> Loaded:
        """What serves.

        Raises:
            NoReleaseError: nothing could be loaded yet.
        """
        if self.loaded is None:
            raise NoReleaseError(self.failure or "no release is live yet")
        return self.loaded

    def _swap(self, release: LiveRelease) -> None:
        """On the follower's thread, so no request waits; those under way end with the old one."""
        with self._swapping:
            if self.loaded is None or release.generation > self.loaded.release.generation:
                self._load_instead(release)

    def _load_instead(self, release: LiveRelease) -> None:
        try:
            self.loaded = self._load(release)
        except Exception as error:  # noqa: BLE001 - foreign code may raise anything
            # Serving the old release beats serving nothing; /health says so.
            self.failure = f"release {release.number} can't be loaded: {error}"
            _log.exception("swap_failed", release=release.number)
            return
        self.failure = None
        _log.info("swapped", release=release.number, generation=release.generation)

    def _load(self, release: LiveRelease) -> Loaded:
        version = self._registry.model_version(release.model, release.model_version)
        artifact = self._registry.loadable_artifact(version)
        code = load_code(self._registry.bundle(release.code_version), release.code_version)
        check = SignatureCheck(version.signature, release.number)
        return Loaded(release, code, code.load(artifact), check)
