"""Models, code versions, releases and aliases: what was released, by whom, and what serves now."""

from kedge.registry.comparison import Difference
from kedge.registry.contents import ContentStore
from kedge.registry.database import DatabaseUnavailableError
from kedge.registry.entries import (
    AliasMove,
    CodeVersion,
    Deletion,
    ModelVersion,
    Proposal,
    Refusal,
    Release,
)
from kedge.registry.errors import (
    AmbiguousVersionError,
    BadNameError,
    CodeConflictError,
    ContentError,
    IncidentConflictError,
    NothingBeforeError,
    ProposedIncidentError,
    RefusedIncidentError,
    SettledProposalError,
    SignatureError,
    StaleAliasError,
    StillNeededError,
    UnknownAliasError,
    UnknownModelError,
    UnknownProposalError,
    UnknownReleaseError,
    UnknownVersionError,
    UnsafeArtifactError,
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
    "Deletion",
    "Difference",
    "IncidentConflictError",
    "ModelVersion",
    "NothingBeforeError",
    "Proposal",
    "ProposedIncidentError",
    "Refusal",
    "RefusedIncidentError",
    "Registry",
    "Release",
    "SettledProposalError",
    "SignatureError",
    "StaleAliasError",
    "StillNeededError",
    "UnknownAliasError",
    "UnknownModelError",
    "UnknownProposalError",
    "UnknownReleaseError",
    "UnknownVersionError",
    "UnsafeArtifactError",
]
