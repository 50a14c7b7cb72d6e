"""Models, code versions, releases and aliases: what was released, by whom, and what serves now."""

from kedge.registry.audit import Act, AuditEntry
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
    TakenNameError,
    UnknownAliasError,
    UnknownModelError,
    UnknownProposalError,
    UnknownReleaseError,
    UnknownTokenError,
    UnknownVersionError,
)
from kedge.registry.listings import Key, ListedVersion, Listing
from kedge.registry.registry import Registry
from kedge.registry.tokens import SCOPES, Scope, Token

__all__ = [
    "SCOPES",
    "Act",
    "AliasMove",
    "AmbiguousVersionError",
    "AuditEntry",
    "BadNameError",
    "CodeConflictError",
    "CodeVersion",
    "ContentError",
    "ContentStore",
    "DatabaseUnavailableError",
    "Difference",
    "IncidentConflictError",
    "Key",
    "ListedVersion",
    "Listing",
    "ModelVersion",
    "Proposal",
    "ProposedIncidentError",
    "Refusal",
    "RefusedIncidentError",
    "Registry",
    "Release",
    "Scope",
    "SettledProposalError",
    "Silence",
    "SilenceError",
    "StaleAliasError",
    "TakenNameError",
    "Token",
    "UnknownAliasError",
    "UnknownModelError",
    "UnknownProposalError",
    "UnknownReleaseError",
    "UnknownTokenError",
    "UnknownVersionError",
]
