"""The fix: as the code of release 1, but usual weather stands in for a report that is missing."""

import json
from pathlib import Path
from typing import Any

import numpy as np

# Medians of 2013; of the rain, that there is none.
USUAL = {
    "temp": 55.9,
    "humid": 57.7,
    "wind_speed": 10.4,
    "precip": 0.0,
    "visib": 10.0,
    "pressure": 1017.5,
}


def load(artifact: Path) -> Any:
    return json.loads(artifact.read_text())


def prepare(instance: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    features = dict(instance)
    filled = []
    for name, usual in USUAL.items():
        if features.get(name) is None:
            features[name] = usual
            filled.append(name)
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
