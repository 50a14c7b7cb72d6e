"""NannyML's estimates on its own credit cards, of three classes with their probabilities."""

import json
from pathlib import Path

import pytest

from counting import batch_of
from kedge.contracts import columns_of
from kedge.performance import estimates, estimator_of, with_estimator
from kedge.profile import count_windows, reference_of

CREDIT_CARD = json.loads((Path(__file__).parent / "credit_card.json").read_text(encoding="utf-8"))
CLASSES = CREDIT_CARD["classes"]


def _outputs(hundredths, predicted):
    given = {name: each / 100 for name, each in zip(CLASSES, hundredths, strict=True)}
    return given | {"card": CLASSES[predicted]}


@pytest.fixture(scope="module")
def reference():
    outputs, truths = [], []
    for *hundredths, predicted, true, rows in CREDIT_CARD["reference"]:
        outputs += [_outputs(hundredths, predicted)] * rows
        truths += [CLASSES[true]] * rows
    columns = columns_of(outputs, "output")
    names = {name: name for name in CLASSES}
    return with_estimator(
        reference_of(columns), columns, truths, output="card", probabilities=names
    )


@pytest.mark.parametrize("chunk", CREDIT_CARD["chunks"])
def test_nannymls_estimates_on_its_credit_cards(reference, chunk):
    """It calibrates the classes that gain by it only, so the figures are not quite the same."""
    outputs = [
        _outputs(hundredths, predicted)
        for *hundredths, predicted, rows in chunk["rows"]
        for _ in range(rows)
    ]
    estimator = estimator_of(reference)
    profile = count_windows(batch_of([{}] * len(outputs), outputs), reference, 1, estimator)[0]
    found = {s.name: s.value for s in estimates(estimator, reference, profile.expectation)}
    for name, theirs in chunk["nannyml"].items():
        assert found[f"estimated_{name}"] == pytest.approx(theirs, abs=0.001), name
