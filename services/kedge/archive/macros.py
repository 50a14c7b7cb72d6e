"""SQL macros beside the views: the numbers that a question about drift needs."""

from __future__ import annotations

from typing import Final

_FLOOR: Final = "1e-4"
"""Least share in a PSI, as in `kedge.statistics.distances`."""

_P, _Q = "(x[1] / list_sum(a))", "(x[2] / list_sum(b))"
_COMPARABLE = "len(a) = len(b) AND list_sum(a) > 0 AND list_sum(b) > 0"
# NaN stands in the columns of numbers and '' in those of texts; both are missing.
_MISSING_RATE = """avg((x IS NULL OR CASE typeof(x)
    WHEN 'DOUBLE' THEN isnan(TRY_CAST(x AS DOUBLE))
    WHEN 'FLOAT' THEN isnan(TRY_CAST(x AS DOUBLE))
    WHEN 'VARCHAR' THEN x::VARCHAR = ''
    ELSE false END)::INT)"""
_QUANTILE_EDGES = """list_sort(list_distinct(
    quantile_cont(x, [i / bins FOR i IN range(1, bins)]) FILTER (NOT isnan(x::DOUBLE))))"""
_BIN_COUNTS = """[
    len([1 FOR x IN xs IF NOT isnan(x::DOUBLE) AND len([1 FOR e IN edges IF x > e]) = b])
    FOR b IN range(len(edges) + 1)]"""
_PSI = f"""CASE WHEN {_COMPARABLE} THEN list_sum([
    (greatest({_P}, {_FLOOR}) - greatest({_Q}, {_FLOOR}))
    * ln(greatest({_P}, {_FLOOR}) / greatest({_Q}, {_FLOOR}))
    FOR x IN list_zip(a, b)]) END"""
_JS_DISTANCE = f"""CASE WHEN {_COMPARABLE} THEN sqrt(greatest(0, list_sum([
    (CASE WHEN x[1] > 0 THEN {_P} * log2(2 * {_P} / ({_P} + {_Q})) ELSE 0 END
    + CASE WHEN x[2] > 0 THEN {_Q} * log2(2 * {_Q} / ({_P} + {_Q})) ELSE 0 END) / 2
    FOR x IN list_zip(a, b)]))) END"""

MACROS: Final = {
    "missing_rate(x)": (
        _MISSING_RATE,
        "Share of the rows that are null, NaN or the empty text, from 0 to 1; an aggregate",
    ),
    "per(minutes, t)": (
        "time_bucket(to_minutes(minutes), t)",
        "Start of the window of so many minutes that the time t is in",
    ),
    "quantile_edges(x, bins)": (
        _QUANTILE_EDGES,
        "Inner edges of bins that hold equally many values of x; an aggregate",
    ),
    "bin_counts(xs, edges)": (
        _BIN_COUNTS,
        "How many values of the list xs are in each bin, up to and with its upper edge",
    ),
    "category_counts(xs, categories)": (
        "[len([1 FOR x IN xs IF x = c]) FOR c IN categories]",
        "How many values of the list xs are each of the categories",
    ),
    "psi(a, b)": (
        _PSI,
        "Population stability index of two lists of counts, shares at least 0.0001, in nats",
    ),
    "js_distance(a, b)": (
        _JS_DISTANCE,
        "Jensen-Shannon distance with base 2 of two lists of counts, from 0 to 1",
    ),
    "at_release(name, number)": (
        "TABLE SELECT * FROM distinct_predictions WHERE model = name AND release = number",
        "Predictions of one release of a model, each once; a table: FROM at_release('flights', 2)",
    ),
}
"""By signature: what it stands for, and what it says of itself."""


def statements() -> list[str]:
    """SQL that makes all macros, with their comments; the views have to be there."""
    made = []
    for signature, (body, comment) in MACROS.items():
        name = signature.partition("(")[0]
        kind = "MACRO TABLE" if body.startswith("TABLE ") else "MACRO"
        quoted = comment.replace("'", "''")
        made += [
            f"CREATE MACRO {signature} AS {body}",
            f"COMMENT ON {kind} {name} IS '{quoted}'",
        ]
    return made
