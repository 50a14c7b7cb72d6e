"""Pure: what a policy would have alerted on, beside what the policy in force does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from kedge.backtest.fold import Counts
from kedge.contracts import Record

_WALL_CLOCK = ("produced_at",)
"""Fields of an alert that say when it was told."""

_TIMES = ("starts_at", "window_start", "fired_at", "ended_at")


@dataclass(frozen=True, slots=True)
class Counterpart:
    """What the other policy says of the same thing.

    Attributes:
        rule: by which of its rules.
        fired_at: end of the window that fired it, microseconds since 1970 UTC.
        windows_earlier: how many base windows before this policy's alert; below 0, after it.
    """

    rule: str
    fired_at: int
    windows_earlier: int


@dataclass(frozen=True, slots=True)
class Fired:
    """One incident. Times are event times, microseconds since 1970 UTC.

    Attributes:
        incident: names it, as in alerts.
        model: of which model.
        environment: where it predicted.
        release: which release is sick.
        rule: what fired.
        severity: of the rule.
        action: that the rule asks for.
        statistic: what is looked at.
        role: feature or output; None where it is about the window.
        column: which of them.
        kind: of missing, for example.
        segment: of the rows.
        starts_at: start of the first window over the threshold.
        window_start: start of the window that fired it.
        fired_at: end of that window.
        ended_at: end of the window that ended it; None while it is open at the end.
        value: of the statistic, when it fired.
        threshold: of the rule.
        blame: whose fault it is, as known last; None where it was not judged.
        because: why.
        decision: what was decided last, as in the `alert` contract.
        counterpart: what the other policy says; None where it says nothing.
    """

    incident: str
    model: str
    environment: str
    release: int
    rule: str
    severity: str
    action: str
    statistic: str
    role: str | None
    column: str | None
    kind: str | None
    segment: str | None
    starts_at: int
    window_start: int
    fired_at: int
    ended_at: int | None
    value: float | None
    threshold: float
    blame: str | None
    because: tuple[str, ...]
    decision: Record | None
    counterpart: Counterpart | None = None

    @property
    def would(self) -> str:
        """What would have been done, in a few words."""
        if self.decision is None:
            return "notify"
        if self.decision["action"] == "rolled_back":
            return f"roll back to {self.decision['to_release']}"
        return {"proposed": "ask whether to roll back", "deferred": "wait"}.get(
            self.decision["action"], "stay"
        )


@dataclass(frozen=True, slots=True)
class Tested:
    """One model in one environment.

    Attributes:
        model: which model.
        environment: where it predicted.
        since: first event time that is reported on, microseconds since 1970 UTC.
        until: the time after the last.
        counts: how much was read.
        moves: of the alias in that time, in event time: when, and to which release.
        alerts: what the policy would have told, as in the `alert` contract.
        in_force: what the policy in force does; None where none is known.
    """

    model: str
    environment: str
    since: int
    until: int
    counts: Counts
    moves: tuple[tuple[int, int], ...]
    alerts: tuple[Record, ...]
    in_force: tuple[Record, ...] | None


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a backtest.

    Attributes:
        base_window: length of a base window, microseconds.
        tested: what was looked at.
        notes: what it can't show.
        incidents: of the policy, in the order in which they fired.
        only_in_force: incidents of the policy in force that this policy has no word of.
    """

    base_window: int
    tested: tuple[Tested, ...]
    notes: tuple[str, ...] = ()
    incidents: tuple[Fired, ...] = field(init=False)
    only_in_force: tuple[Fired, ...] = field(init=False)

    def __post_init__(self) -> None:
        mine, theirs = [], []
        for each in self.tested:
            fired, others = fired_in(each.alerts), fired_in(each.in_force or ())
            mine += compared(fired, others, self.base_window)
            theirs += [
                other
                for other in compared(others, fired, self.base_window)
                if other.counterpart is None
            ]
        object.__setattr__(self, "incidents", tuple(sorted(mine, key=_when)))
        object.__setattr__(self, "only_in_force", tuple(sorted(theirs, key=_when)))

    @property
    def is_compared(self) -> bool:
        """Whether there is a policy in force to compare with."""
        return any(each.in_force is not None for each in self.tested)

    @property
    def differs(self) -> bool:
        """Whether the policy in force would have told anything else."""
        return any(
            each.in_force is not None and told(each.alerts) != told(each.in_force)
            for each in self.tested
        )

    def summary(self) -> dict[str, int]:
        """Counts of incidents."""
        decided = Counter(each.would.split(" to ")[0] for each in self.incidents)
        found = {
            "incidents": len(self.incidents),
            "would_roll_back": decided["roll back"],
        }
        if self.is_compared:
            both = [each.counterpart for each in self.incidents if each.counterpart]
            found |= {
                "in_force_too": len(both),
                "earlier": sum(each.windows_earlier < 0 for each in both),
                "later": sum(each.windows_earlier > 0 for each in both),
                "only_here": len(self.incidents) - len(both),
                "only_in_force": len(self.only_in_force),
            }
        return found

    def to_json(self) -> dict[str, Any]:
        """For scripts; times are texts in ISO 8601."""
        return {
            "differs": self.differs if self.is_compared else None,
            "summary": self.summary(),
            "tested": [
                {
                    "model": each.model,
                    "environment": each.environment,
                    "since": time_text(each.since),
                    "until": time_text(each.until),
                    "counts": asdict(each.counts),
                    "moves": [
                        {"at": time_text(at), "to_release": release} for at, release in each.moves
                    ],
                }
                for each in self.tested
            ],
            "incidents": [_fired_json(each) for each in self.incidents],
            "only_in_force": [_fired_json(each) for each in self.only_in_force],
            "notes": list(self.notes),
        }


