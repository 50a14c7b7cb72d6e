"""What the routes stand on, made once and given to each by dependency injection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from kedge.registry import Registry
from kedge.settings import Settings
from kedge.web.archive import ArchiveReader
from kedge.web.conservation import Conservation
from kedge.web.feed import Feed
from kedge.web.health import Health
from kedge.web.limits import RateLimits
from kedge.web.metrics import Metrics


@dataclass(slots=True)
class Backend:
    """Everything that outlives a request."""

    settings: Settings
    registry: Registry
    archive: ArchiveReader
    feed: Feed
    conservation: Conservation
    health: Health
    limits: RateLimits
    metrics: Metrics

    @classmethod
    def of(cls, settings: Settings, registry: Registry) -> Backend:
        """What the settings say, around a registry that the caller closes."""
        metrics = Metrics()
        archive = ArchiveReader(
            settings.archive_url, settings.web.query_timeout, settings.web.query_memory
        )
        return cls(
            settings,
            registry,
            archive,
            Feed(archive),
            Conservation(settings),
            Health(settings, registry, archive, metrics),
            RateLimits(settings.web.rate, settings.web.burst),
            metrics,
        )


def backend_of(request: Request) -> Backend:
    """The backend of the application that was asked."""
    backend: Backend = request.app.state.backend
    return backend


def _registry(request: Request) -> Registry:
    return backend_of(request).registry


def _archive(request: Request) -> ArchiveReader:
    return backend_of(request).archive


BackendDep = Annotated[Backend, Depends(backend_of)]
RegistryDep = Annotated[Registry, Depends(_registry)]
"""The registry, for reading: what changes it goes by `callers.Changes`."""
ArchiveDep = Annotated[ArchiveReader, Depends(_archive)]
