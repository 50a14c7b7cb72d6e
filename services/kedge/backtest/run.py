"""A policy over the archive. The registry is only read, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import duckdb

from kedge.archive import connect
from kedge.backtest.decisions import Supposed
from kedge.backtest.fold import Backtest, Watched
from kedge.backtest.log import ArchivedLog, Scope, moves, releases, scopes, span
from kedge.backtest.moves import AliasHistory, PastMove
from kedge.backtest.order import in_order
from kedge.backtest.report import Report, Tested
from kedge.clock import Clock, microseconds_now
from kedge.errors import KedgeError
from kedge.monitor import monitoring
from kedge.performance import estimator_of
from kedge.policy import Policy, Watch, policy_for
from kedge.registry import Registry
from kedge.settings import Settings, micros
from kedge.statistics import CATALOGUE
from kedge.streams import KnownRelease
from kedge.streams.duplicates import Duplicates
from kedge.streams.monitoring import Monitoring

WARM_UP = 64
"""Base windows before `since` that are read too: rules, verdicts and evidence look back."""

Progress = Callable[[int, int], None]
"""Called with how many predictions are read and how many there are."""


def backtest(
    archive: Path | str,
    registry: Registry,
    policy: Policy,
    since: int | None = None,
    until: int | None = None,
    *,
    in_force: Sequence[Policy] | None = None,
    model: str | None = None,
    release: int | None = None,
    settings: Settings | None = None,
    progress: Progress = lambda _read, _all: None,
    now: Clock = microseconds_now,
) -> Report:
    """What a policy would have alerted on.

    Args:
        archive: where it lies.
        registry: has the references that windows are compared with; it is not changed.
        policy: to be tried.
        since: first event time that is reported on, microseconds since 1970 UTC; by default that of
            the first archived prediction.
        until: the time after the last; by default that of the last one.
        in_force: the policies to compare with, of which one may cover the model; None for none.
        model: only this one of those that the policy covers.
        release: report on this one only; all are read, as a verdict compares them.
        settings: of the services, by default those of this process: they say what a window is.
        progress: told of it now and then.
        now: the clock; what is later than that is not believed.

    Raises:
        KedgeError: the archive has nothing of what the policy covers, or the registry does not
            have a model version any more.
    """
    settings = settings or Settings()
    latest = now()
    with connect(archive) as database:
        covered = [
            scope
            for scope in scopes(database)
            if policy.covers(*scope) and model in (None, scope.model)
        ]
        if not covered:
            where = f" in {policy.environment}" if policy.environment else ""
            raise KedgeError(
                f"the archive {archive} has no predictions of model {model or policy.model!r}"
                f"{where}, which the policy is about"
            )
        tested = [
            _Scope(database, registry, settings, scope, release).tested(
                policy, in_force, since, until, latest, progress
            )
            for scope in covered
        ]
    return Report(micros(settings.stream.window), tuple(tested), tuple(_notes(policy)))


class _Scope:
    """One model in one environment."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        registry: Registry,
        settings: Settings,
        scope: Scope,
        release: int | None,
    ) -> None:
        self._database, self._registry, self._settings = database, registry, settings
        self._scope, self._release = scope, release
        self._window = micros(settings.stream.window)
        self._releases = releases(database, scope.model)
        self._known = cache(self._release_of)

    def tested(
        self,
        policy: Policy,
        in_force: Sequence[Policy] | None,
        since: int | None,
        until: int | None,
        latest: int,
        progress: Progress,
    ) -> Tested:
        found = span(self._database, self._scope, latest)
        first, last = found or (latest, latest)
        begin = first if since is None else since
        end = last + 1 if until is None else until
        other = None if in_force is None else policy_for(tuple(in_force), *self._scope)
        made = self._moves(policy)
        mine = self._watched(policy, made)
        theirs = None if other is None else self._watched(other, self._moves(other))
        fold = Backtest(
            self._known,
            list(self._monitorings(policy, mine, other, theirs)),
            window=self._window,
            latest=latest,
            duplicates=self._duplicates,
        )
        log = ArchivedLog(self._database, self._scope, begin - WARM_UP * self._window, end)
        read = 0
        for step in in_order(
            log.partitions(),
            window=self._window,
            out_of_orderness=micros(self._settings.stream.out_of_orderness),
        ):
            fold.take(step)
            read += step.rows.num_rows
            progress(read, log.rows)
        fold.end(end)

        def reported(watched: Watched) -> tuple[dict[str, object], ...]:
            before = {a["incident"] for a in watched.alerts if a["window_end"] <= begin}
            return tuple(
                alert
                for alert in watched.alerts
                if alert["incident"] not in before and self._release in (None, alert["release"])
            )

        return Tested(
            *self._scope,
            begin,
            end,
            fold.counts,
            tuple((m.moved_at, m.to_release) for m in made if begin <= m.moved_at < end),
            reported(mine),
            None if in_force is None else () if theirs is None else reported(theirs),
        )

    def _moves(self, policy: Policy) -> list[PastMove]:
        tolerance = micros(self._settings.stream.future_tolerance)
        return moves(self._database, self._scope, policy.alias, tolerance)

    def _watched(self, policy: Policy, made: Sequence[PastMove]) -> Watched:
        return Watched(
            Watch(policy, *self._scope, self._window),
            Supposed(AliasHistory(made), self._releases),
        )

    def _monitorings(
        self, policy: Policy, mine: Watched, other: Policy | None, theirs: Watched | None
    ) -> Iterator[tuple[Monitoring, list[Watched]]]:
        """Policies with the same season look at the same statistics."""
        if other is None or theirs is None:
            yield self._monitoring(policy), [mine]
        elif other.rhythm == policy.rhythm:
            yield self._monitoring(policy), [mine, theirs]
        else:
            yield self._monitoring(policy), [mine]
            yield self._monitoring(other), [theirs]

    def _monitoring(self, policy: Policy) -> Monitoring:
        return monitoring(self._settings, (policy,), self._known)

    def _duplicates(self) -> Duplicates:
        stream = self._settings.stream
        return Duplicates(horizon=micros(stream.duplicate_horizon), most=stream.duplicate_messages)

    def _release_of(self, model: str, number: int) -> KnownRelease | None:
        made = self._releases.get(number)
        if made is None:
            return None
        reference = self._registry.model_version(model, made.model_version).reference
        return KnownRelease(
            model,
            number,
            made.model_version,
            made.code_version,
            reference,
            estimator_of(reference),
        )


def _notes(policy: Policy) -> Iterator[str]:
    """What of the policy a backtest has no numbers for."""
    for rule in policy.rules:
        entry = CATALOGUE[rule.statistic]
        if entry.clock == "broker":
            yield (
                f"rule {rule.name!r} is on {rule.statistic}, which is counted from messages as "
                "they arrive: the archive does not have them, and the rule is silent here"
            )
        elif entry.part == "performance":
            yield f"rule {rule.name!r} is on {rule.statistic}: performance is not replayed"