def fired_in(alerts: Iterable[Record]) -> list[Fired]:
    """The incidents that alerts tell of, in the order in which they fired."""
    found: dict[str, Fired] = {}
    for alert in alerts:
        known = found.get(alert["incident"])
        if known is None:
            known = Fired(
                **{name: alert[name] for name in Fired.__dataclass_fields__ if name in alert},
                fired_at=alert["window_end"],
                ended_at=None,
                blame=None,
                because=(),
            )
        verdict = alert["verdict"]
        found[alert["incident"]] = replace(
            known,
            ended_at=None if alert["status"] == "firing" else alert["window_end"],
            decision=alert["decision"] or known.decision,
            blame=known.blame if verdict is None else verdict["blame"],
            because=known.because if verdict is None else tuple(verdict["because"]),
        )
    return list(found.values())


def compared(mine: Sequence[Fired], theirs: Sequence[Fired], base_window: int) -> list[Fired]:
    """Each incident of mine with the nearest of theirs that is of the same and at the same time.

    One of the same rule comes first, then of the same statistic, then of the same column.
    """
    return [replace(each, counterpart=_counterpart(each, theirs, base_window)) for each in mine]


def _counterpart(mine: Fired, theirs: Iterable[Fired], base_window: int) -> Counterpart | None:
    def likeness(other: Fired) -> int:
        if _column(other) != _column(mine):
            return 0
        same = (other.statistic, other.kind, other.segment) == (
            mine.statistic,
            mine.kind,
            mine.segment,
        )
        return 1 + same + (same and other.rule == mine.rule)

    alike = [other for other in theirs if likeness(other) and _overlap(mine, other)]
    if not alike:
        return None
    best = min(alike, key=lambda each: (-likeness(each), abs(each.fired_at - mine.fired_at)))
    earlier = (mine.fired_at - best.fired_at) / base_window
    return Counterpart(best.rule, best.fired_at, round(earlier))


def _column(fired: Fired) -> tuple[object, ...]:
    # What is about the window is alike by its statistic alone.
    about = fired.statistic if fired.column is None else None
    return fired.release, fired.role, fired.column, about


def _overlap(one: Fired, other: Fired) -> bool:
    return (one.ended_at is None or other.starts_at < one.ended_at) and (
        other.ended_at is None or one.starts_at < other.ended_at
    )


def told(alerts: Iterable[Record]) -> list[Record]:
    """Alerts without what the wall clock says in them."""
    return [
        {
            **{name: value for name, value in alert.items() if name not in _WALL_CLOCK},
            "decision": alert["decision"] and {**alert["decision"], "decided_at": None},
        }
        for alert in alerts
    ]


def time_text(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat()


def _when(fired: Fired) -> tuple[int, str, int, str]:
    return fired.fired_at, fired.model, fired.release, fired.incident


def _fired_json(fired: Fired) -> dict[str, Any]:
    record = asdict(fired) | {"would": fired.would}
    for name in _TIMES:
        record[name] = None if record[name] is None else time_text(record[name])
    if fired.decision is not None:
        kept = ("action", "to_release", "reason")
        record["decision"] = {name: fired.decision[name] for name in kept}
    if fired.counterpart is not None:
        record["counterpart"]["fired_at"] = time_text(fired.counterpart.fired_at)
    return record
