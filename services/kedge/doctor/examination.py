"""Pure: do the sums agree, and where not?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from kedge.doctor.books import Books, Evidence, Place
from kedge.streams.accounts import NO_MODEL
from kedge.streams.sequences import Run, gaps, joined

Severity = Literal["gap", "behind", "note"]


@dataclass(frozen=True, slots=True)
class Line:
    """What became of the predictions of one model in one partition.

    Attributes:
        model: its name; empty for messages that can't be read.
        partition: of predictions.
        sent: events that numbered producers sent, by their own count; None where no producer
            numbers its events.
        dropped: events that the producers dropped before they had a number.
        missing: of the sent, those that never arrived.
        received: predictions that arrived in messages that can be read.
        profiled: of the received, those counted.
        dead_lettered: of the received, those given up by the profiler.
        duplicate: of the received, those that were counted before.
        late: of the profiled, those whose window had become final.
        archived: of the received, those in the archive.
        unreadable: messages that can't be read.
    """

    model: str
    partition: int
    sent: int | None
    dropped: int
    missing: int
    received: int
    profiled: int
    dead_lettered: int
    duplicate: int
    late: int
    archived: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know, in a sentence.

    Attributes:
        severity: `gap` will not close with time, `behind` will, a `note` is no fault of Kedge.
        text: the sentence.
        model: which model it is about; None for all.
        partition: which partition it is about; None for all.
    """

    severity: Severity
    text: str
    model: str | None = None
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor says."""

    lines: list[Line]
    findings: list[Finding]

    @property
    def status(self) -> Literal["whole", "gap", "behind"]:
        found = {finding.severity for finding in self.findings}
        return "gap" if "gap" in found else "behind" if "behind" in found else "whole"

    def of_model(self, model: str) -> Report:
        """What is about this model, and what is about all."""
        return Report(
            [line for line in self.lines if line.model == model],
            [finding for finding in self.findings if finding.model in (model, None)],
        )


@dataclass(frozen=True, slots=True)
class _Gap:
    producer: str
    run: Run
    place: Place

    @property
    def events(self) -> int:
        return self.run.following - self.run.first


def examine(evidence: Evidence) -> Report:
    """Hold all that is known against each other."""
    books = evidence.books
    sums = {place: Counter(counts) for place, counts in books.sums.items()}
    for letter in evidence.letters:
        if letter.crashed:
            mine = sums.setdefault(letter.place, Counter())
            mine["rows_received"] += letter.rows
            mine["rows_dead_lettered"] += letter.rows
    missing = list(_missing(books))
    unaccounted = any(lag.service == "profiler" for lag in evidence.lags)
    findings = [
        *(_of_gap(gap, unaccounted=unaccounted) for gap in missing),
        *_of_drops(books),
        *(finding for place in sorted(sums) for finding in _of_sums(place, sums[place])),
        *_of_letters(evidence, sums),
        *(finding for place in sorted(sums) for finding in _of_archive(place, sums, evidence)),
        *_of_unmonitored(books),
        *_of_lags(evidence),
    ]
    lines = [_line(place, sums[place], evidence, missing) for place in sorted(sums)]
    return Report(lines, findings)


def _missing(books: Books) -> Iterator[_Gap]:
    """Numbers that are lacking, each at the place where the number before it came to."""
    for producer, places in sorted(books.runs.items()):
        everything = [run for runs in places.values() for run in runs]
        owners = sorted((run, place) for place, runs in places.items() for run in runs)
        for gap in gaps(everything, from_start=books.whole):
            before = [place for run, place in owners if run.first < gap.first]
            yield _Gap(producer, gap, before[-1] if before else owners[0][1])


def _of_gap(gap: _Gap, *, unaccounted: bool) -> Finding:
    numbers = f"sequences {gap.run.first}\N{EN DASH}{gap.run.following - 1}"
    ending = (
        "have not arrived yet, and the profiler is behind"
        if unaccounted
        else "never arrived: its process was killed, or the broker did not take them"
    )
    return Finding(
        "behind" if unaccounted else "gap",
        f"producer {gap.producer}: {numbers} ({_many(gap.events, 'prediction')}) of model "
        f"`{gap.place.model}` in partition {gap.place.partition} {ending}.",
        *gap.place,
    )


def _of_drops(books: Books) -> Iterator[Finding]:
    for producer, dropped in sorted(books.dropped.items()):
        if dropped:
            place = _home(books, producer)
            yield Finding(
                "note",
                f"producer {producer} of model `{place.model}` dropped "
                f"{_many(dropped, 'prediction')} before sending; its process's log says why.",
                *place,
            )


def _of_sums(place: Place, sums: Counter[str]) -> Iterator[Finding]:
    received = sums["rows_received"]
    fates = sums["rows_profiled"], sums["rows_dead_lettered"], sums["rows_duplicate"]
    if received != sum(fates):
        profiled, dead, duplicate = fates
        yield Finding(
            "gap",
            f"{_which(place)}: {received} received, but "
            f"{profiled} profiled + {dead} dead-lettered + {duplicate} duplicate.",
            *place,
        )
    if sums["rows_unnumbered"]:
        yield Finding(
            "note",
            f"{_which(place)}: {sums['rows_unnumbered']} of {received} came from "
            "producers that do not number their events; whether these sent more can't be known.",
            *place,
        )
    if sums["messages_unreadable"]:
        yield Finding(
            "note",
            f"partition {place.partition}: {_many(sums['messages_unreadable'], 'message')} can't "
            "be read; see `docs/dead-letters.md`.",
            None,
            place.partition,
        )


def _of_letters(evidence: Evidence, sums: dict[Place, Counter[str]]) -> Iterator[Finding]:
    """The letters are in the topic themselves: the accounts only say that they should be."""
    if not (evidence.letters_whole and evidence.books.whole):
        return
    rows: Counter[Place] = Counter()
    unreadable: Counter[Place] = Counter()
    for letter in evidence.letters:
        rows[letter.place] += letter.rows
        unreadable[letter.place] += letter.place.model == NO_MODEL and not letter.crashed
    for place in sorted(sums.keys() | rows.keys()):
        mine = sums.get(place, Counter())
        for what, due, there in (
            ("predictions", mine["rows_dead_lettered"], rows[place]),
            ("unreadable messages", mine["messages_unreadable"], unreadable[place]),
        ):
            if due != there:
                yield Finding(
                    "gap",
                    f"{_which(place)}: the profiler gave up {due} {what}, and its dead letters "
                    f"have {there}.",
                    place.model or None,
                    place.partition,
                )


def _of_archive(
    place: Place, sums: dict[Place, Counter[str]], evidence: Evidence
) -> Iterator[Finding]:
    received, archived = sums[place]["rows_received"], evidence.archived.get(place, 0)
    if received == archived:
        return
    which = _which(place)
    going_on = evidence.archive_next.get(place.partition)
    last = evidence.books.last_offsets.get(place.partition, -1)
    behind = going_on is None or going_on <= last
    if archived < received and behind:
        yield Finding(
            "behind",
            f"{which}: {received - archived} received but not archived yet: the archiver "
            + ("has not begun." if going_on is None else f"is at offset {going_on} of {last}."),
            *place,
        )
    elif archived < received and place.model in evidence.dropped:
        yield Finding(
            "note",
            f"{which}: {received} received, and {archived} in the archive, which has dropped the "
            f"days before {evidence.dropped[place.model]}: whether others lack can't be told.",
            *place,
        )
    else:
        yield Finding(
            "gap",
            f"{which}: {received} received, but {archived} in the archive, and the archiver has "
            "gone past them. Is KEDGE_ARCHIVE__URL the archiver's?",
            *place,
        )


def _of_unmonitored(books: Books) -> Iterator[Finding]:
    for place, rows in sorted(books.unmonitored.items()):
        if rows:
            yield Finding(
                "note",
                f"{_which(place)}: the monitor made dead letters of {rows} profiled predictions; "
                "no statistic has them.",
                *place,
            )


def _of_lags(evidence: Evidence) -> Iterator[Finding]:
    totals: Counter[tuple[str, str]] = Counter()
    for lag in evidence.lags:
        totals[lag.service, lag.topic] += lag.messages
    for (service, topic), messages in sorted(totals.items()):
        yield Finding("behind", f"{service} is behind by {_many(messages, 'message')} of {topic}.")


def _line(place: Place, sums: Counter[str], evidence: Evidence, missing: Iterable[_Gap]) -> Line:
    books = evidence.books
    lacking = sum(gap.events for gap in missing if gap.place == place)
    runs = [places[place] for places in books.runs.values() if place in places]
    seen = sum(run.following - run.first for mine in runs for run in joined(mine))
    return Line(
        *place,
        sent=seen + lacking if runs else None,
        dropped=sum(
            dropped
            for producer, dropped in books.dropped.items()
            if _home(books, producer) == place
        ),
        missing=lacking,
        received=sums["rows_received"],
        profiled=sums["rows_profiled"],
        dead_lettered=sums["rows_dead_lettered"],
        duplicate=sums["rows_duplicate"],
        late=sums["rows_late"],
        archived=evidence.archived.get(place, 0),
        unreadable=sums["messages_unreadable"],
    )


def _home(books: Books, producer: str) -> Place:
    """Where a producer's first events came to: most have one place only."""
    places = books.runs[producer]
    return min(places, key=lambda place: (min(places[place], default=Run(0, 0)), place))


def _which(place: Place) -> str:
    model = f"model `{place.model}`" if place.model else "no model"
    return f"{model} in partition {place.partition}"


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
