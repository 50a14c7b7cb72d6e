"""How much each model of calm windows is believed, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.statistics.evidence.cells import QUESTIONS
from kedge.statistics.evidence.experts import EXPERTS
from kedge.statistics.evidence.moods import PERSISTENCE

VARIATIONS = np.array([0.0, *(1 / np.array([3200, 800, 200, 50]))])
"""1/φ, the grid on which natural variation from window to window is learned."""

# Prior probabilities of each variation, by question. Where nothing was ever missing, windows do not
# tell how much that varies: the prior has to say that much does not go missing by itself.
_PRIOR = np.stack(
    [
        0.94 * 0.06 ** np.arange(len(VARIATIONS)),
        [0.45, 0.2, 0.15, 0.1, 0.1],
    ],
    axis=1,
)
# Of all experts together, of each mood that is new in each window, and of each that persists.
_PRIOR_EXPERTS = 1e-7
_PRIOR_RESTLESS = 1 / 30
_PRIOR_WANDERING = 3e-7
# Columns of a release vary alike: what they share counts as much as so many of them.
_PRIOR_CELLS = 2.0
# So far below the best a model is never thought to be, beside what other cells say of it. As with a
# fixed share: who was wrong for long is believed again after a few windows.
_LEAST = -6.0


class Models:
    """The weights of the null's models: variations, experts, and moods.

    What the cells of a question have in common is the prior of each (empirical Bayes). What a cell
    itself says counts within bounds, so that the best model may change (Herbster and Warmuth,
    "Tracking the best expert", 1998): else an expert that is right at times, as in a stream that
    wanders at times, would each time be evidence.

    Args:
        questions: for each cell, the index of its question.

    Attributes:
        weights: `[models, cells]`; they add up to one.
        log_likelihoods: of the windows so far, less the best one's, `[models, cells]`.
    """

    def __init__(self, questions: Ints) -> None:
        moods = np.where(PERSISTENCE > 0, _PRIOR_WANDERING, _PRIOR_RESTLESS)
        others = np.array([*[_PRIOR_EXPERTS / EXPERTS] * EXPERTS, *moods])
        prior = np.vstack([_PRIOR, np.column_stack([others] * len(QUESTIONS))])
        self._prior = (prior / prior.sum(axis=0))[:, questions]
        self._questions = questions
        self._of_question = (questions[:, None] == np.arange(len(QUESTIONS))).astype(float)
        self.weights = self._prior.copy()
        self.log_likelihoods = np.zeros_like(self.weights)

    @property
    def of_variations(self) -> Floats:
        """The weights of the variations alone, `[variations, cells]`."""
        weights = self.weights[: len(VARIATIONS)]
        return np.asarray(weights / weights.sum(axis=0))

    def learn(self, cells: Ints, predictions: Floats) -> None:
        """Take a window in.

        Args:
            cells: that it counts something of.
            predictions: its log likelihood for each model, `[models, these cells]`.
        """
        likelihoods = self.log_likelihoods[:, cells] + predictions
        self.log_likelihoods[:, cells] = np.maximum(likelihoods - likelihoods.max(axis=0), _LEAST)
        # The prior of a cell, but for what it adds up to: its question's, and what others believe.
        together = (self.weights @ self._of_question)[:, self._questions]
        prior = _PRIOR_CELLS * self._prior + together - self.weights
        weights = prior * np.exp(self.log_likelihoods)
        self.weights[...] = weights / weights.sum(axis=0)

    def take_over(self, earlier: Models, pairs: Sequence[tuple[int, int]]) -> None:
        """Believe what is believed elsewhere.

        Args:
            earlier: where.
            pairs: cells of this one, and which cells of the other they are.
        """
        for mine, theirs in pairs:
            self.log_likelihoods[:, mine] = earlier.log_likelihoods[:, theirs]
            self.weights[:, mine] = earlier.weights[:, theirs]
