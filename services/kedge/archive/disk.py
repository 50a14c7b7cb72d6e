"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import duckdb

ASIDE = "_aside"
"""Folder of an archive for files in the making; no view looks there."""


class Disk:
    """A folder that several processes write to, each file under one name for good.

    Args:
        root: the folder; made when the first file is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.url = str(self.root)
        self.poll = 0.0

    def pattern(self, name: str) -> str:
        """What DuckDB finds just this file with."""
        return literal(f"{self.url}/{name}")

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Nothing is needed to read files."""

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        return (self.root / name).open("rb")

    def names(self, folder: str) -> list[str]:
        """Names of what is in `folder`, not of what is below; none where it is missing."""
        try:
            return os.listdir(self.root / folder)  # noqa: PTH208 - a Path an entry for a few names
        except FileNotFoundError:
            return []

    def below(self, folder: str) -> Iterator[tuple[str, int]]:
        """Names and sizes in bytes of all files in and below `folder`."""
        try:
            entries = list(os.scandir(self.root / folder))
        except FileNotFoundError:
            return
        for entry in entries:
            name = f"{folder}/{entry.name}"
            if entry.is_dir():
                yield from self.below(name)
            else:
                with contextlib.suppress(FileNotFoundError):
                    yield name, entry.stat().st_size

    def changed(self, folder: str) -> int:
        """When the names in `folder` last changed, in nanoseconds since 1970; 0 without it."""
        try:
            return (self.root / folder).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def write_aside(self, label: str, write: Callable[[BinaryIO], object]) -> Path:
        """A file that nobody reads yet, safely on the disk.

        Args:
            label: what `clear_aside` will know it by.
            write: writes the content.
        """
        aside = self.root / ASIDE / f"{label}.{uuid.uuid4().hex}"
        self._make_folder(aside.parent)
        with aside.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        return aside

    def clear_aside(self, label: str) -> None:
        """Remove what a crash left of files with this label."""
        for name in self.names(ASIDE):
            if name.rpartition(".")[0] == label:
                self.discard(self.root / ASIDE / name)

    def clear_old_asides(self, before: float) -> None:
        """Remove what crashes left before a time, in seconds since 1970."""
        for name in self.names(ASIDE):
            aside = self.root / ASIDE / name
            with contextlib.suppress(FileNotFoundError):
                if aside.stat().st_mtime < before:
                    self.discard(aside)

    def discard(self, aside: Path) -> None:
        """Remove a file that nobody reads yet."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)  # noqa: PTH108 - every step on the disk goes through `os`

    def publish(self, asides: Iterable[tuple[Path, str]]) -> None:
        """Give files their names, one by one, replacing what has that name."""
        folders: dict[Path, None] = {}
        for aside, name in asides:
            path = self.root / name
            self._make_folder(path.parent)
            os.replace(aside, path)  # noqa: PTH105
            folders[path.parent] = None
        self._sync(folders)

    def make_last(self, names: Iterable[str]) -> None:
        """Make sure that files which are there are there after a power cut too."""
        folders = {(self.root / name).parent for name in names}
        self._sync(folder for folder in folders if folder.exists())

    def create(self, name: str, data: bytes) -> bool:
        """Make a file whole, unless there is one of that name; whether it was made."""
        path = self.root / name
        aside = self.write_aside("new", lambda file: file.write(data))
        self._make_folder(path.parent)
        try:
            os.link(aside, path)  # unlike a rename, it refuses to replace
        except FileExistsError:
            return False
        finally:
            self.discard(aside)
        self._sync([path.parent])
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Remove published files; what is gone already is fine."""
        for name in names:
            self.discard(self.root / name)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder if it is empty."""
        with contextlib.suppress(OSError):
            os.rmdir(self.root / folder)  # noqa: PTH106 - as all steps

    def _sync(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _make_folder(self, folder: Path) -> None:
        missing = [folder, *folder.parents]
        missing = missing[: next(i for i, each in enumerate(missing) if each.is_dir())]
        for each in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(each)  # noqa: PTH102
            self._sync([each.parent])


def literal(path: str) -> str:
    """A path as a pattern that matches nothing else: its own letters may look like one."""
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in path)
