"""`kedge model` and `kedge code`: versions of both, registered from the shell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kedge.cli.registered import (
    DELETION_COLUMNS,
    Actor,
    AllowPickle,
    AsJson,
    Model,
    WhyDeleted,
    add_group,
    opened,
    printed,
    who,
)
from kedge.errors import KedgeError

if TYPE_CHECKING:
    from kedge.registry import ModelVersion

_MODEL = """Model versions: an artifact, its signature, and the reference that it is compared with.

A model version never changes: its id is the digest of all three, so registering the same again
gives the same version and stores nothing twice. An artifact is a file of ONNX, skops, safetensors,
XGBoost, LightGBM, JSON or whatever the inference code loads; a pickle has to be allowed.
"""

_CODE = """Code versions: the inference code, kept apart from the model.

Fixing the code makes a new code version and leaves the model version as it is.
"""

_LISTED = ("model", "id", "artifact", "format", "rows", "columns", "created_at", "actor")
_SHOWN = (*_LISTED, "pickle_allowed_by")
_CODE_COLUMNS = ("model", "id", "commit", "bundle", "created_at", "actor")


def add_to(app: typer.Typer) -> None:
    """Add the groups to the command line."""
    add_group(
        app,
        "model",
        _MODEL,
        model_register,
        model_list,
        model_show,
        model_delete_version,
        model_deletions,
    )
    add_group(app, "code", _CODE, code_register, code_list, code_delete_version)


def model_register(
    model: Model,
    artifact: Annotated[Path, typer.Argument(help="The trained model: a file or a folder.")],
    reference: Annotated[
        Path,
        typer.Option(
            help="Training or validation data, .parquet or .csv, a row an example: the signature "
            "and the bins come from it."
        ),
    ],
    *,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "--outputs",
            help="Column with what the model predicts; may be given several times.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            help="Column that is neither an input nor an output of the model, such as an id; "
            "may be given several times."
        ),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            help="Column with the truth. The data must then be such that the model was not "
            "trained on: performance is estimated from it until labels come."
        ),
    ] = None,
    truth_of: Annotated[
        str | None,
        typer.Option(
            help="Output that the truth is of, where there are several; else the one named "
            "`output`, or the first."
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(help="Text of the positive class, where the truth is text."),
    ] = None,
    probability: Annotated[
        list[str] | None,
        typer.Option(
            help="CLASS=COLUMN: the output that is the probability of one of several classes; "
            "given once for each."
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="A score from here on predicts the positive class.")
    ] = 0.5,
    null: Annotated[
        list[str] | None,
        typer.Option(
            help="In CSV, a text that stands for a missing value, besides the empty cell; "
            "may be given several times."
        ),
    ] = None,
    order: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=LOW,…,HIGH",
            help="A column's categories, from the lowest to the highest; may be given several "
            "times.",
        ),
    ] = None,
    allow_pickle: AllowPickle = False,
    inputs_differ: Annotated[
        bool,
        typer.Option(
            "--inputs-differ",
            help="The inference code makes the artifact's inputs of features with other names, so "
            "they are not compared.",
        ),
    ] = False,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Register a version of a model.

    Every column that is neither an output nor the truth nor ignored is a feature. From a notebook:
    `kedge.register(model, name=…, reference=…)`.

    Example: `kedge model register flights model.json --reference validation.parquet --output score
    --truth was_late --ignore flight_id`
    """
    from kedge.registry.tabular import Truth, read_reference

    if truth is None and any((truth_of, positive, probability)):
        raise KedgeError(
            "--truth-of, --positive and --probability are about the truth: name its column, --truth"
        )
    pairs = _pairs(probability or ())
    known = None if truth is None else Truth(truth, truth_of, positive, threshold, pairs)
    profile = read_reference(
        reference,
        outputs=output or (),
        ignored=ignore or (),
        nulls=null or (),
        truth=known,
        orders=_orders(order or ()),
    )
    with opened() as registry:
        version = registry.register_model(
            model,
            artifact,
            profile,
            actor=who(actor),
            allow_pickle=allow_pickle,
            inputs_differ=inputs_differ,
        )
    _print_version(version, as_json=as_json)


