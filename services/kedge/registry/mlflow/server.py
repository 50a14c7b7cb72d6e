"""The MLflow server of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedge.errors import KedgeError
from kedge.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient


def connected(settings: Settings) -> MlflowClient:
    """A client of the server that the settings name.

    Raises:
        KedgeError: none is named, or the extra `mlflow` is not installed.
    """
    uri = settings.mlflow.uri
    if uri is None:
        raise KedgeError(
            "no MLflow server is named: set KEDGE_MLFLOW__URI, for example to http://mlflow:5000"
        )
    try:
        from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds, and is an extra
    except ModuleNotFoundError as error:
        raise KedgeError("MLflow's client is missing: pip install 'kedge[mlflow]'") from error
    return MlflowClient(uri, uri)
