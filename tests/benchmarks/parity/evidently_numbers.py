"""Evidently's distances of the data sets on standard input, as JSON. Runs where Evidently is."""

import json
import sys

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift

METHODS = {
    True: {
        "psi": "psi",
        "js_distance": "jensenshannon",
        "hellinger": "hellinger",
        "wasserstein": "wasserstein",
    },
    False: {"psi": "psi", "js_distance": "jensenshannon", "hellinger": "hellinger"},
}


def _distances(reference, window):
    numeric = not isinstance(reference[0], str)
    definition = DataDefinition(
        **{"numerical_columns" if numeric else "categorical_columns": ["x"]}
    )
    known, new = (
        Dataset.from_pandas(pd.DataFrame({"x": values}), definition)
        for values in (reference, window)
    )
    methods = METHODS[numeric]
    report = Report([ValueDrift(column="x", method=method) for method in methods.values()])
    found = report.run(new, known).dict()["metrics"]
    return {name: float(each["value"]) for name, each in zip(methods, found, strict=True)}


if __name__ == "__main__":
    print(json.dumps([_distances(*each) for each in json.load(sys.stdin)]))  # noqa: T201
