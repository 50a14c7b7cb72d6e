"""What is remembered of a release's windows: the newest readings of every watched statistic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from kedge.contracts import Record
from kedge.policy.rules import Rule
from kedge.profile import OTHER


class Subject(NamedTuple):
    """What a statistic is about; with the release, one series of values over the windows."""

    statistic: str
    role: str | None = None
    column: str | None = None
    kind: str | None = None
    segment: str | None = None

    def __str__(self) -> str:
        of_kind = f" ({self.kind})" if self.kind else ""
        of_column = f" of {self.role} {self.column}" if self.column else ""
        where = f" where {self.segment}" if self.segment else ""
        return f"{self.statistic}{of_kind}{of_column}{where}"


@dataclass(frozen=True, slots=True)
class Window:
    """A window of event time, and how often it was published again."""

    start: int
    end: int
    revision: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One statistic in one window.

    Attributes:
        window: of the statistic.
        value: as published.
        rows: that it is computed from.
        low: the least that the raw rows could give; None where that is the value.
        high: the most that they could give.
        note: what a reader of the number has to know.
        evidence: of change, the model's in that window; None where it is not known.
    """

    window: Window
    value: float
    rows: int
    low: float | None = None
    high: float | None = None
    note: str | None = None
    evidence: float | None = None

    def is_over(self, rule: Rule) -> bool:
        """Whether it is on the wrong side of the rule's threshold, wherever it is in its bounds."""
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        return rule.is_over(low, high)

    def speaks_for(self, rule: Rule) -> bool:
        """Whether it speaks for an alert: over the threshold, and with evidence enough."""
        return self.is_over(rule) and rule.is_enough(self.evidence)


_Values = tuple[float, int, float | None, float | None, str | None]


@dataclass(slots=True)
class ReleaseReadings:
    """The readings of one release in its newest windows.

    Attributes:
        model_version: of the release.
        code_version: of the release.
        windows: by their start.
        values: for each subject, what a `Reading` has beside its window, by the window's start; a
            value that could not be had is not here.
        evidence: the model's evidence of change, by the window's start.
    """

    model_version: str
    code_version: str
    windows: dict[int, Window] = field(default_factory=dict)
    values: dict[Subject, dict[int, _Values]] = field(default_factory=dict)
    evidence: dict[int, float] = field(default_factory=dict)

    def take(self, record: Record, subjects: Iterable[Subject], most: int) -> bool:
        """Take the values of a window; False when it is older than what is there.

        Args:
            record: as in the `statistic` contract.
            subjects: what to keep of it.
            most: how many values of a subject to remember, and how many windows; the oldest are
                forgotten. So what was measured last stays, however many empty windows follow.
        """
        window = Window(record["window_start"], record["window_end"], record["revision"])
        known = self.windows.get(window.start)
        if known is not None and known.revision >= window.revision:
            return False
        if known is None and len(self.windows) >= most and window.start < min(self.windows):
            return False
        self.windows[window.start] = window
        self.evidence.pop(window.start, None)
        wanted = set(subjects)
        for values in self.values.values():
            values.pop(window.start, None)
        for each in record["statistics"]:
            subject = subject_of(each)
            if subject == _EVIDENCE and each["value"] is not None:
                self.evidence[window.start] = each["value"]
            if subject in wanted and each["value"] is not None and each["value"] == each["value"]:
                self.values.setdefault(subject, {})[window.start] = (
                    each["value"],
                    each["rows"],
                    each["low"],
                    each["high"],
                    each["note"],
                )
        for values in self.values.values():
            for start in sorted(values)[:-most]:
                del values[start]
        self.values = {subject: values for subject, values in self.values.items() if values}
        needed = set(sorted(self.windows)[-most:]).union(*self.values.values())
        self.windows = {start: w for start, w in self.windows.items() if start in needed}
        self.evidence = {start: e for start, e in self.evidence.items() if start in needed}
        return True

    def of(self, subject: Subject) -> list[Reading]:
        """The readings of a subject, oldest window first."""
        values = self.values.get(subject, {})
        return [
            Reading(self.windows[start], *values[start], self.evidence.get(start))
            for start in sorted(values)
        ]

    @property
    def newest(self) -> Window:
        return self.windows[max(self.windows)]

    def to_json(self) -> dict[str, Any]:
        return {
            "model_version": self.model_version,
            "code_version": self.code_version,
            "windows": [[w.start, w.end, w.revision] for w in self.windows.values()],
            "values": [
                [*subject, [[start, *reading] for start, reading in values.items()]]
                for subject, values in self.values.items()
            ],
            "evidence": list(self.evidence.items()),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(
            data["model_version"],
            data["code_version"],
            {start: Window(start, end, revision) for start, end, revision in data["windows"]},
            {
                Subject(*subject): {start: tuple(reading) for start, *reading in values}
                for *subject, values in data["values"]
            },
            dict(data["evidence"]),
        )


_EVIDENCE = Subject("evidence")


def subject_of(statistic: Record) -> Subject:
    """What a statistic of the `statistic` contract is about."""
    return Subject(
        statistic["name"],
        statistic["role"],
        statistic["column"],
        statistic["kind"],
        statistic["segment"],
    )


def complete(record: Record, rules: Iterable[Rule]) -> Record:
    """The record, with a rate of 0 for each type of error that a rule asks for and that was none.

    The types that there were are all in the record, unless they were too many: then one that is
    not there may be among the rest, and nothing is known of it.

    Args:
        record: as in the `statistic` contract.
        rules: of the policy.
    """
    rates = [each for each in record["statistics"] if each["name"] == "error_rate"]
    known = {each["kind"] for each in rates if each["value"] is not None}
    if None not in known or OTHER in known:
        return record
    wanted = {rule.kind for rule in rules if rule.statistic == "error_rate"} - known - {None}
    (whole,) = (each for each in rates if each["kind"] is None)
    none = [{**whole, "kind": kind, "value": 0.0} for kind in sorted(map(str, wanted))]
    return {**record, "statistics": [*record["statistics"], *none]}


def telling(rule: Rule, readings: Iterable[Reading]) -> list[Reading]:
    """The readings that say something: those of enough rows."""
    return [reading for reading in readings if reading.rows >= rule.rows_needed]


def stretch(readings: Sequence[Reading], belongs: Callable[[Reading], bool]) -> Sequence[Reading]:
    """The newest of the readings that belong together, without one between that does not."""
    length = 0
    for reading in reversed(readings):
        if not belongs(reading):
            break
        length += 1
    return readings[len(readings) - length :]
