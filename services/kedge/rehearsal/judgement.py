"""Whether a rehearsal speaks for a release: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from kedge.contracts import PredictionBatch, Tags, columns_of
from kedge.policy import Reading, Rule, Subject, Window
from kedge.policy.distance import FEWEST_ROWS as FEWEST_FOR_PSI
from kedge.profile import Missing, Profile, Reference, count_windows
from kedge.profile.cells import cells_of
from kedge.profile.counting import by_name
from kedge.rehearsal.inputs import Input, feature_columns
from kedge.rehearsal.replay import Answer, Replay
from kedge.statistics import CATALOGUE, Statistic, window_statistics
from kedge.statistics.drift import SIGNIFICANT

FEWEST_ROWS = 30
"""Inputs below which nothing is said of what a release answers."""

_LOST = (
    Missing.ABSENT,
    Missing.NULL,
    Missing.NAN,
    Missing.EMPTY,
    Missing.IMPUTED,
    Missing.WRONG_TYPE,
)
"""What `prepare` can do to a value. Values out of range and unseen ones are the world's."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The verdict on one release.

    Attributes:
        release: its number.
        ok: whether it would do better; None where the rehearsal can't say.
        rows: inputs that this is based on.
        because: why, with the numbers.
    """

    release: int
    ok: bool | None
    rows: int
    because: str

    def noting(self, what: str) -> Rehearsal:
        """The same with one more sentence."""
        return replace(self, because=f"{self.because}; {what}")


def fair_inputs(inputs: Sequence[Input], reference: Reference) -> tuple[list[Input], str | None]:
    """The inputs that a release can be judged by, and what was wrong with the others.

    What the sick code lost or filled in can't be had back from the log, and its own code might
    have kept it. So an input is left out where a feature is missing in a way in which the reference
    has none missing.

    Args:
        inputs: as they were logged.
        reference: of the release that is to be judged.
    """
    named = by_name(feature_columns(inputs))
    unfair = np.zeros(len(inputs), bool)
    worst: tuple[int, str] | None = None
    for column in reference.columns:
        if column.spec.role != "feature":
            continue
        kinds = [kind for kind in _LOST if not column.missing[kind]]
        cells = cells_of(named.get(column.spec.key, ()), column, len(inputs))
        lost = np.isin(cells, [len(column.bins) + kind for kind in kinds])
        unfair |= lost
        if lost.any():
            worst = max(worst or (0, ""), (int(lost.sum()), column.spec.name))
    why = (
        f"{int(unfair.sum())} of {len(inputs)} logged inputs lack a feature or have it filled in, "
        f"{worst[1]} most often, and what the code that logged them lost can't be had back"
        if worst
        else None
    )
    return [each for each, out in zip(inputs, unfair, strict=True) if not out], why


def judge(
    release: int,
    replay: Replay,
    inputs: Sequence[Input],
    reference: Reference,
    *,
    most_errors: float,
    rule: Rule | None = None,
    subject: Subject | None = None,
) -> Rehearsal:
    """The verdict on a replay.

    Against the release speaks that it does not load or come to an end, that it raises on more than
    a share of the inputs, that an output has no usable value, that an output is far from its own
    reference though the inputs are not, and that the rule that fired would fire on it too. For it
    speaks only that this rule would not. Rules that no replay can answer, on an input, on the
    traffic or on the truth, leave it open.

    Args:
        release: its number.
        replay: what it answered.
        inputs: that it was given, one for each answer at least.
        reference: of its model version.
        most_errors: largest share of inputs that it may raise on.
        rule: the rule that fired; None for none.
        subject: what the rule fired on.
    """
    rows = len(replay.answers)
    verdict = partial(Rehearsal, release, rows=rows)
    if replay.fault is not None:
        return verdict(ok=False, because=replay.fault)
    if replay.hindrance is not None:
        return verdict(ok=None, because=f"it could not be rehearsed: {replay.hindrance}")
    if rows < FEWEST_ROWS:
        if replay.timeout is not None:
            return verdict(ok=False, because=replay.timeout)
        few = f"it loads, and {rows} inputs that it can be judged by are fewer than {FEWEST_ROWS}"
        return verdict(ok=None, because=few)
    profile = _profile(inputs[:rows], replay.answers, reference)
    statistics = list(window_statistics(profile, reference))
    errors = (
        f"it raised on {profile.errors} of {rows} logged inputs{_types(profile)}, and "
        f"{most_errors:.4g} of them is the most"
    )
    drift = list(_drift(statistics))
    faults = [errors] if profile.errors > most_errors * rows else []
    faults += _useless_outputs(profile, reference)
    faults += [text for text, far in drift if far]
    if faults:
        return verdict(ok=False, because="; ".join(faults))
    said = [errors, *(text for text, _ in drift)]
    if replay.timeout is not None:
        said.append(replay.timeout)
    if rule is None or subject is None:
        return verdict(ok=True, because="; ".join(said))
    ok, answer = _by_rule(rule, subject, statistics, profile)
    return verdict(ok=ok, because="; ".join([answer, *said]))


def _profile(inputs: Sequence[Input], answers: Sequence[Answer], reference: Reference) -> Profile:
    rows = len(inputs)
    batch = PredictionBatch(
        tags=Tags("", "", "", 0, ""),
        ids=[""] * rows,
        event_times=np.zeros(rows, np.int64),
        latencies_ms=np.full(rows, np.nan, np.float32),
        columns=(
            *feature_columns(inputs),
            *columns_of([dict(answer.outputs) for answer in answers], "output"),
        ),
        errors={i: answer.error for i, answer in enumerate(answers) if answer.error is not None},
    )
    return count_windows(batch, reference, 1)[0]


def _types(profile: Profile) -> str:
    types = Counter(profile.operations.errors).most_common(3)
    return f" ({', '.join(f'{name} {count}' for name, count in types)})" if types else ""


def _useless_outputs(profile: Profile, reference: Reference) -> Iterator[str]:
    for column, counts in zip(reference.columns, profile.counts, strict=True):
        if column.spec.role == "output" and column.counts.any() and not counts.any():
            yield f"output {column.spec.name} had no usable value in any of {profile.rows} rows"


def _drift(statistics: Sequence[Statistic]) -> Iterator[tuple[str, bool]]:
    """How far each output is from the reference's, and whether no input explains that."""
    psi = [each for each in statistics if each.name == "psi" and each.value is not None]
    inputs = max((e.value or 0.0 for e in psi if e.role == "feature"), default=0.0)
    for each in psi:
        if each.role == "output" and each.value is not None:
            text = (
                f"output {each.column} is at a PSI of {each.value:.4g} from its reference, its "
                f"inputs at {inputs:.4g} at most, and above {SIGNIFICANT} is significant"
            )
            yield text, each.rows >= FEWEST_FOR_PSI and each.value > SIGNIFICANT >= inputs


