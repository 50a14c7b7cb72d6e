"""The policies in force, as the alerting service reads them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from kedge.errors import KedgeError
from kedge.policies import configured
from kedge.policy import Policy
from kedge.web import API, problems
from kedge.web.backend import BackendDep
from kedge.web.callers import Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.problems import READING, ApiError

router = APIRouter(
    prefix=API, tags=["policies"], route_class=ConditionalRoute, dependencies=[Reading]
)


class PolicyView(BaseModel):
    """The rules of a model."""

    model: str = Field(description="`*` for all that have none of their own.")
    environment: str | None
    alias: str
    rules: list[dict[str, Any]] = Field(description="As in the policy file; what it left out too.")
    rollback: dict[str, Any]
    webhooks: list[str] = Field(description="Names of those that are told.")


@router.get("/policies", responses=READING)
def list_policies(backend: BackendDep) -> list[PolicyView]:
    """The policies that `KEDGE_ALERTING__POLICY` names; none where it is not set."""
    try:
        policies = configured(backend.settings)
    except KedgeError as error:
        raise ApiError(problems.UNAVAILABLE, str(error)) from error
    return [_told(policy) for policy in policies]


def _told(policy: Policy) -> PolicyView:
    return PolicyView(
        model=policy.model,
        environment=policy.environment,
        alias=policy.alias,
        rules=[rule.model_dump(mode="json") for rule in policy.rules],
        rollback=policy.rollback.model_dump(mode="json"),
        webhooks=[webhook.name for webhook in policy.webhooks],
    )
