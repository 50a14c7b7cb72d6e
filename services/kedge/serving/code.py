"""Inference code as the registry keeps it: a Python file or a folder, loaded as a module."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from kedge.errors import KedgeError

ENTRY = "inference.py"
_FUNCTIONS = ("load", "prepare", "predict")

Features = Mapping[str, Any]


class InferenceCode(Protocol):
    """What a code version defines."""

    def load(self, artifact: Path) -> Any:
        """The model, from the artifact of a model version."""

    def prepare(self, instance: Mapping[str, Any]) -> Features | tuple[Features, Iterable[str]]:
        """Features of one request, and the names of those that were filled in."""

    def predict(self, model: Any, rows: Sequence[Features]) -> Sequence[Any]:
        """One output a row: a value, or a mapping of output name to value."""


def load_code(bundle: Path, version: str) -> InferenceCode:
    """The module of a code version, apart from those of every other version.

    Args:
        bundle: a Python file, or a folder with an `inference.py`; what the module
            imports from that folder it has to import when it is loaded.
        version: of the code; names the module.

    Raises:
        KedgeError: there is no such module, it lacks a function, or it raises when it is loaded.
    """
    file = bundle / ENTRY if bundle.is_dir() else bundle
    if not file.is_file():
        raise KedgeError(f"code version {version} has no {ENTRY}: put the three functions there")
    name = f"kedge_inference_{version.replace('-', '_').replace(':', '_')}"
    module = _module(file, name, version)
    lacking = [each for each in _FUNCTIONS if not callable(getattr(module, each, None))]
    if lacking:
        raise KedgeError(
            f"{file.name} of code version {version} defines no function {', '.join(lacking)}; "
            f"inference code defines {', '.join(_FUNCTIONS)}"
        )
    return cast("InferenceCode", module)


def _module(file: Path, name: str, version: str) -> ModuleType:
    # Content from the registry has no file ending to go by, so the loader is named.
    loader = importlib.machinery.SourceFileLoader(name, str(file))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    with _siblings_of(file):
        try:
            loader.exec_module(module)
        except Exception as error:
            raise KedgeError(f"code version {version} can't be loaded: {error!r}") from error
    return module


@contextmanager
def _siblings_of(file: Path) -> Iterator[None]:
    """Imports find the bundle's other files, and leave no trace of them.

    Another version's file of the same name has to be another module, and content that is addressed
    by its digest must not grow a `__pycache__`.
    """
    folder = file.parent
    wrote_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = wrote_bytecode
        for name, module in list(sys.modules.items()):
            origin = getattr(module, "__file__", None)
            if origin is not None and Path(origin).is_relative_to(folder):
                del sys.modules[name]
