"""Whose fault it is, where several things changed together."""

from kedge.attribution import Fault, Point, ReleaseNotes, attribute
from kedge.attribution.notes import Column, ColumnNote, WindowNote

HOUR = 3_600_000_000
ROWS = 1000
OUTPUT, INPUT = Column("output", "output"), Column("feature", "visib")


def _release(model_version, windows, drifts):
    """Windows of a release, with the drift of each column; all of it far from chance."""
    notes = ReleaseNotes(model_version, "cv")
    for window in windows:
        columns = {column: ColumnNote(ROWS, {}, 0.0, psi, 50.0) for column, psi in drifts.items()}
        notes.windows[window * HOUR] = WindowNote((window + 1) * HOUR, ROWS, 0, columns=columns)
    return notes


def test_an_input_that_moved_beside_a_models_fault_does_not_name_it():
    # The weather changes in the hour in which a bad model ships, under the same code.
    releases = {
        1: _release("mv1", range(6), {OUTPUT: 0.02, INPUT: 0.02}),
        2: _release("mv2", range(6, 8), {OUTPUT: 8.0, INPUT: 0.6}),
    }
    series = {
        number: [
            Point(start, note.end, note.columns[OUTPUT].drift, ROWS)
            for start, note in release.windows.items()
        ]
        for number, release in releases.items()
    }
    fault = Fault(
        2, "psi", OUTPUT, "psi of output", series, lambda psi: psi > 3, 3.0, 6 * HOUR, 8 * HOUR
    )
    verdict = attribute(fault, releases)
    assert verdict.blame == "model"
    assert "output" in verdict.because[0]
    assert "visib" not in verdict.because[0]
