"""Names of the inputs that an artifact itself says it takes, where its format tells them."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from kedge.artifacts.formats import Format

_UNNAMED = re.compile(r"Column_\d+")
"""What LightGBM calls features that were given without names."""

_BINARY_NAMES = b"\0\0\0\0\0\0\0\x0dfeature_names[#L"


def input_names(path: Path, format_: Format) -> tuple[str, ...] | None:
    """What the artifact's inputs are called; None where it does not say.

    XGBoost and LightGBM keep the names of the features that they were trained with; a model trained
    on a plain array has none. An ONNX graph names its inputs, and one that has a single input takes
    all features in it; the graph is read where `onnx` is installed.
    """
    if format_ == "lightgbm":
        names = _of_lightgbm(path)
    elif format_ == "xgboost":
        names = _of_xgboost(path.read_bytes())
    elif format_ == "onnx":
        names = _of_onnx(path)
    else:
        names = ()
    return tuple(names) or None


def unlike(inputs: Iterable[str], features: Iterable[str]) -> tuple[list[str], list[str]]:
    """Inputs that are no features, and features that are no inputs.

    LightGBM writes an underscore for white space, so the two count as one.
    """
    ours = {re.sub(r"\s", "_", name): name for name in inputs}
    theirs = {re.sub(r"\s", "_", name): name for name in features}
    return (
        [name for key, name in ours.items() if key not in theirs],
        [name for key, name in theirs.items() if key not in ours],
    )


def _of_lightgbm(path: Path) -> Sequence[str]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("feature_names="):
                names = line.removeprefix("feature_names=").split()
                return () if all(map(_UNNAMED.fullmatch, names)) else names
            if line.startswith("Tree="):
                break
    return ()


def _of_xgboost(content: bytes) -> Sequence[str]:
    """From its JSON, or from Universal Binary JSON, whose strings are `S`, `L`, length, UTF-8."""
    if content.startswith(b'{"') or content[1:2].isspace():
        _, found, listed = content.partition(b'"feature_names":')
        if not found:
            return ()
        names: list[str]
        names, _ = json.JSONDecoder().raw_decode(listed.decode().lstrip())
        return names
    _, found, rest = content.partition(_BINARY_NAMES)
    if not found:
        return ()
    (count,) = struct.unpack_from(">q", rest)
    names, at = [], 8
    for _ in range(count):
        (length,) = struct.unpack_from(">q", rest, at + 2)
        names.append(rest[at + 10 : at + 10 + length].decode())
        at += 10 + length
    return names


def _of_onnx(path: Path) -> Sequence[str]:
    try:
        import onnx  # noqa: PLC0415 - only where it is there
    except ImportError:
        return ()
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    names = [each.name for each in graph.input if each.name not in constants]
    return names if len(names) > 1 else ()
