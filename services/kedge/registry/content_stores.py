"""Which content store a registry uses: a folder, or one of fsspec's file systems."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from kedge.registry.contents import ContentStore
from kedge.registry.remote import RemoteStore

_LOCAL = "file://"


class Contents(Protocol):
    """Files and folders by content address; see `ContentStore` and `RemoteStore`."""

    def put(self, source: Path) -> str: ...

    def get(self, address: str, /) -> Path: ...

    def addresses(self, older_than: float) -> list[str]: ...

    def delete(self, address: str, /) -> None: ...


def open_contents(where: str, cache: Path) -> Contents:
    """The store in a folder, or at a URL with its cache in a folder.

    Raises:
        KedgeError: the URL can't be used here.
    """
    if "://" in where and not where.startswith(_LOCAL):
        return RemoteStore(where, ContentStore(cache))
    return ContentStore(Path(where.removeprefix(_LOCAL)))
