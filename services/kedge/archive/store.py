"""Where an archive lies: a folder, or a place in an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import duckdb

from kedge.archive.disk import Disk

_LOCAL = "file://"


class Store(Protocol):
    """Files that are there whole or not at all, each under one name for good.

    Names are relative to the archive, with slashes. See `Disk` and `Bucket`.
    """

    url: str
    poll: float
    """Seconds between two looks for news, where each look has its price."""

    def pattern(self, name: str) -> str:
        """What DuckDB finds just this file with."""

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let `connection` read what `pattern` says."""

    def exists(self, name: str) -> bool: ...

    def read(self, name: str) -> bytes: ...

    def open(self, name: str) -> BinaryIO:
        """A file to read from, wherever in it."""

    def names(self, folder: str) -> list[str]:
        """Names of what is in `folder`, not of what is below; none where it is missing."""

    def below(self, folder: str) -> Iterator[tuple[str, int]]:
        """Names and sizes in bytes of all files in and below `folder`."""

    def changed(self, folder: str) -> int:
        """When the names in `folder` last changed, as far as it is known; 0 where it is missing.

        In nanoseconds since 1970, and as coarse as the clock that it is taken from.
        """

    def write_aside(self, label: str, write: Callable[[BinaryIO], object]) -> Path:
        """A file that nobody reads yet; `clear_aside` knows it by its label."""

    def clear_aside(self, label: str) -> None:
        """Remove what a crash left of files with this label."""

    def clear_old_asides(self, before: float) -> None:
        """Remove what crashes left before a time, in seconds since 1970."""

    def discard(self, aside: Path) -> None:
        """Remove a file that nobody reads yet."""

    def publish(self, asides: Iterable[tuple[Path, str]]) -> None:
        """Give files their names, one by one, replacing what has that name.

        Raises:
            FileNotFoundError: one of them was removed meanwhile.
        """

    def make_last(self, names: Iterable[str]) -> None:
        """Make sure that files which are there are there after a power cut too."""

    def create(self, name: str, data: bytes) -> bool:
        """Make a file whole, unless there is one of that name; whether `data` is what it has.

        Of several processes that try at once with different data, exactly one succeeds.
        """

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; what is gone already is fine."""

    def remove_folder(self, folder: str) -> None:
        """Remove a folder if it is empty."""


def open_archive(where: str | Path) -> Store:
    """The archive in a folder, or at a URL that fsspec knows.

    Raises:
        KedgeError: the URL can't be used here.
    """
    text = str(where)
    if "://" in text and not text.startswith(_LOCAL):
        # Slow to import, and of use only here.
        from kedge.archive.bucket import Bucket  # noqa: PLC0415

        return Bucket(text)
    return Disk(Path(text.removeprefix(_LOCAL)))
