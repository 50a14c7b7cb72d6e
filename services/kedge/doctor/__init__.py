"""Conservation made visible: what was sent against what became of it, and where a gap is."""

from kedge.doctor.books import Books, Evidence, Lag, Letter
from kedge.doctor.evidence import gather
from kedge.doctor.examination import Finding, Line, Report, examine

__all__ = [
    "Books",
    "Evidence",
    "Finding",
    "Lag",
    "Letter",
    "Line",
    "Report",
    "examine",
    "gather",
]
