"""Pure: references, profiles, and how predictions are counted."""

from kedge.profile.bins import Bins
from kedge.profile.counting import count_windows
from kedge.profile.expectation import Amounts, Estimator, Expectation
from kedge.profile.missing import KINDS, Missing
from kedge.profile.operations import OTHER, RELATIVE_ERROR, Operations
from kedge.profile.profile import Profile
from kedge.profile.reference import Reference, ReferenceColumn
from kedge.profile.scale import UNIT, Scale
from kedge.profile.signature import ColumnSpec, ColumnType, infer_signature
from kedge.profile.together import Together
from kedge.profile.training import reference_of
from kedge.profile.vectors import VectorScale

__all__ = [
    "KINDS",
    "OTHER",
    "RELATIVE_ERROR",
    "UNIT",
    "Amounts",
    "Bins",
    "ColumnSpec",
    "ColumnType",
    "Estimator",
    "Expectation",
    "Missing",
    "Operations",
    "Profile",
    "Reference",
    "ReferenceColumn",
    "Scale",
    "Together",
    "VectorScale",
    "count_windows",
    "infer_signature",
    "reference_of",
]
