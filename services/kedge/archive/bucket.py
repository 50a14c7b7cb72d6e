"""An archive in an object store, S3 for one: any file system of fsspec that can refuse to replace.

An object is there whole or not at all, and from the moment of its put for everybody, so nothing is
written aside, renamed or synced. What exactly one process may make is put with the condition that
there is none of its name: `If-None-Match: *`, that S3 has since 2024, and MinIO and others too.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import duckdb

from kedge.archive.disk import literal
from kedge.errors import KedgeError

_POLL = 2.0


class Bucket:
    """A place in an object store that several processes write to, each object under one name.

    Its keys and secrets come from where its library looks for them, as the AWS_… variables.

    Args:
        url: where it is: `s3://bucket/prefix`.

    Raises:
        KedgeError: there is no such file system, or what speaks to it is not installed.
    """

    def __init__(self, url: str) -> None:
        # Slow to import, and of use only here.
        from fsspec.core import url_to_fs  # noqa: PLC0415

        self.url, self.poll = url.rstrip("/"), _POLL
        self._scheme = self.url.partition("://")[0]
        try:
            # Others write too: what was listed once is no answer later.
            self._files, self._root = url_to_fs(
                self.url, skip_instance_cache=True, use_listings_cache=False
            )
        except (ImportError, ValueError) as error:
            hint = ": pip install 'kedge[s3]'" if self._scheme in ("s3", "s3a") else ""
            raise KedgeError(
                f"KEDGE_ARCHIVE__URL is {url}, which can't be used{hint} ({error}). "
                "It takes a folder, or a URL that fsspec knows, such as s3://bucket/prefix"
            ) from error

    def pattern(self, name: str) -> str:
        """What DuckDB finds just this object with."""
        return f"{self._scheme}://{literal(self._at(name))}"

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let `connection` read it: DuckDB's own way would be an extension to be downloaded."""
        connection.register_filesystem(self._files)

    def exists(self, name: str) -> bool:
        with self._reached():
            return bool(self._files.exists(self._at(name)))

    def read(self, name: str) -> bytes:
        with self._reached():
            data: bytes = self._files.cat_file(self._at(name))
            return data

    def open(self, name: str) -> BinaryIO:
        with self._reached():
            file: BinaryIO = self._files.open(self._at(name), "rb")
            return file

    def names(self, folder: str) -> list[str]:
        """Names of what is in `folder`, not of what is below; none where it is missing."""
        with self._reached():
            try:
                found = self._files.ls(self._at(folder), detail=False)
            except FileNotFoundError:
                return []
        return [path.rstrip("/").rpartition("/")[2] for path in found]

    def below(self, folder: str) -> Iterator[tuple[str, int]]:
        """Names and sizes in bytes of all objects in and below `folder`."""
        with self._reached():
            found = self._files.find(self._at(folder), detail=True)
        for path, about in found.items():
            yield path.removeprefix(f"{self._root}/"), int(about["size"])

    def changed(self, folder: str) -> int:
        """Now: nothing else is known of any folder."""
        del folder
        return time.time_ns()

    def write_aside(self, label: str, write: Callable[[BinaryIO], object]) -> Path:
        """A file on this machine, to be put in its place when its moment has come."""
        descriptor, name = tempfile.mkstemp(prefix=f"kedge-{label}-")
        with os.fdopen(descriptor, "wb") as file:
            write(file)
        return Path(name)

    def clear_aside(self, label: str) -> None:
        """Nothing: they are no part of the archive."""

    def clear_old_asides(self, before: float) -> None:
        """Nothing: they are no part of the archive."""

    def discard(self, aside: Path) -> None:
        """Remove a file that nobody reads yet."""
        aside.unlink(missing_ok=True)

    def publish(self, asides: Iterable[tuple[Path, str]]) -> None:
        """Put files in their places, one by one."""
        for aside, name in asides:
            with self._reached():
                self._files.put_file(str(aside), self._at(name))
            self.discard(aside)

    def make_last(self, names: Iterable[str]) -> None:
        """Nothing: what is there lasts."""

    def create(self, name: str, data: bytes) -> bool:
        """Put an object, unless there is one of that name; whether `data` is what it has."""
        with self._reached():
            try:
                self._files.pipe_file(self._at(name), data, mode="create")
            except FileExistsError:
                # Perhaps it is ours: put, and put again when the answer was lost on its way.
                return self.read(name) == data
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; what is gone already is fine."""
        for name in names:
            with self._reached(), contextlib.suppress(FileNotFoundError):
                self._files.rm_file(self._at(name))

    def remove_folder(self, folder: str) -> None:
        """Nothing: there are none."""

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Errors as those of a disk, whatever the library raises."""
        try:
            yield
        except OSError:
            raise
        except Exception as error:  # each file system raises its own
            raise OSError(f"{self.url} can't be used: {error!r}") from error
