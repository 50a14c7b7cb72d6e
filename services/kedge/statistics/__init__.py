"""Pure: one number about one window of one release, and how it is computed."""

from kedge.statistics.catalogue import CATALOGUE, RECONCILED, Entry, as_markdown
from kedge.statistics.conservation import Conservation, conservation_statistics
from kedge.statistics.distances import chi_squared, hellinger, js_distance, l_infinity, psi
from kedge.statistics.evidence import Evidence, Season
from kedge.statistics.operations import WINDOWS_BEFORE, Traffic, operational_statistics
from kedge.statistics.ordered import Bounds, kolmogorov_smirnov, wasserstein
from kedge.statistics.statistic import Statistic
from kedge.statistics.trends import Past, trend_statistics
from kedge.statistics.window import window_statistics

__all__ = [
    "CATALOGUE",
    "RECONCILED",
    "WINDOWS_BEFORE",
    "Bounds",
    "Conservation",
    "Entry",
    "Evidence",
    "Past",
    "Season",
    "Statistic",
    "Traffic",
    "as_markdown",
    "chi_squared",
    "conservation_statistics",
    "hellinger",
    "js_distance",
    "kolmogorov_smirnov",
    "l_infinity",
    "operational_statistics",
    "psi",
    "trend_statistics",
    "wasserstein",
    "window_statistics",
]
