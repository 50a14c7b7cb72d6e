"""A version of a model that MLflow has becomes a model version of Kedge."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kedge.errors import KedgeError
from kedge.profile import Reference
from kedge.registry.entries import ModelVersion
from kedge.registry.registry import Registry

if TYPE_CHECKING:
    from mlflow import MlflowClient

VERSION_TAG = "kedge.model_version"
"""Of a model version in MLflow: the id that it has in Kedge."""


def adopt(
    registry: Registry,
    client: MlflowClient,
    name: str,
    version: str,
    reference: Reference,
    *,
    actor: str,
    model: str | None = None,
    allow_pickle: bool = False,
) -> ModelVersion:
    """Register what MLflow has as a version of a model, and tag it there with its id in Kedge.

    The artifact is copied, so that a release can be served and gone back to whatever becomes of
    MLflow. Doing it again stores nothing twice.

    Args:
        registry: where it is registered.
        client: of the MLflow server.
        name: of the registered model in MLflow.
        version: its number there, or `@` and an alias.
        reference: what windows are compared with.
        actor: who does it.
        model: name of the model in Kedge; as in MLflow by default.
        allow_pickle: as in `Registry.register_model`.

    Raises:
        UnsafeArtifactError: loading it may run code, and nobody allowed that.
        KedgeError: MLflow has no such version, does not answer, or has a signature with features
            that the reference lacks.
    """
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - see `server`
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="kedge-mlflow-") as folder:
        try:
            found = (
                client.get_model_version_by_alias(name, version[1:])
                if version.startswith("@")
                else client.get_model_version(name, version)
            )
            # By its own address: under `models:/`, MLflow adds a file that names version and model,
            # and the same artifact would have another digest in each.
            artifact = download_artifacts(
                artifact_uri=client.get_model_version_download_uri(name, found.version),
                dst_path=folder,
                tracking_uri=client.tracking_uri,
            )
            _check_signature(Path(artifact), reference)
            registered = registry.register_model(
                model or name,
                Path(artifact),
                reference,
                actor=actor,
                allow_pickle=allow_pickle,
            )
            client.set_model_version_tag(name, found.version, VERSION_TAG, registered.id)
        except MlflowException as error:
            raise KedgeError(f"MLflow refused {name} {version}: {error}") from error
    return registered


def _check_signature(artifact: Path, reference: Reference) -> None:
    """That the reference has every feature that the model says it needs."""
    from mlflow.models import Model  # noqa: PLC0415

    if not (artifact / "MLmodel").is_file():
        return
    inputs = Model.load(str(artifact)).get_input_schema()  # type: ignore[no-untyped-call]  # MLflow has no types for it
    if inputs is None or not inputs.has_input_names():
        return
    features = {c.spec.name for c in reference.columns if c.spec.role == "feature"}
    if lacking := [name for name in inputs.required_input_names() if name not in features]:
        raise KedgeError(
            f"the model's signature in MLflow needs {', '.join(lacking)}, and the reference has no "
            "such feature: give a reference with the columns that the model was trained on"
        )
