"""Pure: whose fault an incident is: the model's, the code's, an upstream feed's or the world's."""

from kedge.attribution.attribute import attribute
from kedge.attribution.notes import Notes, Onset, ReleaseNotes
from kedge.attribution.symptoms import Fault, Point
from kedge.attribution.verdict import Blame, Verdict

__all__ = [
    "Blame",
    "Fault",
    "Notes",
    "Onset",
    "Point",
    "ReleaseNotes",
    "Verdict",
    "attribute",
]
