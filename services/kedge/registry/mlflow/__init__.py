"""A team's MLflow registry beside Kedge's: versions come from there, moves of aliases go there."""

from kedge.registry.mlflow.mirror import Mirror, Mirrored, run
from kedge.registry.mlflow.server import connected
from kedge.registry.mlflow.versions import adopt

__all__ = ["Mirror", "Mirrored", "adopt", "connected", "run"]
