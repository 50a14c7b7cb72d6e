"""E-detectors over the windows of one release."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from kedge.contracts import Record
from kedge.contracts.predictions import Floats
from kedge.profile import Profile, Reference
from kedge.statistics.evidence.arrays import packed, unpack
from kedge.statistics.evidence.cells import Cells
from kedge.statistics.evidence.experts import EXPERTS, FIXED, GAINS, MEMORIES, Experts
from kedge.statistics.evidence.likelihood import WindowCounts, log_mean
from kedge.statistics.evidence.null import Null
from kedge.statistics.evidence.sums import Sums
from kedge.statistics.evidence.waves import Waves
from kedge.statistics.statistic import Statistic

# From this sum on, by how many cells there are, the null learns only half of what a window says:
# else what has drifted would soon be normal. But it never stops: else a mistake would last.
_SUSPICIOUS = 100.0
_LEAST_TRUST = 0.02
# Below this, there is hardly a change to tell the onset of.
_SPEAKS = 100.0


class Season(NamedTuple):
    """A rhythm that is natural: windows of the same slot are alike.

    Attributes:
        slots: of one cycle.
        slot_length: in microseconds; a slot is counted from 1970 on, in UTC.

    >>> Season(24, 3_600_000_000).slot(1_700_000_000_000_000)  # at 22:13 UTC
    22
    """

    slots: int
    slot_length: int

    def slot(self, start: int) -> int:
        """The slot of a window that starts at so many microseconds since 1970."""
        return start // self.slot_length % self.slots


class Evidence:
    """Whether something has changed, and since when: a fold over the windows of a release.

    The model's evidence is the mean, over all columns, questions and experts, of their
    Shiryaev-Roberts sums (see `sums`). It alone has the guarantee: an alarm whenever it exceeds A
    comes, as long as windows are as the null says (see `null`), once in A windows in the mean or
    more rarely, whatever the number of columns and however they depend on each other. The evidence
    of a column is the mean over its own sums and tells which columns contribute; of many columns
    some exceed A more often.

    Windows without rows say nothing and do not count, nor does a column without rows in a window.

    Args:
        reference: of the model version. Columns that it counts nothing of take the first windows
            as their reference.
        floor: a difference of this PSI does not matter, and is no evidence.
        season: a rhythm that is natural; its slots are learned over the first cycles.
        burn_in: windows without bets, from which natural variation is learned.
        earlier: the evidence of an earlier release of the same model. Natural variation is the
            traffic's, so what was learned of it there is taken over, and there is no burn-in.

    Raises:
        ValueError: an option can't be.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        floor: float = 0.001,
        season: Season | tuple[int, int] | None = None,
        burn_in: int = 20,
        earlier: Evidence | None = None,
    ) -> None:
        self._season = Season(*(season or (1, 1)))
        if not floor > 0:
            raise ValueError(f"floor is {floor}, and has to be above 0: 0.001 is hardly a drift")
        if min(self._season) < 1 or burn_in < 0:
            raise ValueError(
                f"season {tuple(self._season)} and burn_in {burn_in} have to be at least "
                "one slot, one microsecond and no window"
            )
        self._specs, self._floor, self._burn_in = reference.signature, floor, burn_in
        self._cells = Cells(reference)
        self._null = Null(
            self._cells,
            self._cells.of_reference(reference),
            floor=floor,
            slots=self._season.slots,
            burn_in=burn_in,
        )
        self._waves = Waves(self._cells, self._null.expect(0).centre)
        self._experts = Experts(self._cells, self._waves)
        self._sums = Sums(EXPERTS, len(self._cells))
        if earlier is not None:
            self._take_over(earlier)

    def _take_over(self, earlier: Evidence) -> None:
        there = {
            (earlier._specs[column], question): cell
            for cell, (column, question) in enumerate(earlier._cells.names)
        }
        pairs = [
            (cell, there[self._specs[column], question])
            for cell, (column, question) in enumerate(self._cells.names)
            if (self._specs[column], question) in there
        ]
        self._null.take_over(earlier._null, pairs)

    def observe(self, profile: Profile, start: int) -> list[Statistic]:
        """Fold in the next base window, and give the statistics after it.

        - `evidence`: the model's, and each column's.
        - `onset`, `onset_earliest`, `onset_latest`: when the change began that the column with the
          most evidence has seen, in seconds since 1970 UTC; two standard deviations either way.

        Args:
            profile: of the window, on the bins of the reference.
            start: of the window, microseconds since 1970 UTC; not before the last one's.
        """
        self._fold(self._cells.of_profile(profile), start)
        return list(self._statistics(profile, self._season.slot(start)))

    def _fold(self, counts: Floats, start: int) -> None:
        window, slot = WindowCounts(counts), self._season.slot(start)
        null, cells = self._null, window.cells
        if not len(cells):
            return
        expected = null.expect(slot)
        centre = expected.centre
        base = centre if null.slots == 1 else null.over_slots()
        guesses = self._experts.guess(centre, base)
        natural = expected.variation + null.natural
        concentration = 1 / (expected.known + natural)
        gain = window.log_gain(GAINS, concentration, centre, self._cells.sizes)
        tilts = self._waves.tilted(counts, window, centre, concentration)
        guessed = guesses.log_likelihood(window, natural, gain, tilts)
        predictions = null.predict(window, expected, guessed, tilts)
        log_e = guessed - predictions.mixture
        differs = guesses.differ(centre, expected.known, self._floor)
        ready = null.ready(slot)
        bets = (ready & differs)[..., cells]
        log_new = np.where(ready[cells], log_mean(log_e[-FIXED:], np.array(1 / FIXED)), -np.inf)
        older = self._sums.add(log_e, log_new, bets, cells, start / 1e6)

        of_memory = older[:-FIXED].reshape(len(MEMORIES), -1, len(cells)).max(axis=1)
        kept = np.ones(self._experts.remembered.shape[:2])
        kept[:, cells] = np.where(np.isnan(MEMORIES)[:, None], of_memory, MEMORIES[:, None])
        self._experts.remember(counts, centre, base, kept)
        suspicion = self._sums.values.mean(axis=0) / (_SUSPICIOUS * len(self._cells))
        trust = np.maximum(1 / (1 + suspicion), _LEAST_TRUST)
        null.learn(counts, window, slot, predictions, trust)

    def _statistics(self, profile: Profile, slot: int) -> Iterator[Statistic]:
        by_cell = self._sums.values.mean(axis=0)
        of_column = np.bincount(self._cells.columns, minlength=len(self._specs))
        by_column = np.bincount(self._cells.columns, by_cell, len(self._specs)) / of_column
        evidence = float(by_cell.mean()) if len(by_cell) else 0.0
        note = self._note(slot)
        yield Statistic("evidence", evidence, profile.rows, note=note)
        for spec, value in zip(self._specs, by_column.tolist(), strict=True):
            yield Statistic("evidence", value, profile.rows, spec.role, spec.name, note=note)
        yield from self._onset(evidence, by_column, profile.rows)

    def _note(self, slot: int) -> str | None:
        null = self._null
        made = "reference made of the first windows" if null.unknown.any() else None
        if null.ready(slot).all():
            return made
        seen = int(null.windows.min(initial=self._burn_in))
        if seen < self._burn_in:
            calibrating = f"calibrating: {seen} of {self._burn_in} windows"
        else:
            calibrating = "calibrating: the season's slot is new"
        return f"{calibrating}; {made}" if made else calibrating

    def _onset(self, evidence: float, by_column: Floats, rows: int) -> Iterator[Statistic]:
        names = ("onset", "onset_earliest", "onset_latest")
        if evidence < _SPEAKS:
            note = f"evidence is below {_SPEAKS:g}: there is hardly a change to tell the onset of"
            for name in names:
                yield Statistic(name, None, rows, note=note)
            return
        leading = int(by_column.argmax())
        spec = self._specs[leading]
        onset = self._sums.onset(self._cells.columns == leading)
        for name, value in zip(names, onset, strict=True):
            yield Statistic(name, value, rows, note=f"by {spec.role} {spec.name}")

    def _arrays(self) -> dict[str, Floats]:
        return {
            **self._null.arrays(),
            "remembered": self._experts.remembered,
            "sums": self._sums.values,
            "onset_mean": self._sums.mean,
            "onset_variance": self._sums.variance,
        }

    def window(self, profile: Profile, start: int) -> Record:
        """All that `observe` learns of a window; smaller than the state by far."""
        return {"start": start, **packed({"counts": self._cells.of_profile(profile)}, "<i8")}

    def follow(self, window: Record) -> None:
        """Go on, bit for bit, as `observe` did with the window.

        Raises:
            ValueError: it is of another reference.
        """
        counts = np.zeros((len(self._cells), self._cells.bins))
        unpack(window, {"counts": counts}, "<i8")
        self._fold(counts, window["start"])

    def to_json(self) -> Record:
        """The state, of a size that does not grow with the windows seen."""
        return packed(self._arrays())

    @classmethod
    def from_json(cls, state: Record, reference: Reference, **options: Any) -> Self:
        """Go on, bit for bit, from what `to_json` gave.

        Args:
            state: from `to_json`.
            reference: the same.
            options: the same; `earlier` is not needed any more.

        Raises:
            ValueError: the state is of another reference or of other options.
        """
        evidence = cls(reference, **options)
        unpack(state, evidence._arrays())
        return evidence
