"""NannyML's distances of the data sets on standard input, as JSON. Runs where NannyML is."""

import json
import sys

import nannyml as nml
import pandas as pd

METHODS = {
    True: {
        "ks": "kolmogorov_smirnov",
        "js_distance": "jensen_shannon",
        "hellinger": "hellinger",
        "wasserstein": "wasserstein",
    },
    False: {
        "js_distance": "jensen_shannon",
        "hellinger": "hellinger",
        "l_infinity": "l_infinity",
        "chi_squared": "chi2",
    },
}


def _distances(reference, window):
    numeric = not isinstance(reference[0], str)
    methods = METHODS[numeric]
    kind = "continuous_methods" if numeric else "categorical_methods"
    calculator = nml.UnivariateDriftCalculator(
        column_names=["x"], chunk_number=1, **{kind: list(methods.values())}
    )
    calculator.fit(pd.DataFrame({"x": reference}))
    found = calculator.calculate(pd.DataFrame({"x": window})).to_df(multilevel=True)
    row = found[found["chunk", "chunk", "period"] == "analysis"].iloc[0]
    return {name: float(row["x", method, "value"]) for name, method in methods.items()}


if __name__ == "__main__":
    print(json.dumps([_distances(*each) for each in json.load(sys.stdin)]))  # noqa: T201
