"""What windows look like as long as nothing has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats
from kedge.statistics.evidence.cells import QUESTIONS, Cells, Mask
from kedge.statistics.evidence.experts import EXPERTS
from kedge.statistics.evidence.likelihood import WindowCounts, log_mean
from kedge.statistics.evidence.moods import DEVIATIONS, PERSISTENCE, Moods
from kedge.statistics.evidence.waves import Tilted

VARIATIONS = np.array([0.0, *(1 / np.array([3200, 1600, 800, 400, 200, 100, 50, 25]))])
"""1/φ, the grid on which natural variation from window to window is learned."""

# Prior probabilities of each variation, by question. Where nothing was ever missing, windows do not
# tell how much that varies: the prior has to say that much does not go missing by itself.
_PRIOR = np.stack(
    [
        0.75 * 0.25 ** np.arange(len(VARIATIONS)),
        [0.45, *[0.09] * 3, *[0.045] * 2, *[0.027] * 2, 0.036],
    ],
    axis=1,
)
# Of all experts together, and of a restless stream.
_PRIOR_EXPERTS = 1e-7
_PRIOR_RESTLESS = 0.1
_PRIOR_WANDERING = 1e-6
# Columns of a release vary alike: what they share counts as much as so many of them.
_PRIOR_CELLS = 2.0
# So far below the best a variation is never thought to be: what changes later can be learned.
_LEAST = -6.0
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
    evidence. A last model is restless: in some windows numbers move up or down by themselves, as
    those experts expect that have no memory.

    A prediction is the mixture of the models, each weighed by how well it has predicted the windows
    so far. What the cells of a question have in common is the prior of each (empirical Bayes).

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
        numbers: int = 0,
    ) -> None:
        self._burn_in = burn_in
        self.natural = floor / np.maximum(cells.sizes - 1, 1)
        self.unknown = reference.sum(axis=1) == 0
        # One row more, spread evenly (Perks): no bin is thought impossible.
        prior = reference + cells.mask / cells.sizes[:, None]
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
        self._questions = cells.questions
        prior = np.vstack(
            [
                _PRIOR,
                np.full((EXPERTS, 2), _PRIOR_EXPERTS / EXPERTS),
                np.where(PERSISTENCE > 0, _PRIOR_WANDERING, _PRIOR_RESTLESS)[:, None]
                * np.full((1, 2), 2 / len(DEVIATIONS)),
            ]
        )
        self._prior_models = (prior / prior.sum(axis=0))[:, cells.questions]
        self.moods = Moods(int(numbers))
        self.log_likelihoods = np.zeros((len(self._prior_models), len(cells)))
        # Of each model, after the last window.
        self.posterior = self._prior_models.copy()

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
        for mine, theirs in pairs:
            self.log_likelihoods[:, mine] = earlier.log_likelihoods[:, theirs]
            self.posterior[:, mine] = earlier.posterior[:, theirs]
            if not self.unknown[mine]:
                self.windows[mine] = earlier.windows[theirs]

    def arrays(self) -> dict[str, Floats]:
        """All that is learned."""
        return {
            "seen": self.seen,
            "windows": self.windows,
            "weighed": self.weighed,
            "squares": self.squares,
            "log_likelihoods": self.log_likelihoods,
            "posterior": self.posterior,
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
        return Expected(centres / known[..., None], 1 / known, self._of_variations())

    def _of_variations(self) -> Floats:
        weights = self._weights()[: len(VARIATIONS)]
        return np.asarray(weights / weights.sum(axis=0))

    def _weights(self) -> Floats:
        weights = self._priors() * np.exp(self.log_likelihoods)
        return np.asarray(weights / weights.sum(axis=0))

    def _priors(self) -> Floats:
        """What the other cells of its question say of a cell's models, `[models, cells]`."""
        others = _PRIOR_CELLS * self._prior_models - self.posterior
        for question in range(len(QUESTIONS)):
            mine = self._questions == question
            others[:, mine] += self.posterior[:, mine].sum(axis=1, keepdims=True)
        return np.asarray(others / others.sum(axis=0))

    def predict(
        self, window: WindowCounts, expected: Expected, experts: Floats, tilts: Tilted
    ) -> Floats:
        """Log likelihood of a window for each model, `[models, cells of the window]`.

        Args:
            window: its counts.
            expected: what was expected of it.
            experts: its log likelihood for each expert, `[experts, cells of the window]`.
            tilts: how likely it is with each tilt.
        """
        inverse = VARIATIONS[:, None] + expected.uncertainty + self.natural
        of_variations = window.log_likelihood(1 / inverse[:, window.cells], expected.centres)
        calm = log_mean(of_variations, self._of_variations()[:, window.cells])
        return np.concatenate([of_variations, experts, self.moods.log_likelihood(calm, tilts)])

    def mixture(self, predictions: Floats, window: WindowCounts) -> Floats:
        """Log likelihood of a window, `[cells of the window]`."""
        return log_mean(predictions, self._weights()[:, window.cells])

    def learn(
        self,
        counts: Floats,
        window: WindowCounts,
        slot: int,
        predictions: Floats,
        trust: Floats,
        tilts: Tilted,
    ) -> None:
        """Take a window in.

        Args:
            counts: of the window, `[cells, bins]`.
            window: the same.
            slot: which one it is of.
            predictions: what `predict` gave for it.
            trust: how much it counts, `[cells]`, from 0 to 1.
        """
        cells, trust = window.cells, trust[window.cells]
        weight = trust * window.rows / (1 + _TYPICAL * window.rows)
        self.weighed[slot][cells] += (weight / window.rows)[:, None] * counts[cells]
        self.squares[slot][:, cells] += weight**2 * np.array([1 / window.rows, 1 + 0 * trust])
        self.seen[slot][cells] += 1
        self.windows[cells] += 1
        likelihoods = self.log_likelihoods[:, cells] + predictions
        self.log_likelihoods[:, cells] = np.maximum(likelihoods - likelihoods.max(axis=0), _LEAST)
        self.posterior[...] = self._weights()
        calm = log_mean(predictions[: len(VARIATIONS)], self._of_variations()[:, cells])
        self.moods.learn(calm, tilts)


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b > 0)
