"""Which format an artifact has, by its content and its name; nothing is loaded to find out."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kedge.artifacts.pickles import find_pickle

Format = Literal[
    "onnx", "skops", "safetensors", "xgboost", "lightgbm", "json", "pickle", "folder", "other"
]

_HEAD = 512
_XGBOOST_BINARY = b"{L\0\0\0\0\0\0\0\x07learner"
_LONGEST_HEADER = 100_000_000
"""Of safetensors, in bytes: its own limit."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What an artifact is.

    Attributes:
        format: its format.
        unsafe: what in it may run code when it is loaded, as the subject and predicate of a
            sentence; None where there is nothing.
    """

    format: Format
    unsafe: str | None = None


def recognise(path: Path) -> Recognised:
    """The format of a file or folder.

    A pickle in it, at whatever place, makes it unsafe, and so do types that skops does not trust.
    """
    if not path.is_dir():
        return _of_file(path, path.name)
    for where, _, names in os.walk(path):
        for name in sorted(names):
            file = Path(where, name)
            unsafe = _of_file(file, file.relative_to(path).as_posix()).unsafe
            if unsafe is not None:
                return Recognised("folder", unsafe)
    return Recognised("folder")


def _of_file(path: Path, name: str) -> Recognised:
    pickle = find_pickle(path, name)
    if pickle is not None:
        return Recognised("pickle", f"{pickle} is a pickle")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK") and _is_skops(path):
        return Recognised("skops", _distrusted(path, name))
    return Recognised(_of_content(path, head))


def _of_content(path: Path, head: bytes) -> Format:
    suffix = path.suffix.lower()
    if _is_safetensors(path, head):
        return "safetensors"
    if head.startswith(_XGBOOST_BINARY) or (head.startswith(b"{") and b'"learner":' in head):
        return "xgboost"
    if head.startswith(b"tree\nversion=v"):
        return "lightgbm"
    # What begins an ONNX file is its first field, the version of the format.
    if suffix == ".onnx" and head.startswith(b"\x08"):
        return "onnx"
    return "json" if suffix == ".json" else "other"


def _is_safetensors(path: Path, head: bytes) -> bool:
    """Eight bytes with the length of a header, and the header: JSON that names each tensor's type.

    See https://huggingface.co/docs/safetensors, "Format".
    """
    if head[8:9] != b"{":
        return False
    (length,) = struct.unpack_from("<Q", head)
    if length > min(_LONGEST_HEADER, path.stat().st_size - 8):
        return False
    with path.open("rb") as file:
        file.seek(8)
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return False
    header.pop("__metadata__", None)
    return all(isinstance(tensor, dict) and "dtype" in tensor for tensor in header.values())


def _is_skops(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        if "schema.json" not in archive.namelist():
            return False
        with archive.open("schema.json") as schema:
            return b'"__loader__"' in schema.read(1 << 16)


def _distrusted(path: Path, name: str) -> str | None:
    try:
        from skops.io import get_untrusted_types  # noqa: PLC0415 - an extra
    except ImportError:
        return (
            f"{name} is a skops file, and whether skops trusts the types in it can't be told "
            "before pip install 'kedge[skops]'"
        )
    types = get_untrusted_types(file=path)
    return f"{name} names types that skops does not trust ({', '.join(types)})" if types else None
