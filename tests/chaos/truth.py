"""Performance and conservation as they are published, against what was sent and what really was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from chaos.found import Check, Found
from chaos.traffic import Traffic
from chaos.world import WINDOW
from kedge.contracts import Record


def readable(traffic: Traffic) -> int:
    """Predictions in messages that can be read, those that came twice among them."""
    sent = sum(len(some.ids) for some in (*traffic.sent, *traffic.repeated))
    return sent + len(traffic.readable_poison)


def received(found: Found) -> int:
    """The same as the auditor counted them."""
    return round(_audited(found, "predictions_received"))


def joined(found: Found) -> int:
    """Predictions whose truth is counted in the newest performance of their window."""
    return sum(_rows(record) for record in found.performance.values())


def checks(traffic: Traffic, found: Found) -> Iterator[Check]:
    """Every line of the table that outcomes and accounts make."""
    yield Check("predictions received, as audited", readable(traffic), received(found))
    again = sum(len(some.ids) for some in traffic.repeated)
    duplicates = round(_audited(found, "predictions_duplicate"))
    yield Check("predictions sent again, as audited", again, duplicates)
    yield Check("predictions with their truth", len(traffic.outcomes.truths), joined(found))
    expected = _truths(traffic)
    right = 0
    for key, (scores, truths) in sorted(expected.items()):
        record = found.performance.get(key)
        if record is not None and _agrees(record, np.array(scores), np.array(truths, float)):
            right += 1
        else:
            rows = None if record is None else (_rows(record), record["revision"])
            yield Check(f"performance of {key}", len(truths), rows)
    yield Check("windows of a release, their performance right", len(expected), right)


def _audited(found: Found, name: str) -> float:
    """A count of conservation over all windows; these have no revisions."""
    return sum(
        each["value"]
        for record in found.statistics
        for each in record["statistics"]
        if record["clock"] == "broker" and each["name"] == name
    )


def _truths(traffic: Traffic) -> dict[tuple[int, int], tuple[list[float], list[bool]]]:
    """Scores and truths by release and window, of predictions whose truth is known in the end."""
    by_window: dict[tuple[int, int], tuple[list[float], list[bool]]] = defaultdict(lambda: ([], []))
    for some in traffic.sent:
        rows = zip(some.ids, some.times.tolist(), some.scores.tolist(), strict=True)
        for prediction, when, score in rows:
            if (truth := traffic.outcomes.truths.get(prediction)) is not None:
                scores, truths = by_window[some.tags.release, when // WINDOW * WINDOW]
                scores.append(score)
                truths.append(truth)
    return dict(by_window)


def _rows(record: Record) -> int:
    """How many rows the metrics are of; none where nothing but the coverage is known."""
    return next((s["rows"] for s in record["statistics"] if s["name"] == "accuracy"), 0)


def _agrees(record: Record, scores: np.ndarray, truths: np.ndarray) -> bool:
    values = {each["name"]: each["value"] for each in record["statistics"]}
    return (
        _rows(record) == len(truths)
        and np.isclose(values["accuracy"], np.mean((scores >= 0.5) == truths), 0, 1e-12)
        and np.isclose(values["brier"], np.mean((scores - truths) ** 2), 0, 1e-12)
    )