def _by_rule(
    rule: Rule, subject: Subject, statistics: Sequence[Statistic], profile: Profile
) -> tuple[bool | None, str]:
    """Whether the rule would not fire, and what it looks at in the rehearsal."""
    if (unable := _unanswerable(subject)) is not None:
        return None, unable
    found = _statistic(subject, statistics, profile)
    if found is None or found.value is None:
        note = "its reference has no such column" if found is None else found.note
        return None, f"{subject} can't be had from the rehearsal: {note}"
    reading = Reading(Window(0, 1, 0), found.value, found.rows, found.low, found.high)
    limit = f"{rule.comparison} {rule.threshold:g}"
    if found.rows < rule.rows_needed:
        return None, (
            f"{subject} is {found.value:.4g} in the rehearsal, but of {found.rows} rows, "
            f"and the rule needs {rule.rows_needed}"
        )
    if reading.is_over(rule):
        return False, f"{subject} is {found.value:.4g} in the rehearsal, {limit} too"
    return True, f"{subject} is {found.value:.4g} in the rehearsal, not {limit}"


def _unanswerable(subject: Subject) -> str | None:
    if subject.statistic == "error_rate" or subject.role == "output":
        return None
    if subject.role == "feature":
        return f"{subject} is about an input, which is logged as the code before made it"
    group = CATALOGUE[subject.statistic].group
    return f"{subject} ({group.lower()}) is nothing that a rehearsal can answer"


def _statistic(
    subject: Subject, statistics: Sequence[Statistic], profile: Profile
) -> Statistic | None:
    if subject.statistic == "error_rate" and subject.kind is not None:
        count = profile.operations.errors.get(subject.kind, 0)
        return Statistic("error_rate", count / profile.rows, profile.rows, kind=subject.kind)
    return next(
        (s for s in statistics if Subject(s.name, s.role, s.column, s.kind) == subject), None
    )
