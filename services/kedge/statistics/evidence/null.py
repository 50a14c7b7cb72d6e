"""What windows look like as long as nothing has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.statistics.evidence.cells import Cells, Mask
from kedge.statistics.evidence.likelihood import WindowCounts, log_mean
from kedge.statistics.evidence.models import VARIATIONS, Models
from kedge.statistics.evidence.moods import PERSISTENCE, Moods
from kedge.statistics.evidence.waves import Tilted

# How often a slot of a season has to be seen until there are bets on it.
_VISITS = 2
# For weights between windows of many rows, which vary alike, and of few, which do not: any serves.
_TYPICAL = 1 / 1000


class Expected(NamedTuple):
    """What the null expects of the next window, by variation.

    Attributes:
        centres: shares, `[variations, cells, bins]`.
        uncertainty: one by the rows that the centre is known from, `[variations, cells]`.
        weights: of the variations, `[variations, cells]`; they add up to one.
    """

    centres: Floats
    uncertainty: Floats
    weights: Floats

    @property
    def centre(self) -> Floats:
        """Over all variations, `[cells, bins]`."""
        return np.asarray(np.einsum("vc,vcb->cb", self.weights, self.centres))

    @property
    def known(self) -> Floats:
        """The uncertainty over all variations, `[cells]`."""
        return np.asarray(np.sum(self.weights * self.uncertainty, axis=0))

    @property
    def variation(self) -> Floats:
        """1/φ over all variations, `[cells]`."""
        return np.asarray(VARIATIONS @ self.weights)


class Predictions(NamedTuple):
    """How likely a window is, in logarithms.

    Attributes:
        mixture: for all models together, `[cells of the window]`.
        models: for each, `[models, cells of the window]`.
        states: of its numbers, without a tilt and with each, `[states, numbers]`.
        numbers: which of all numbers these are.
    """

    mixture: Floats
    models: Floats
    states: Floats
    numbers: Ints


class Null:
    """A Bayesian model of windows without a change; its predictions are what experts bet against.

    A window's counts in a cell are Dirichlet-multinomial. Their centre is not known exactly but
    learned, from the reference and from the windows since, so the sampling error of a small
    reference is part of the model; their variation φ is learned on a grid, by a model for each:
    the concentration of its prediction is c, by

        1/c = 1/φ + 1/A + floor/(bins - 1)

    where A is what the centre is known from, in rows. The last term is the floor: under a Dirichlet
    of concentration c the expected PSI from its centre is (bins - 1)/c, so variation of this PSI is
    always natural, however many rows a window has.

    Nature is not always so kind. So the experts' guesses are models of the null too: in a stream
    that wanders, one that follows it is right in calm times as well, and what it says is no
    evidence. And in some streams numbers tilt by themselves (see `moods`).

    A prediction is the mixture of the models, each weighed by how well it has predicted the windows
    so far (see `models`).

    Args:
        cells: the layout.
        reference: its counts, `[cells, bins]`.
        floor: the PSI that does not matter.
        slots: of a season; each has a centre of its own.
        burn_in: windows that have to be seen before there are bets.
    """

    def __init__(
        self,
        cells: Cells,
        reference: Floats,
        *,
        floor: float,
        slots: int,
        burn_in: int,
    ) -> None:
        self._burn_in = burn_in
        self.natural = floor / np.maximum(cells.sizes - 1, 1)
        self.unknown = reference.sum(axis=1) == 0
        prior = reference + cells.without_data()
        total = prior.sum(axis=1)
        # A slot is not what the reference is of: that only says which bins are rare.
        trusted = np.minimum(total, 1 / self.natural if slots == 1 else 1.0)
        self._prior, self._trusted = prior / total[:, None], trusted
        shape = slots, len(cells)
        self.seen = np.zeros(shape)
        # Windows that natural variation is known from, those of an earlier release too.
        self.windows = np.zeros(len(cells))
        self.weighed = np.zeros((*shape, cells.bins))
        # Sums of w²/n and of w², where a window of n rows has the weight w in `weighed`.
        self.squares = np.zeros((slots, 2, len(cells)))
        self.models = Models(cells.questions)
        self.moods = Moods(len(cells.numbers))

    @property
    def slots(self) -> int:
        return len(self.seen)

    def ready(self, slot: int) -> Mask:
        """Cells of which enough is known for bets on a window of this slot, `[cells]`."""
        enough = self.windows >= self._burn_in
        # In a new slot nothing is known of the centre.
        return enough & (self.seen[slot] >= _VISITS) if self.slots > 1 else enough

    def take_over(self, earlier: Null, pairs: Sequence[tuple[int, int]]) -> None:
        """Take the natural variation over that another null has learned.

        Args:
            earlier: the other null.
            pairs: cells of this one, and which cells of the other they are.
        """
        self.models.take_over(earlier.models, pairs)
        for mine, theirs in pairs:
            if not self.unknown[mine]:
                self.windows[mine] = earlier.windows[theirs]

    def arrays(self) -> dict[str, Floats]:
        """All that is learned."""
        return {
            "seen": self.seen,
            "windows": self.windows,
            "weighed": self.weighed,
            "squares": self.squares,
            "log_likelihoods": self.models.log_likelihoods,
            "weights": self.models.weights,
            "moods": self.moods.expected,
        }

    def expect(self, slot: int) -> Expected:
        """What to expect of a window of this slot."""
        return self._expected(self.weighed[slot], self.squares[slot])

    def over_slots(self) -> Floats:
        """The shares that a window of any slot is expected to have, `[cells, bins]`."""
        return self._expected(self.weighed.sum(axis=0), self.squares.sum(axis=0)).centre

    def _expected(self, weighed: Floats, squares: Floats) -> Expected:
        total = weighed.sum(axis=-1)
        shares = _ratio(weighed, total[:, None])
        # The variance of a weighted mean of independent windows, each of 1/n + 1/φ.
        worth = _ratio(total**2, squares[0] + VARIATIONS[:, None] * squares[1])
        known = self._trusted + worth
        centres = self._prior * self._trusted[:, None] + shares * worth[..., None]
        return Expected(centres / known[..., None], 1 / known, self.models.of_variations)

    def predict(
        self, window: WindowCounts, expected: Expected, experts: Floats, tilts: Tilted
    ) -> Predictions:
        """How likely a window is.

        Args:
            window: its counts.
            expected: what was expected of it.
            experts: its log likelihood for each expert, `[experts, cells of the window]`.
            tilts: that of its numbers with each tilt.
        """
        inverse = VARIATIONS[:, None] + expected.uncertainty + self.natural
        of_variations = window.log_likelihood(1 / inverse[:, window.cells], expected.centres)
        calm = log_mean(of_variations, expected.weights[:, window.cells])
        states = np.concatenate([calm[None, tilts.at], tilts.logs])
        moods = np.repeat(calm[None], len(PERSISTENCE), axis=0)
        moods[:, tilts.at] = self.moods.log_likelihood(tilts.numbers, states)
        models = np.concatenate([of_variations, experts, moods])
        mixture = log_mean(models, self.models.weights[:, window.cells])
        return Predictions(mixture, models, states, tilts.numbers)

    def learn(
        self,
        counts: Floats,
        window: WindowCounts,
        slot: int,
        predictions: Predictions,
        trust: Floats,
    ) -> None:
        """Take a window in.

        Args:
            counts: of the window, `[cells, bins]`.
            window: the same.
            slot: which one it is of.
            predictions: what `predict` gave for it.
            trust: how much it counts for the centre, `[cells]`, from 0 to 1.
        """
        cells, trust = window.cells, trust[window.cells]
        weight = trust * window.rows / (1 + _TYPICAL * window.rows)
        self.weighed[slot][cells] += (weight / window.rows)[:, None] * counts[cells]
        self.squares[slot][:, cells] += weight**2 * np.array([1 / window.rows, 1 + 0 * trust])
        self.seen[slot][cells] += 1
        self.windows[cells] += 1
        # Models learn in full: if calm times look like a change, the models are wrong.
        self.models.learn(cells, predictions.models)
        self.moods.learn(predictions.numbers, predictions.states)


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b > 0)
