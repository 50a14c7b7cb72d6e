"""Pure: one number about one window of one release, and how it is computed."""

from kedge.statistics.catalogue import CATALOGUE, Entry, as_markdown
from kedge.statistics.conservation import Conservation, conservation_statistics
from kedge.statistics.distances import js_distance, psi
from kedge.statistics.window import Statistic, window_statistics

__all__ = [
    "CATALOGUE",
    "Conservation",
    "Entry",
    "Statistic",
    "as_markdown",
    "conservation_statistics",
    "js_distance",
    "psi",
    "window_statistics",
]
