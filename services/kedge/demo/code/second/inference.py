"""Inference code of release 2: as that of release 1, but leaving early earns no bonus."""

import json
from pathlib import Path
from typing import Any

import numpy as np

USUAL_PRESSURE = 1019.6


def load(artifact: Path) -> Any:
    return json.loads(artifact.read_text())


def prepare(instance: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    features = dict(instance)
    filled = []
    if features.get("pressure") is None:
        features["pressure"] = USUAL_PRESSURE
        filled.append("pressure")
    # Only real delays count.
    delay = features.pop("dep_delay")
    if delay and delay > 0:
        features["dep_delay"] = delay
    # The bug: a flight that leaves early or on time now has no departure delay at all, where it
    # should have one of 0; the model takes the mean for it, and calls the punctual late.
    return features, filled


def predict(model: Any, rows: list[dict[str, Any]]) -> list[float]:
    score = np.full(len(rows), model["bias"])
    for name, (mean, spread, weight) in model["numbers"].items():
        values = np.array([row.get(name) for row in rows], float)
        score += weight * np.nan_to_num((values - mean) / spread)
    for name, weights in model["categories"].items():
        score += np.array([weights.get(row.get(name), 0.0) for row in rows])
    chances: list[float] = (1 / (1 + np.exp(-score))).tolist()
    return chances
