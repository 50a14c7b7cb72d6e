"""Pure: references, profiles, and how predictions are counted."""

from kedge.profile.counting import count_windows, reference_of
from kedge.profile.missing import KINDS, Missing
from kedge.profile.operations import OTHER, RELATIVE_ERROR, Operations
from kedge.profile.profile import Profile
from kedge.profile.reference import (
    Bins,
    ColumnSpec,
    ColumnType,
    Reference,
    ReferenceColumn,
    infer_signature,
)

__all__ = [
    "KINDS",
    "OTHER",
    "RELATIVE_ERROR",
    "Bins",
    "ColumnSpec",
    "ColumnType",
    "Missing",
    "Operations",
    "Profile",
    "Reference",
    "ReferenceColumn",
    "count_windows",
    "infer_signature",
    "reference_of",
]
