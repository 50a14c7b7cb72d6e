"""Whether alerts carry links to approve a rollback, and what these are signed with."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from kedge.approvals.links import ApprovalLinks


class ApprovalSettings(BaseModel):
    """Links to answer a proposal: both settings, or no links."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: SecretStr | None = Field(
        None, min_length=32, description="What they are signed with: 32 characters or more."
    )
    url: str | None = Field(
        None,
        pattern="^https?://[^?#]+$",
        description="Where they lead, as browsers reach it: https://kedge.example.com.",
    )

    @property
    def key(self) -> bytes | None:
        """The secret as what signatures are made and verified with."""
        return None if self.secret is None else self.secret.get_secret_value().encode()

    @property
    def links(self) -> ApprovalLinks | None:
        if self.key is None or self.url is None:
            return None
        return ApprovalLinks(self.key, self.url)
