"""Kedge logs what deployed models predict, watches it drift, and hauls the bad release back.

What inference code needs is here, and what a notebook needs of the registry; each is loaded at its
first use, so that what needs no Kafka client loads none, and the bare install lacks nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kedge.artifacts.loading import load_model
    from kedge.errors import KedgeError
    from kedge.notebook import connect, promote, register, release, roll_back
    from kedge.sdk import (
        Counts,
        Follower,
        LiveRelease,
        NoReleaseError,
        PredictionLogger,
        Split,
        follow,
    )

__all__ = [
    "Counts",
    "Follower",
    "KedgeError",
    "LiveRelease",
    "NoReleaseError",
    "PredictionLogger",
    "Split",
    "connect",
    "follow",
    "load_model",
    "promote",
    "register",
    "release",
    "roll_back",
]

_ELSEWHERE = {
    "KedgeError": "kedge.errors",
    "load_model": "kedge.artifacts.loading",
    **dict.fromkeys(("connect", "promote", "register", "release", "roll_back"), "kedge.notebook"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kedge' has no attribute {name!r}")
    try:
        module = importlib.import_module(_ELSEWHERE.get(name, "kedge.sdk"))
    except ModuleNotFoundError as error:
        raise ImportError(
            f"kedge.{name} needs {error.name}, which is not part of the bare install: "
            "pip install 'kedge[services]'"
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
