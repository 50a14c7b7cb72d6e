"""Artifacts of the safe formats, loaded by their libraries, for inference code."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kedge.artifacts.formats import Format, recognise
from kedge.errors import KedgeError


def load_model(artifact: str | Path) -> Any:
    """The model in a file, loaded without running code that comes with it.

    Args:
        artifact: as inference code's `load` is given it: a file of ONNX (gives an `onnxruntime`
            session), skops, safetensors (arrays by name), XGBoost, LightGBM or JSON.

    Raises:
        KedgeError: it is of another format, may run code, or its library is not installed.
    """
    path = Path(artifact)
    if not path.exists():
        raise KedgeError(f"there is no {path}: give the path of an artifact")
    found = recognise(path)
    if found.unsafe is not None:
        raise KedgeError(
            f"{found.unsafe}: load_model does not load it. Who trusts it loads it by its library"
        )
    if found.format not in _LOADERS:
        raise KedgeError(
            f"{path} is {found.format}, and load_model loads {', '.join(_LOADERS)}: "
            "load it by its library"
        )
    return _LOADERS[found.format](path)


def _library(name: str, path: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise KedgeError(f"{path.name} is loaded by {package}: pip install {package}") from error


def _xgboost(path: Path) -> Any:
    booster = _library("xgboost", path).Booster()
    booster.load_model(path)
    return booster


_LOADERS: dict[Format, Callable[[Path], Any]] = {
    "onnx": lambda path: _library("onnxruntime", path).InferenceSession(path),
    "skops": lambda path: _library("skops.io", path).load(path),
    "safetensors": lambda path: _library("safetensors.numpy", path).load_file(path),
    "xgboost": _xgboost,
    "lightgbm": lambda path: _library("lightgbm", path).Booster(model_file=path),
    "json": lambda path: json.loads(path.read_text("utf-8")),
}
