"""A logistic regression on some weeks, and the reference for the windows to come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from kedge.contracts import columns_of
from kedge.demo.flights import Flight
from kedge.profile import Reference, reference_of
from kedge.serving.code import InferenceCode

_CATEGORIES = ("carrier", "origin", "dest")
_RIDGE = 1e-3


def train(
    flights: Sequence[Flight], code: InferenceCode, artifact: Path, *, shuffled: bool = False
) -> Reference:
    """Write the model to `artifact` as JSON and give its reference.

    Args:
        flights: those with a known outcome are learnt from.
        code: the inference code, whose `prepare` makes the features here as it does in service.
        artifact: where to write.
        shuffled: whether each flight gets the outcome of another, by mistake.
    """
    prepared = [code.prepare(flight.instance) for flight in flights]
    pairs = [each if isinstance(each, tuple) else (each, ()) for each in prepared]
    rows = [dict(features) for features, _filled in pairs]
    truths = np.array([np.nan if f.late is None else float(f.late) for f in flights])
    if shuffled:
        np.random.default_rng(0).shuffle(truths)
    artifact.write_text(json.dumps(_fitted(rows, truths), sort_keys=True))
    outputs = code.predict(code.load(artifact), rows)
    return reference_of(
        [
            *columns_of(rows, "feature", [filled for _features, filled in pairs]),
            *columns_of([{"output": output} for output in outputs], "output"),
        ]
    )


def _fitted(rows: Sequence[dict[str, Any]], truths: NDArray[np.float64]) -> dict[str, Any]:
    """Weights by ridge-penalised maximum likelihood; rows without a truth only lend their scale."""
    numbers = [name for name in rows[0] if name not in _CATEGORIES]
    values = np.array([[row[name] for name in numbers] for row in rows], float)
    means, spreads = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    levels = [(name, level) for name in _CATEGORIES for level in sorted({r[name] for r in rows})]
    indicators = np.array([[row[name] == level for name, level in levels] for row in rows], float)
    design = np.hstack([np.nan_to_num((values - means) / spreads), indicators])
    known = ~np.isnan(truths)
    design, signs = design[known], 2 * truths[known] - 1

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = signs * (design @ weights[1:] + weights[0])
        pull = -signs * expit(-margin) / len(signs)
        value = -log_expit(margin).mean() + _RIDGE * (weights[1:] ** 2).sum() / 2
        gradient = np.concatenate([[pull.sum()], pull @ design + _RIDGE * weights[1:]])
        return float(value), gradient

    best = minimize(loss, np.zeros(design.shape[1] + 1), jac=True, method="L-BFGS-B").x
    split = len(numbers) + 1
    categories: dict[str, dict[str, float]] = {name: {} for name in _CATEGORIES}
    for (name, level), weight in zip(levels, best[split:].tolist(), strict=True):
        categories[name][level] = weight
    scales = zip(means.tolist(), spreads.tolist(), best[1:split].tolist(), strict=True)
    return {
        "bias": float(best[0]),
        "numbers": dict(zip(numbers, scales, strict=True)),
        "categories": categories,
    }
