"""Models, code versions, releases and aliases: what was released, by whom, and what serves now."""

from kedge.registry.comparison import Difference
from kedge.registry.contents import ContentStore
from kedge.registry.database import DatabaseUnavailableError
from kedge.registry.entries import (
    AliasMove,
    CodeVersion,
    ModelVersion,
    Proposal,
    Refusal,
    Release,
    Silence,
)
from kedge.registry.errors import (
    AmbiguousVersionError,
    BadNameError,
    CodeConflictError,
    ContentError,
    IncidentConflictError,
    ProposedIncidentError,
    RefusedIncidentError,
    SettledProposalError,
    SilenceError,
    StaleAliasError,
    UnknownAliasError,
    UnknownModelError,
    UnknownProposalError,
    UnknownReleaseError,
    UnknownVersionError,
)
from kedge.registry.registry import Registry

__all__ = [
    "AliasMove",
    "AmbiguousVersionError",
    "BadNameError",
    "CodeConflictError",
    "CodeVersion",
    "ContentError",
    "ContentStore",
    "DatabaseUnavailableError",
    "Difference",
    "IncidentConflictError",
    "ModelVersion",
    "Proposal",
    "ProposedIncidentError",
    "Refusal",
    "RefusedIncidentError",
    "Registry",
    "Release",
    "SettledProposalError",
    "Silence",
    "SilenceError",
    "StaleAliasError",
    "UnknownAliasError",
    "UnknownModelError",
    "UnknownProposalError",
    "UnknownReleaseError",
    "UnknownVersionError",
]
