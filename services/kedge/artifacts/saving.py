"""Models in memory, written to a file in their library's format that holds data and no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedge.errors import KedgeError

SAFE_FORMATS = (
    "scikit-learn by `skops.io.dump(model, 'model.skops')`, XGBoost by "
    "`model.save_model('model.ubj')`, LightGBM by `model.save_model('model.txt')`, PyTorch by "
    "`safetensors.torch.save_file(model.state_dict(), 'model.safetensors')`, others as ONNX"
)
"""How a model is saved without a pickle, for people."""


def save_model(model: Any, folder: Path) -> Path:
    """Write a model to a new file in `folder`, by the library that it is of.

    Args:
        model: of XGBoost, LightGBM, ONNX or scikit-learn, or arrays by name.
        folder: exists and is empty.

    Returns:
        The file.

    Raises:
        KedgeError: it is of none of these, or what writes it is not installed.
    """
    families = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    # Their scikit-learn interfaces are scikit-learn's too, and are saved better by their own.
    if "xgboost" in families:
        path = folder / "model.ubj"
        model.save_model(path)
    elif "lightgbm" in families:
        path = folder / "model.txt"
        getattr(model, "booster_", model).save_model(path)
    elif "onnx" in families:
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString())
    elif "sklearn" in families:
        path = folder / "model.skops"
        _imported("skops.io", "skops").dump(model, path)
    elif isinstance(model, dict):
        path = folder / "model.safetensors"
        _imported("safetensors.numpy", "safetensors").save_file(model, path)
    else:
        raise KedgeError(
            f"a {type(model).__module__}.{type(model).__qualname__} can't be saved here: save it "
            f"yourself and give the path. {SAFE_FORMATS}"
        )
    return path


def _imported(module: str, package: str) -> Any:
    import importlib  # noqa: PLC0415 - of no use to who only reads the formats

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise KedgeError(f"this model is saved by {package}: pip install {package}") from error
