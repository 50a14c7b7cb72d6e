import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from kedge.performance.calibration import Calibration

rows = st.lists(
    st.tuples(st.integers(0, 50).map(lambda k: k / 50), st.integers(0, 1)), min_size=1, max_size=80
)


@given(rows, st.lists(st.floats(0, 1), max_size=30))
def test_it_is_scikit_learns(known, asked):
    scores, labels = (np.array(side) for side in zip(*known, strict=True))
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    mine = Calibration.fit(scores.astype(float), labels)
    points = np.concatenate([asked, scores])
    np.testing.assert_allclose(mine(points), theirs.predict(points), atol=1e-12)
    again = Calibration.from_record(mine.to_record("y"))
    assert (again(points) == mine(points)).all()


def test_a_level_keeps_its_ends_only():
    scores = np.linspace(0, 1, 101)
    fitted = Calibration.fit(scores, (scores > 0.5).astype(np.int64))
    assert fitted.scores.tolist() == [0, 0.5, 0.51, 1]
    assert fitted.probabilities.tolist() == [0, 0, 1, 1]


def test_without_labels_there_is_nothing_to_fit():
    with pytest.raises(ValueError, match="without a row that has score and truth"):
        Calibration.fit(np.empty(0), np.empty(0, np.int64))
