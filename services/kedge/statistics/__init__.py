"""Pure: one number about one window of one release, and how it is computed."""

from kedge.statistics.catalogue import CATALOGUE, Entry, as_markdown
from kedge.statistics.conservation import Conservation, conservation_statistics
from kedge.statistics.distances import js_distance, psi
from kedge.statistics.operations import WINDOWS_BEFORE, Traffic, operational_statistics
from kedge.statistics.window import Statistic, window_statistics

__all__ = [
    "CATALOGUE",
    "WINDOWS_BEFORE",
    "Conservation",
    "Entry",
    "Statistic",
    "Traffic",
    "as_markdown",
    "conservation_statistics",
    "js_distance",
    "operational_statistics",
    "psi",
    "window_statistics",
]
