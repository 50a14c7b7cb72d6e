"""The SQL macros beside NumPy and SciPy, and what they say of themselves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from kedge.archive import connect
from kedge.archive.macros import MACROS
from kedge.statistics.distances import psi


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    with connect(tmp_path_factory.mktemp("archive"), confined=True) as connection:
        yield connection


def value(connection, query, *values):
    return connection.execute(query, values).fetchone()[0]


COUNTS = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=12
).filter(lambda pairs: all(sum(side) > 0 for side in zip(*pairs, strict=True)))


@settings(max_examples=60)
@given(pairs=COUNTS)
def test_distances_are_those_of_scipy_and_of_the_statistics(connection, pairs):
    a, b = (list(side) for side in zip(*pairs, strict=True))
    assert value(connection, "SELECT js_distance($1, $2)", a, b) == pytest.approx(
        float(jensenshannon(a, b, base=2)), abs=1e-7
    )
    assert value(connection, "SELECT psi($1, $2)", a, b) == pytest.approx(
        psi(np.array(a), np.array(b)), abs=1e-9
    )


@pytest.mark.parametrize("macro", ["psi", "js_distance"])
@pytest.mark.parametrize(("a", "b"), [("[0, 0]", "[1, 2]"), ("[1]", "[1, 2]")])
def test_what_cannot_be_compared_has_no_distance(connection, macro, a, b):
    assert value(connection, f"SELECT {macro}({a}, {b})") is None


@settings(max_examples=40)
@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.sampled_from([1.0, 2.0]), min_size=1, max_size=60),
    bins=st.integers(2, 10),
)
def test_bins_are_those_of_numpy(connection, values, bins):
    given_ = [*values, None, math.nan]
    edges = value(
        connection,
        f"SELECT quantile_edges(x, {bins}) FROM (SELECT unnest($1::DOUBLE[]) AS x)",
        given_,
    )
    wanted = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    assert all(np.isclose(wanted, edge, rtol=1e-9, atol=1e-6).any() for edge in edges)
    assert all(np.isclose(edges, edge, rtol=1e-9, atol=1e-6).any() for edge in wanted)
    counts = value(connection, "SELECT bin_counts($1::DOUBLE[], $2::DOUBLE[])", given_, edges)
    assert counts == np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1).tolist()


@pytest.mark.parametrize(
    ("values", "rate"),
    [
        ("(1.5::DOUBLE), (NULL), ('nan'), (3)", 0.5),
        ("('a'), (''), (NULL), ('nan')", 0.5),
        ("(true), (NULL)", 0.5),
        ("([1.0]), (NULL)", 0.5),
        ("(1), (2)", 0.0),
    ],
)
def test_missing_is_null_nan_and_the_empty_text(connection, values, rate):
    assert value(connection, f"SELECT missing_rate(x) FROM (VALUES {values}) AS t(x)") == rate


def test_a_time_is_in_the_window_that_starts_before_it(connection):
    query = "SELECT epoch(per(15, TIMESTAMPTZ '2013-02-01 10:44:59+00'))"
    assert value(connection, query) % 86400 == 10 * 3600 + 30 * 60


def test_every_macro_says_what_it_is(connection):
    said = connection.execute(
        "SELECT function_name, comment FROM duckdb_functions() WHERE NOT internal"
    ).fetchall()
    assert sorted(name for name, _ in said) == sorted(s.partition("(")[0] for s in MACROS)
    assert all(comment for _, comment in said)
