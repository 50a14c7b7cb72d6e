"""Pure: archived predictions of one model in one environment become the alerts of policies.

By the very code of the services: profiles are counted, added to windows and closed by the
watermark, statistics are watched, incidents are judged and decided on. What time it is, is said by
the newest event that was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kedge.backtest.batches import predictions_of, times_of
from kedge.backtest.decisions import Supposed
from kedge.backtest.order import Step, message_starts
from kedge.contracts import PredictionBatch, Record, Tags
from kedge.policy import Watch, alert_record, changes
from kedge.profile import Profile, count_windows
from kedge.streams.admission import refusal
from kedge.streams.duplicates import Duplicates, identity
from kedge.streams.known import KnownRelease
from kedge.streams.monitoring import Monitoring

Known = Callable[[str, int], KnownRelease | None]

_TAGS = ["model", "model_version", "code_version", "release", "environment"]


@dataclass(slots=True)
class Watched:
    """One policy's share of the backtest.

    Attributes:
        watch: of the model in this environment.
        decisions: what would be done.
        alerts: as in the `alert` contract, in the order in which they would have been told.
    """

    watch: Watch
    decisions: Supposed
    alerts: list[Record] = field(default_factory=list)

    def observe(self, record: Record, now: int) -> None:
        """Take the statistics of a window."""
        self.decisions.now = now
        for change in changes(self.watch, record, self.decisions):
            self.alerts.append(alert_record(self.watch, change, now))


@dataclass(slots=True)
class Counts:
    """How much there was.

    Attributes:
        predictions: that were counted.
        duplicates: that came again.
        late: that were later than is allowed.
        refused: by why they could not be counted.
        windows: that were published, with their revisions.
    """

    predictions: int = 0
    duplicates: int = 0
    late: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    windows: int = 0


class Backtest:
    """The fold.

    Args:
        known: a release by its model and number; None where there is none.
        monitorings: what closes windows, with those who watch the statistics of each.
        window: length of a base window, microseconds.
        latest: no event time after this is believed, microseconds since 1970 UTC.
        duplicates: what remembers the messages of one partition.
        others: statistics that no predictions are folded to, in the order of the windows' ends;
            each is watched as soon as its window is over.
    """

    def __init__(
        self,
        known: Known,
        monitorings: Iterable[tuple[Monitoring, Iterable[Watched]]],
        *,
        window: int,
        latest: int,
        duplicates: Callable[[], Duplicates],
        others: Iterable[Record] = (),
    ) -> None:
        self._known = known
        self._monitorings = [(each, tuple(watched)) for each, watched in monitorings]
        self._window, self._latest = window, latest
        self._new_duplicates = duplicates
        self._counted: dict[int, Duplicates] = {}
        self._others = iter(others)
        self._other = next(self._others, None)
        self._now = 0
        self.counts = Counts()

    def take(self, step: Step) -> None:
        """Take the next step."""
        self._now = max(self._now, min(step.newest, self._latest))
        for release, rows in self._admitted(step):
            batch = predictions_of(rows, _tags(rows))
            profiles = count_windows(batch, release.reference, self._window, release.estimator)
            for start, profile in sorted(profiles.items()):
                self._add(batch, start, profile, step.turn.partition)
        self._close()

    def end(self, now: int) -> None:
        """Let time go on to a moment without any more predictions."""
        self._now = max(self._now, now)
        self._close()

    def _add(self, batch: PredictionBatch, start: int, profile: Profile, partition: int) -> None:
        tags, times = batch.tags, batch.event_times
        mine = times[(times >= start) & (times < start + self._window)]
        newest = int(mine.max())
        delta = {
            "model": tags.model,
            "model_version": tags.model_version,
            "code_version": tags.code_version,
            "release": tags.release,
            "environment": tags.environment,
            "window_start": start,
            "window_end": start + self._window,
            # When it arrived is not archived: it is taken to have come at once.
            "source": {
                "partition": partition,
                "max_event_time": newest,
                "max_arrival": newest,
            },
        }
        late = [not each.add(delta, profile, self._now) for each, _ in self._monitorings]
        if any(late):
            self.counts.late += profile.rows

    def _close(self) -> None:
        for number, (monitoring, watched) in enumerate(self._monitorings):
            for record in monitoring.published(self._now):
                self.counts.windows += number == 0
                for each in watched:
                    each.observe(record, self._now)
            for _ in monitoring.changes():
                pass  # nobody will go on from here
        while self._other is not None and self._other["window_end"] <= self._now:
            for _, watched in self._monitorings:
                for each in watched:
                    each.observe(self._other, self._now)
            self._other = next(self._others, None)

    def _admitted(self, step: Step) -> Iterator[tuple[KnownRelease, pa.Table]]:
        """The rows that count, by release."""
        partition = step.turn.partition
        counted = self._counted.setdefault(partition, self._new_duplicates())
        first = message_starts(step.rows)
        ends = np.append(first[1:], step.rows.num_rows)
        ids, times = step.rows["id"].to_pylist(), times_of(step.rows)
        for tags, mine in _by_tags(step.rows):
            known = self._known(tags.model, tags.release)
            keep = np.zeros(step.rows.num_rows, bool)
            for begin, end in zip(first.tolist(), ends.tolist(), strict=True):
                if not mine[begin]:
                    continue
                # Sorted: the archive does not keep the order within a message.
                names = sorted(ids[begin:end])
                message = PredictionBatch(
                    tags, names, times[begin:end], np.empty(0, np.float32), ()
                )
                keep[begin:end] = self._counts(message, known, counted, step.newest)
            if keep.any():
                assert known is not None, "of an unknown one, all is refused"
                yield known, step.rows if keep.all() else step.rows.filter(pa.array(keep))
        for _ in counted.changes():
            pass  # as above

    def _counts(
        self,
        message: PredictionBatch,
        known: KnownRelease | None,
        counted: Duplicates,
        arrival: int,
    ) -> bool:
        """Whether the predictions of a message count."""
        name = identity(message)
        if counted.seen(name, arrival):
            self.counts.duplicates += message.rows
            return False
        refused = refusal(message, known, latest=self._latest, window=self._window)
        if refused is not None:
            before = self.counts.refused.get(refused.reason, 0)
            self.counts.refused[refused.reason] = before + message.rows
            return False
        counted.remember(name, arrival, 0)
        self.counts.predictions += message.rows
        return True


def _tags(rows: pa.Table) -> Tags:
    return Tags(*(rows[name][0].as_py() for name in _TAGS))


def _by_tags(rows: pa.Table) -> Iterator[tuple[Tags, np.ndarray[tuple[int], np.dtype[np.bool_]]]]:
    """Who predicted, and which rows are theirs."""
    kinds = rows.select(_TAGS).group_by(_TAGS).aggregate([]).sort_by("release")
    for kind in kinds.to_pylist():
        mine = np.ones(rows.num_rows, bool)
        if kinds.num_rows > 1:
            for name in _TAGS:
                mine &= pc.equal(rows[name], kind[name]).to_numpy()
        yield Tags(*(kind[name] for name in _TAGS)), mine
