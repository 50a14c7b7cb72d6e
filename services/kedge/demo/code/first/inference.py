"""Inference code of release 1: will this flight arrive more than 15 minutes late?"""

import json
from pathlib import Path
from typing import Any

import numpy as np

# The barometer's report is missing for one flight in nine; the winter's median stands in.
USUAL_PRESSURE = 1019.6


def load(artifact: Path) -> Any:
    return json.loads(artifact.read_text())


def prepare(instance: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    features = dict(instance)
    filled = []
    if features.get("pressure") is None:
        features["pressure"] = USUAL_PRESSURE
        filled.append("pressure")
    return features, filled


def predict(model: Any, rows: list[dict[str, Any]]) -> list[float]:
    score = np.full(len(rows), model["bias"])
    for name, (mean, spread, weight) in model["numbers"].items():
        values = np.array([row.get(name) for row in rows], float)
        # What is missing counts as the mean.
        score += weight * np.nan_to_num((values - mean) / spread)
    for name, weights in model["categories"].items():
        score += np.array([weights.get(row.get(name), 0.0) for row in rows])
    chances: list[float] = (1 / (1 + np.exp(-score))).tolist()
    return chances
