"""Kedge logs what deployed models predict, watches it drift, and hauls the bad release back.

What inference code needs is here; it is loaded at first use, so that what needs no Kafka client
loads none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kedge.errors import KedgeError
    from kedge.sdk import Counts, Follower, LiveRelease, NoReleaseError, PredictionLogger, follow

__all__ = [
    "Counts",
    "Follower",
    "KedgeError",
    "LiveRelease",
    "NoReleaseError",
    "PredictionLogger",
    "follow",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kedge' has no attribute {name!r}")
    from kedge import errors, sdk  # noqa: PLC0415 - see the module

    return getattr(errors if name == "KedgeError" else sdk, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
