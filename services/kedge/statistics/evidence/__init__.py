"""Pure: anytime-valid evidence that a release's windows have changed."""

from kedge.statistics.evidence.detector import Evidence, Season

__all__ = ["Evidence", "Season"]
