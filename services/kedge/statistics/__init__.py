"""Pure: one number about one window of one release, and how it is computed."""

from kedge.statistics.distances import js_distance, psi
from kedge.statistics.window import Statistic, window_statistics

__all__ = ["Statistic", "js_distance", "psi", "window_statistics"]
