"""The compactor: the archive's small files become few, and days that are too old are dropped.

It needs no Kafka, and one is enough for an archive. More of them, or `kedge archive compact` beside
it, do no harm: each change is a snapshot that one process can make, and who comes second has worked
in vain (`kedge.archive.snapshots`).
"""

from __future__ import annotations

import datetime as dt
import time
from threading import Event

import duckdb
import structlog

from kedge.archive import SCHEMAS, Store, open_archive
from kedge.archive.clearing import clear, drop
from kedge.archive.compaction import LABEL, Sizes, compact
from kedge.archive.snapshots import models_of
from kedge.archive_settings import ArchiveSettings
from kedge.errors import KedgeError
from kedge.settings import Settings

_DAY = 86_400.0

_log = structlog.get_logger(__name__)


def run(settings: Settings, stop: Event) -> None:
    """Run one compactor until `stop` is set.

    Raises:
        KedgeError: predictions would be dropped that outcomes are still joined with.
    """
    _check(settings)
    store = open_archive(settings.archive_url)
    store.clear_aside(LABEL)
    _log.info("started", archive=store.url)
    while not stop.wait(settings.archive.compact_every):
        for dataset in SCHEMAS:
            _tend(store, dataset, settings.archive, stop)


def first_kept(days: int, now: float) -> str:
    """The first date that is kept, where so many days are.

    >>> first_kept(7, 1_360_000_000)  # in the evening of 2013-02-04
    '2013-01-28'
    """
    return dt.datetime.fromtimestamp(now - days * _DAY, dt.UTC).date().isoformat()


def _check(settings: Settings) -> None:
    days = settings.archive.retain_days.predictions
    if days is not None and days * _DAY < settings.evaluator.horizon:
        raise KedgeError(
            f"KEDGE_ARCHIVE__RETAIN_DAYS__PREDICTIONS is {days}, but outcomes are joined with "
            f"predictions of the last {settings.evaluator.horizon / _DAY:g} days: keep them as "
            "long as KEDGE_EVALUATOR__HORIZON, or make that shorter"
        )


def _tend(store: Store, dataset: str, settings: ArchiveSettings, stop: Event) -> None:
    """Drop, compact and remove what is due of each model."""
    days: int | None = getattr(settings.retain_days, dataset)
    try:
        for folder in models_of(store, dataset):
            if stop.is_set():
                return
            now = time.time()
            dropped = 0 if days is None else drop(store, folder, first_kept(days, now), now)
            replaced = compact(store, folder, Sizes(settings.file_bytes), now)
            removed = clear(store, folder, settings.grace, now)
            if dropped or replaced or removed:
                _log.info(
                    "tended", folder=folder, dropped=dropped, replaced=replaced, removed=removed
                )
    except (OSError, duckdb.Error) as error:
        _log.warning("trying_again", dataset=dataset, error=str(error))
