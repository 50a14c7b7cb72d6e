"""The content store: artifacts and bundles in a folder, named by what is in them.

`remote` has the same on other file systems, with a store of this kind as its cache.

    <root>/<two digits>/<address>/content.json    a file keeps its suffix, as loaders go by it
    <root>/<two digits>/<address>/content/…       a folder keeps its relative paths

An entry is written aside, flushed to disk and renamed into place, so it is there whole or not at
all, and stays as it is. Empty folders and Python's `__pycache__` are no content. Nothing here loads
or unpickles what it stores.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kedge.registry.addresses import address
from kedge.registry.errors import ContentError, short

_CHUNK = 1 << 20
_CACHE = "__pycache__"


class ContentStore:
    """Files and folders by content address, shared by every model and its code.

    Times are those of the file system's clock.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, source: Path) -> str:
        """Store a file or a folder, unless its content is there already.

        Links to files are followed. A damaged entry is set aside and replaced.

        Returns:
            The content address.

        Raises:
            ContentError: there is nothing at `source`, it has no files or something that is no
                file, or it can't be copied.
        """
        try:
            with self.aside() as aside:
                digest = _copied(source, aside)
                self._place(aside, digest)
        except OSError as error:
            raise ContentError(f"{source} can't be stored in {self._root}: {error}") from error
        return digest

    def get(self, digest: str) -> Path:
        """Where the content is, after checking that it is what its address says.

        Raises:
            ContentError: it is missing or damaged.
        """
        entry = self._entry(digest)
        if not entry.is_dir():
            raise ContentError(
                f"content {short(digest)} is missing from {self._root}. Register the same artifact "
                "or bundle again to restore it, or see KEDGE_REGISTRY__ARTIFACTS"
            )
        if not _intact(entry, digest):
            raise ContentError(
                f"content {short(digest)} in {entry} was changed or damaged since it was stored, "
                "and is not used. Register the same artifact or bundle again to restore it"
            )
        (content,) = entry.iterdir()
        return content

    @contextmanager
    def aside(self) -> Iterator[Path]:
        """An empty folder on the store's file system, gone at the end."""
        folder = self._root / "incoming" / uuid.uuid4().hex
        try:
            folder.mkdir(parents=True)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, aside: Path, digest: str) -> bool:
        """Take what was put `aside` as it is in an entry; False if its address is another."""
        if not _intact(aside, digest):
            return False
        self._place(aside, digest)
        return True

    def addresses(self, older_than: float) -> list[str]:
        """What was last stored at least so many seconds ago."""
        latest = time.time() - older_than
        entries = self._root.glob("??/" + "[0-9a-f]" * 64)
        return [entry.name for entry in entries if entry.stat().st_mtime <= latest]

    def delete(self, digest: str) -> None:
        """Delete content, if it is there. Nothing that is needed may have it."""
        with self.aside() as aside, suppress(FileNotFoundError):
            # Gone at once and whole, whoever reads at the same time.
            self._entry(digest).rename(aside / "deleted")

    def _entry(self, digest: str) -> Path:
        return self._root / digest[:2] / digest

    def _place(self, aside: Path, digest: str) -> None:
        entry = self._entry(digest)
        if entry.is_dir():
            if _intact(entry, digest):
                # Its age is how long ago it was registered.
                os.utime(entry)
                return
            damaged = self._root / "damaged" / f"{digest}.{uuid.uuid4().hex}"
            damaged.parent.mkdir(exist_ok=True)
            entry.rename(damaged)
        entry.parent.mkdir(exist_ok=True)
        try:
            aside.rename(entry)
        except OSError:
            # Another process stored the same content in the meantime.
            if not entry.is_dir():
                raise
        _flush(entry.parent)
        _flush(self._root)


def _copied(source: Path, aside: Path) -> str:
    """Copy `source` to `aside`; the address is of the bytes that were written."""
    if source.is_dir():
        for path in _files(source):
            _copy(path, aside / "content" / path.relative_to(source))
        if not (aside / "content").is_dir():
            raise ContentError(f"{source} has no files in it")
        for folder, _, _ in os.walk(aside):
            _flush(Path(folder))
    elif source.is_file():
        _copy(source, (aside / "content").with_suffix(source.suffix))
        _flush(aside)
    elif source.exists():
        raise ContentError(f"{source} is neither a file nor a folder")
    else:
        raise ContentError(f"there is no {source}: give the path of a file or a folder")
    return address(manifest_of(aside))


def manifest_of(entry: Path) -> dict[str, Any]:
    """What an entry's address is the address of: digests of its files, by name."""
    (content,) = entry.iterdir()
    if content.is_dir():
        files = [[path.relative_to(content).as_posix(), _sha256(path)] for path in _files(content)]
        return {"files": files}
    return {"file": _sha256(content), "suffix": content.suffix}


def _intact(entry: Path, digest: str) -> bool:
    # Byte code that Python cached beside a bundle is not checked by its address and would be run:
    # it may go at any time, so it goes now.
    for cache in list(entry.rglob(_CACHE)):
        shutil.rmtree(cache, ignore_errors=True)
    try:
        return address(manifest_of(entry)) == digest
    except (OSError, ValueError, ContentError):
        return False


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder, in the order of their names' bytes."""
    found: list[tuple[bytes, Path]] = []
    for where, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if name != _CACHE]
        for name in [*folders, *names]:
            path = Path(where, name)
            if name in names and not path.is_file():
                raise ContentError(f"{path} is neither a file nor a folder, or leads nowhere")
            if name in folders and path.is_symlink():
                raise ContentError(f"{path} is a link to a folder: put the folder itself there")
            if name in names:
                found.append((_posix(path.relative_to(folder)), path))
    return (path for _, path in sorted(found))


def _posix(path: Path) -> bytes:
    try:
        return path.as_posix().encode()
    except UnicodeEncodeError as error:
        raise ContentError(f"the file name {path!s:a} is no UTF-8") from error


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, _CHUNK)
        writer.flush()
        os.fsync(writer.fileno())
        # For no one to write: whoever opens it for that by mistake is told.
        target.chmod(os.fstat(writer.fileno()).st_mode & 0o444)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise(error: OSError) -> None:
    raise error
