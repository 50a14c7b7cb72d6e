"""Releases."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from kedge.web import API
from kedge.web.backend import RegistryDep
from kedge.web.callers import OperatingByJson, Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import ModelName, ReleasePath, Text, VersionId
from kedge.web.problems import CHANGING, READING
from kedge.web.views import DifferenceView, ReleaseView

router = APIRouter(
    prefix=f"{API}/models/{{model}}/releases", tags=["releases"], route_class=ConditionalRoute
)


class NewRelease(BaseModel):
    """A pair to be released."""

    model_config = ConfigDict(extra="forbid")

    model_version: VersionId
    code_version: VersionId
    reason: Text = ""


@router.get("", responses=READING, dependencies=[Reading])
def list_releases(model: ModelName, registry: RegistryDep, paging: PagingDep) -> Page[ReleaseView]:
    """Releases of a model, the newest first."""
    after = paging.after("releases", int)
    rows = registry.listings.of_model("releases", model, after, paging.wanted)
    return paging.page("releases", rows, ReleaseView)


@router.post("", status_code=201, responses=CHANGING)
def create_release(
    model: ModelName, new: NewRelease, changes: OperatingByJson, response: Response
) -> ReleaseView:
    """Pair a model version and a code version under the next number. It serves nothing yet."""
    release = changes.registry.create_release(
        model, new.model_version, new.code_version, actor=changes.caller.name, reason=new.reason
    )
    response.headers["Location"] = f"{API}/models/{model}/releases/{release.number}"
    return ReleaseView.model_validate(release)


@router.get("/{number}", responses=READING, dependencies=[Reading])
def get_release(model: ModelName, number: ReleasePath, registry: RegistryDep) -> ReleaseView:
    """A release."""
    return ReleaseView.model_validate(registry.release(model, number))


@router.get("/{number}/diff", responses=READING, dependencies=[Reading])
def compare_releases(
    model: ModelName,
    number: ReleasePath,
    registry: RegistryDep,
    against: Annotated[int, Query(ge=1, le=2**31 - 1, description="Number of the one before.")],
) -> list[DifferenceView]:
    """What changed from another release to this one; empty where they pair the same versions."""
    found = registry.compare(model, against, number)
    return [DifferenceView.model_validate(each) for each in found]
