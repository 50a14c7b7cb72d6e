"""From the statistics of a model's windows to alerts: a deterministic fold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from kedge.attribution import Notes, ReleaseNotes
from kedge.contracts import Record
from kedge.policy.incidents import Change, Incident, Step, fingerprint
from kedge.policy.pace import Pace
from kedge.policy.readings import (
    Reading,
    ReleaseReadings,
    Subject,
    Window,
    complete,
    stretch,
    subject_of,
    telling,
)
from kedge.policy.rules import Policy, Rule
from kedge.policy.verdicts import verdict_on

WINDOWS_BEFORE = 24
"""Windows that are remembered beside those that the rules need: evidence for a decision."""

RELEASES = 16
"""Releases that are remembered; of more, the longest without a window is forgotten."""

Watched = tuple[str, Subject]


@dataclass(slots=True)
class _Release:
    series: dict[Pace, ReleaseReadings] = field(default_factory=dict)
    incidents: dict[Watched, Incident] = field(default_factory=dict)
    # Where an incident ended by another release's window: what this release did up to that
    # window's start is history, and only what comes later can fire again.
    closed: dict[Watched, int] = field(default_factory=dict)


class Watch:
    """The state of one model in one environment under its policy.

    What comes out depends on nothing but the policy and the order of the records, so it is the
    same however they are split over micro-batches and restarts. Windows of different lengths are
    never compared, nor are the parts of one: each pace of the rules has readings of its own, and
    other windows say nothing.

    Args:
        policy: what is watched.
        model: which model.
        environment: where it predicts.
        base_window: length of a base window, which rules without another look at; microseconds.
    """

    def __init__(self, policy: Policy, model: str, environment: str, base_window: int) -> None:
        self.policy, self.model, self.environment = policy, model, environment
        self._rules = {rule.name: rule for rule in policy.rules}
        self._paces = {rule.name: rule.pace(base_window) for rule in policy.rules}
        self._most_windows = WINDOWS_BEFORE + max(
            rule.windows_needed(base_window) for rule in policy.rules
        )
        self._notes = Notes(base_window)
        self._releases: dict[int, _Release] = {}
        self._touched: set[int] = set()
        self._covering: dict[Subject, tuple[Rule, ...]] = {}

    def observe(self, record: Record) -> list[Change]:
        """Take the statistics of a window, and say what they change.

        Args:
            record: as in the `statistic` contract, of this model and environment.
        """
        record = complete(record, self.policy.rules)
        if self._notes.observe(record):
            self._releases.setdefault(record["release"], _Release())
            self._touched.add(record["release"])
        return [
            change
            for pace in sorted(set(self._paces.values()))
            if pace.includes(
                record["window_start"], record["window_end"], record["clock"], record["part"]
            )
            for change in self._observe(record, pace)
        ]

    def _observe(self, record: Record, pace: Pace) -> list[Change]:
        number = record["release"]
        watched = [
            (rule, subject)
            for subject in map(subject_of, record["statistics"])
            for rule in self._rules_on(subject)
            if self._paces[rule.name] == pace
        ]
        release = self._releases.setdefault(number, _Release())
        readings = release.series.setdefault(
            pace, ReleaseReadings(record["model_version"], record["code_version"])
        )
        if not readings.take(record, (s for _, s in watched), self._most_windows):
            return []
        self._touched.add(number)
        window = readings.windows[record["window_start"]]
        oldest = min(readings.windows)
        release.closed = {
            key: start
            for key, start in release.closed.items()
            if start >= oldest or self._paces.get(key[0], pace) != pace
        }
        changes = list(self._withdrawn(number, window))
        for rule, subject in watched:
            changes.extend(self._own(number, release, rule, subject, window))
        changes.extend(self._effects(number, pace, window))
        changes.extend(self._forgotten(number, window))
        return changes

    def decided(self, incident: Incident, decision: Record) -> Incident:
        """The incident with the decision that was taken on it, from now on."""
        after = replace(incident, decision=decision)
        self._put(after)
        return after

    def judged(self, incident: Incident) -> Incident:
        """The incident with what is known now of whose fault it is, from now on."""
        pace = self._paces[incident.rule]
        series = {n: each.series[pace] for n, each in self._releases.items() if pace in each.series}
        verdict = verdict_on(incident, self._rules[incident.rule], series, self._notes)
        mine = self._notes.of(incident.release)
        after = replace(incident, verdict=verdict, onset=None if mine is None else mine.onset)
        self._put(after)
        return after

    def put_off(self) -> list[Incident]:
        """Open incidents that could not be decided on yet."""
        return [each for each in self._open() if each.is_put_off and each.rule in self._rules]

    def proposed(self) -> list[Incident]:
        """Open incidents that a person has been asked about, and that wait for the answer."""
        return [each for each in self._open() if each.proposal is not None]

    def decided_later(self, incident: Incident, record: Record) -> Change:
        """What is told of an incident when a window brings the decision on it.

        Args:
            incident: with the decision.
            record: the window, as in the `statistic` contract.
        """
        own = self.readings(incident.rule, incident.subject).get(incident.release, [None])
        window = Window(record["window_start"], record["window_end"], record["revision"])
        return Change("decided", incident, window, record["release"], own[-1])

    def ailing(self) -> dict[int, str]:
        """Of releases with an open incident that asks for a rollback, what it is.

        One that did not come with its release speaks against none: it is there under all of them.
        """
        return {
            incident.release: f"{incident.rule}, {incident.subject}"
            for incident in self._open()
            if incident.action == "rollback"
            and (incident.verdict is None or incident.verdict.came_with_release is not False)
        }

    def rule(self, name: str) -> Rule:
        return self._rules[name]

    def readings(self, rule: str, subject: Subject) -> dict[int, list[Reading]]:
        """What is remembered of a subject in the windows that the rule looks at, by release.

        Nothing when the policy does not have the rule any more.
        """
        pace = self._paces.get(rule)
        found = {
            number: release.series[pace].of(subject)
            for number, release in sorted(self._releases.items())
            if pace in release.series
        }
        return {number: readings for number, readings in found.items() if readings}

    def snapshot(self) -> dict[int, bytes | None]:
        """What changed since the last call, by release; None for one that was forgotten."""
        changed = {
            number: self._serialised(number) if number in self._releases else None
            for number in sorted(self._touched)
        }
        self._touched.clear()
        return changed

    def restore(self, snapshots: Mapping[int, bytes]) -> None:
        """Go on from what `snapshot` gave, the newest of each release."""
        self._releases = {}
        paces = set(self._paces.values())
        for number, data in snapshots.items():
            state = json.loads(data)
            incidents = [Incident.from_json(each) for each in state["incidents"]]
            self._releases[number] = _Release(
                {
                    Pace(*pace): ReleaseReadings.from_json(readings)
                    for *pace, readings in state["series"]
                    if Pace(*pace) in paces
                },
                {(each.rule, each.subject): each for each in incidents},
                {(rule, Subject(*subject)): start for rule, subject, start in state["closed"]},
            )
            if state["notes"] is not None:
                self._notes.restore(number, ReleaseNotes.from_json(state["notes"]))

    def _serialised(self, number: int) -> bytes:
        release, notes = self._releases[number], self._notes.of(number)
        state = {
            "series": [[*pace, readings.to_json()] for pace, readings in release.series.items()],
            "incidents": [each.to_json() for each in release.incidents.values()],
            "closed": [
                [rule, list(subject), start] for (rule, subject), start in release.closed.items()
            ],
            "notes": None if notes is None else notes.to_json(),
        }
        return json.dumps(state, separators=(",", ":")).encode()

    def _rules_on(self, subject: Subject) -> tuple[Rule, ...]:
        if subject not in self._covering:
            self._covering[subject] = tuple(r for r in self.policy.rules if r.covers(*subject))
        return self._covering[subject]

    def _own(
        self, number: int, release: _Release, rule: Rule, subject: Subject, window: Window
    ) -> Iterator[Change]:
        """What the release's windows say about itself."""
        key = (rule.name, subject)
        series = release.series[self._paces[rule.name]]
        readings = telling(rule, series.of(subject))
        if (incident := release.incidents.get(key)) is not None:
            over = [reading for reading in readings if reading.is_over(rule)]
            if over and over[-1].window.start >= incident.starts_at:
                incident = replace(incident, last=over[-1].window)
                self._put(incident)
            under = stretch(readings, lambda reading: not reading.is_over(rule))
            if rule.is_past([reading.window for reading in under]):
                del release.incidents[key]
                yield Change("resolved", incident, window, number, under[-1])
            return
        after = release.closed.get(key)
        since = [r for r in readings if after is None or r.window.start > after]
        over_now = stretch(since, lambda reading: reading.speaks_for(rule))
        if rule.has_held([reading.window for reading in over_now]):
            start = over_now[0].window.start
            name = fingerprint(self.model, self.environment, rule, number, subject)
            incident = Incident(
                id=f"{name}-{start}",
                fingerprint=name,
                release=number,
                model_version=series.model_version,
                code_version=series.code_version,
                subject=subject,
                rule=rule.name,
                severity=rule.severity,
                action=rule.action,
                threshold=rule.threshold,
                comparison=rule.comparison,
                alias=self.policy.alias,
                starts_at=start,
                last=over_now[-1].window,
            )
            release.incidents[key] = incident
            yield Change("fired", incident, window, number, over_now[-1])

    def _effects(self, witness: int, pace: Pace, window: Window) -> Iterator[Change]:
        """What the windows of this release say about incidents of the others.

        After a rollback the bad release has no more traffic, so nothing of its own resolves its
        alert. The release that serves instead does.
        """
        for incident in self._open():
            rule = self._rules[incident.rule]
            if incident.release == witness or self._paces[incident.rule] != pace:
                continue
            rolled_back = incident.rolled_back_to == witness
            # Without a rollback of ours, the other release has to have been silent for a while.
            newest = self._releases[incident.release].series[pace].newest
            since = incident.last.end if rolled_back else newest.end + 1
            readings = [
                reading
                for reading in telling(
                    rule, self._releases[witness].series[pace].of(incident.subject)
                )
                if reading.window.start >= since
            ]
            under = next((r for r in readings if not r.is_over(rule)), None)
            if under is not None:
                closing = self._releases[incident.release]
                key = (incident.rule, incident.subject)
                del closing.incidents[key]
                closing.closed[key] = under.window.start
                self._touched.add(incident.release)
                step: Step = "recovered" if rolled_back else "superseded"
                yield Change(step, incident, window, witness, under)
            elif readings and rolled_back and not incident.not_helped:
                after_all = replace(incident, not_helped=True)
                self._put(after_all)
                yield Change("not_helped", after_all, window, witness, readings[0])

    def _withdrawn(self, witness: int, window: Window) -> Iterator[Change]:
        for incident in self._open():
            rule = self._rules.get(incident.rule)
            if (
                rule is None
                or not rule.covers(*incident.subject)
                or not self._looks_on(self._paces[rule.name], incident)
            ):
                del self._releases[incident.release].incidents[incident.rule, incident.subject]
                self._touched.add(incident.release)
                yield Change("withdrawn", incident, window, witness)

    def _looks_on(self, pace: Pace, incident: Incident) -> bool:
        """Whether windows of this pace go on with those that the incident was seen in."""
        length = incident.last.end - incident.last.start
        return pace.length == length and pace in self._releases[incident.release].series

    def _forgotten(self, witness: int, window: Window) -> Iterator[Change]:
        by_age = sorted(self._releases, key=lambda n: (self._end(n), n))
        for number in by_age[:-RELEASES]:
            if number == witness:
                continue
            for incident in self._releases[number].incidents.values():
                yield Change("forgotten", incident, window, witness)
            del self._releases[number]
            self._notes.forget(number)
            self._touched.add(number)

    def _end(self, number: int) -> int:
        """Of its newest window."""
        notes = self._notes.of(number)
        ends = [readings.newest.end for readings in self._releases[number].series.values()]
        return max([*ends, 0 if notes is None else notes.end])

    def _open(self) -> list[Incident]:
        """Every open incident, in an order that a restart keeps."""
        return [
            self._releases[number].incidents[key]
            for number in sorted(self._releases)
            for key in sorted(self._releases[number].incidents, key=repr)
        ]

    def _put(self, incident: Incident) -> None:
        release = self._releases[incident.release]
        release.incidents[incident.rule, incident.subject] = incident
        self._touched.add(incident.release)
