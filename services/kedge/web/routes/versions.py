"""Model versions and code versions, uploaded and listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from kedge.errors import KedgeError
from kedge.registry import CodeVersion, ModelVersion, Registry
from kedge.registry.tabular import read_reference
from kedge.web import API, problems
from kedge.web.backend import RegistryDep
from kedge.web.callers import Operating, Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import ModelName, VersionPath
from kedge.web.problems import CHANGING, READING, ApiError
from kedge.web.registration import REGISTRATION, orders_of, said, truth_of
from kedge.web.uploads import Upload, received
from kedge.web.views import CodeVersionView, ColumnView, ModelVersionDetail, ModelVersionView

router = APIRouter(
    prefix=f"{API}/models/{{model}}", tags=["versions"], route_class=ConditionalRoute
)

_FILES = {
    "type": "array",
    "items": {"type": "string", "contentMediaType": "application/octet-stream"},
    "description": "One file; or the files of a folder, their relative paths as file names.",
}
_TEXTS = {"type": "array", "items": {"type": "string"}}


def _multipart(required: list[str], **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties}
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@router.get("/versions", responses=READING, dependencies=[Reading])
def list_model_versions(
    model: ModelName, registry: RegistryDep, paging: PagingDep
) -> Page[ModelVersionView]:
    """Versions of a model, the newest first."""
    after = paging.after("model_versions", int, str)
    rows = registry.listings.of_model("model_versions", model, after, paging.wanted)
    return paging.page("model_versions", rows, ModelVersionView)


@router.get("/versions/{version}", responses=READING, dependencies=[Reading])
def get_model_version(
    model: ModelName, version: VersionPath, registry: RegistryDep
) -> ModelVersionDetail:
    """A version of a model, with its signature."""
    return _detail(registry.model_version(model, version))


@router.post(
    "/versions",
    status_code=201,
    responses=CHANGING,
    openapi_extra=_multipart(
        ["artifact", "reference"],
        artifact=_FILES,
        reference={
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "Training or validation data: .parquet, .csv or .csv.gz.",
        },
        output={**_TEXTS, "description": "Columns with what the model predicts."},
        ignore={**_TEXTS, "description": "Columns that are no part of the model."},
        null={**_TEXTS, "description": "In CSV, texts that stand for a missing value."},
        **REGISTRATION,
    ),
)
async def register_model_version(
    model: ModelName, request: Request, response: Response, changes: Operating
) -> ModelVersionDetail:
    """Register an artifact with its reference data; the same again is the version that is there.

    Example: `curl -F artifact=@model.json -F reference=@train.parquet -F output=late …`
    """
    async with received(request) as upload:
        version = await run_in_threadpool(
            _register_model, upload, model, changes.registry, changes.caller.name
        )
    response.headers["Location"] = f"{API}/models/{model}/versions/{version.id}"
    return _detail(version)


def _register_model(upload: Upload, model: str, registry: Registry, actor: str) -> ModelVersion:
    upload.only({"artifact", "reference"}, {"output", "ignore", "null", *REGISTRATION})
    artifact, reference = (_needed(upload, name) for name in ("artifact", "reference"))
    fields = upload.fields
    try:
        profile = read_reference(
            reference,
            outputs=fields["output"],
            ignored=fields["ignore"],
            nulls=fields["null"],
            truth=truth_of(fields),
            orders=orders_of(fields),
        )
        return registry.register_model(
            model,
            artifact,
            profile,
            actor=actor,
            allow_pickle=said(fields, "allow_pickle"),
            inputs_differ=said(fields, "inputs_differ"),
        )
    except KedgeError as error:
        raise _without_folder(error, upload) from error


def _detail(version: ModelVersion) -> ModelVersionDetail:
    columns = [ColumnView(name=c.name, role=c.role, type=c.type) for c in version.signature]
    known = ModelVersionView.model_validate(version).model_dump()
    return ModelVersionDetail(**known, rows=version.reference.rows, columns=columns)


@router.get("/code", responses=READING, dependencies=[Reading])
def list_code_versions(
    model: ModelName, registry: RegistryDep, paging: PagingDep
) -> Page[CodeVersionView]:
    """Versions of a model's inference code, the newest first."""
    after = paging.after("code_versions", int, str)
    rows = registry.listings.of_model("code_versions", model, after, paging.wanted)
    return paging.page("code_versions", rows, CodeVersionView)


@router.get("/code/{version}", responses=READING, dependencies=[Reading])
def get_code_version(
    model: ModelName, version: VersionPath, registry: RegistryDep
) -> CodeVersionView:
    """A version of the inference code."""
    return CodeVersionView.model_validate(registry.code_version(model, version))


@router.post(
    "/code",
    status_code=201,
    responses=CHANGING,
    openapi_extra=_multipart(
        [],
        bundle={
            **_FILES,
            "description": "A Python file, or the files of a folder with "
            "`inference.py`, their relative paths as file names.",
        },
        commit={"type": "string", "description": "The git commit in full, which then is the id."},
    ),
)
async def register_code_version(
    model: ModelName, request: Request, response: Response, changes: Operating
) -> CodeVersionView:
    """Register inference code: a bundle, a git commit, or both.

    Example: `curl -F bundle=@inference.py -F commit=$(git rev-parse HEAD) …`
    """
    async with received(request) as upload:
        code = await run_in_threadpool(
            _register_code, upload, model, changes.registry, changes.caller.name
        )
    response.headers["Location"] = f"{API}/models/{model}/code/{code.id}"
    return CodeVersionView.model_validate(code)


def _register_code(upload: Upload, model: str, registry: Registry, actor: str) -> CodeVersion:
    upload.only({"bundle"}, {"commit"})
    commits = upload.fields["commit"]
    if len(commits) > 1:
        raise ApiError(problems.INVALID, "`commit` may be given once")
    try:
        return registry.register_code(
            model, upload.path("bundle"), commits[0] if commits else None, actor=actor
        )
    except KedgeError as error:
        raise _without_folder(error, upload) from error


def _needed(upload: Upload, name: str) -> Path:
    path = upload.path(name)
    if path is None:
        raise ApiError(problems.INVALID, f"the file `{name}` is missing")
    return path


def _without_folder(error: KedgeError, upload: Upload) -> KedgeError:
    """The same error; where the upload lay on this machine is nobody's business."""
    said = str(error.args[0]) if error.args else str(error)
    error.args = (said.replace(f"{upload.folder}/", ""),)
    return error