def model_list(
    model: Annotated[str | None, typer.Argument(help="Versions of this model only.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the models, or the versions of one."""
    with opened() as registry:
        names = registry.models() if model is None else [model]
        versions = [version for name in names for version in registry.model_versions(name)]
    printed([_row(version) for version in versions], _LISTED, as_json=as_json)


def model_show(
    model: Model,
    version: Annotated[
        str | None, typer.Argument(help="Its id, or the first digits; the newest by default.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a version of a model with its signature and reference."""
    with opened() as registry:
        if version is None:
            versions = registry.model_versions(model)
            if not versions:
                raise KedgeError(f"`{model}` has no model version yet: `kedge model register`")
            found = versions[-1]
        else:
            found = registry.model_version(model, version)
    _print_version(found, as_json=as_json)


def model_delete_version(
    model: Model,
    version: Annotated[str, typer.Argument(help="Its id, or the first digits.")],
    *,
    reason: WhyDeleted,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Delete a version of a model that no release pairs; it is kept who did it and why.

    Its artifact goes with `kedge registry collect`, where no other version has the same.
    """
    with opened() as registry:
        gone = registry.delete_model_version(model, version, actor=who(actor), reason=reason)
    printed(asdict(gone), DELETION_COLUMNS, as_json=as_json)


def model_deletions(model: Model, *, as_json: AsJson = False) -> None:
    """List what was deleted of a model, the oldest first: versions, code and releases."""
    with opened() as registry:
        gone = registry.deletions(model)
    printed([asdict(each) for each in gone], DELETION_COLUMNS, as_json=as_json)


def code_register(
    model: Model,
    bundle: Annotated[
        Path | None,
        typer.Argument(help="A Python file, or a folder with `inference.py`."),
    ] = None,
    *,
    commit: Annotated[
        str | None, typer.Option(help="The git commit, in full: `git rev-parse HEAD`.")
    ] = None,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Register a version of the inference code: a bundle, a git commit, or both.

    With a bundle, `kedge serve` can run it: it defines `load(artifact)`, `prepare(instance)` and
    `predict(model, rows)`. The id is the commit if there is one, else the digest of the bundle.

    Example: `kedge code register flights inference.py --commit $(git rev-parse HEAD)`
    """
    with opened() as registry:
        code = registry.register_code(model, bundle, commit, actor=who(actor))
    printed(asdict(code), _CODE_COLUMNS, as_json=as_json)


def code_list(model: Model, *, as_json: AsJson = False) -> None:
    """List the code versions of a model."""
    with opened() as registry:
        versions = registry.code_versions(model)
    printed([asdict(code) for code in versions], _CODE_COLUMNS, as_json=as_json)


def _pairs(given: Iterable[str]) -> dict[str, str]:
    """CLASS=COLUMN; a class may have such a sign in its name."""
    pairs = {}
    for text in given:
        name, sign, column = text.rpartition("=")
        if not (name and sign and column):
            raise KedgeError(f"--probability {text} has to be CLASS=COLUMN")
        pairs[name] = column
    return pairs


def code_delete_version(
    model: Model,
    version: Annotated[str, typer.Argument(help="Its id, or the first digits.")],
    *,
    reason: WhyDeleted,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Delete a code version that no release pairs; it is kept who did it and why."""
    with opened() as registry:
        gone = registry.delete_code_version(model, version, actor=who(actor), reason=reason)
    printed(asdict(gone), DELETION_COLUMNS, as_json=as_json)


def _orders(given: Sequence[str]) -> dict[str, list[str]]:
    orders: dict[str, list[str]] = {}
    for each in given:
        column, equals, categories = each.partition("=")
        if not column or not equals or column in orders:
            raise KedgeError(f"--order {each}: give each column once, as size=S,M,L")
        orders[column] = categories.split(",")
    return orders


def _row(version: ModelVersion) -> dict[str, Any]:
    reference = version.reference
    return {
        "model": version.model,
        "id": version.id,
        "artifact": version.artifact,
        "format": version.format,
        "rows": reference.rows,
        "columns": len(reference.columns),
        "created_at": version.created_at,
        "actor": version.actor,
        "pickle_allowed_by": version.pickle_allowed_by,
    }


def _print_version(version: ModelVersion, *, as_json: bool) -> None:
    row = _row(version)
    if as_json:
        printed({**row, "reference": version.reference.to_record()}, (), as_json=True)
        return
    printed(row, _SHOWN, as_json=False)
    typer.echo()
    signature = [
        {
            "role": column.spec.role,
            "name": column.spec.name,
            "type": column.spec.type,
            "bins": len(column.bins),
            "missing": f"{int(column.missing.sum()) / max(version.reference.rows, 1):.1%}",
        }
        for column in version.reference.columns
    ]
    printed(signature, ("role", "name", "type", "bins", "missing"), as_json=False)
