"""Hypothesis strategies that several test modules share."""

from __future__ import annotations

import math

from hypothesis import strategies as st

FEATURES = ("distance", "carrier", "late", "origin")


def avro_values(schema, names=None):
    """Any datum of a schema as `json.loads` gives it; union branches told apart by their name."""
    names = {} if names is None else names
    if isinstance(schema, list):
        return st.one_of([_branch(branch, names) for branch in schema])
    if isinstance(schema, str):
        return _PRIMITIVES[schema] if schema in _PRIMITIVES else names[schema]
    kind = schema["type"]
    if "logicalType" in schema:  # fastavro's date-times end with the year 9999
        return st.integers(0, 253_402_300_799_999_999)
    if kind == "record":
        fields = {}
        for field in schema["fields"]:
            fields[field["name"]] = avro_values(field["type"], names)
        names[schema["name"]] = strategy = st.fixed_dictionaries(fields)
        return strategy
    if kind == "enum":
        names[schema["name"]] = strategy = st.sampled_from(schema["symbols"])
        return strategy
    if kind == "array":
        return st.lists(avro_values(schema["items"], names), max_size=3)
    if kind == "map":
        return st.dictionaries(
            st.text(max_size=5), avro_values(schema["values"], names), max_size=3
        )
    return avro_values(kind, names)


def _branch(branch, names):
    value = avro_values(branch, names)
    if isinstance(branch, dict) and branch["type"] == "record":
        return value.map(lambda record: (f"io.kedge.{branch['name']}", record))
    return value


_PRIMITIVES = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=8),
    "bytes": st.binary(max_size=8),
}

# Few distinct values, so that the bins' edges, unseen categories and every kind of missing are hit.
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.floats(-5, 15).map(lambda x: round(x, 1)),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.sampled_from(["", "AA", "B6", "UA", "never seen", "1"]),
)
feature_rows = st.dictionaries(st.sampled_from(FEATURES), values)
