"""The content store on any file system that fsspec knows, S3 for one, with a local cache.

    <root>/<two digits>/<address>.json            the manifest: JSON whose SHA-256 is the address
    <root>/<two digits>/<address>/content.json    a file
    <root>/<two digits>/<address>/content/…       a folder

An object store takes an object whole or not at all, and the manifest is written last: content is
there once its manifest is. Files are checked against the manifest, and that against its address, so
on a file system that can leave half a file behind, half a file is noticed and replaced.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from kedge.errors import KedgeError
from kedge.registry.addresses import canonical
from kedge.registry.contents import ContentStore, manifest_of
from kedge.registry.errors import ContentError, short


class RemoteStore:
    """Files and folders by content address at a URL, each kept on this machine once it was used."""

    def __init__(self, url: str, cache: ContentStore) -> None:
        """Connect at the first use.

        Raises:
            KedgeError: there is no such file system, or what speaks to it is not installed.
        """
        from fsspec.core import url_to_fs  # noqa: PLC0415 - slow to import, and of use only here

        self._url, self._cache = url.rstrip("/"), cache
        try:
            # Who forks makes a registry of its own, and its client must not be the parent's.
            self._files, self._root = url_to_fs(
                self._url, skip_instance_cache=True, use_listings_cache=False
            )
        except (ImportError, ValueError) as error:
            hint = ": pip install 'kedge[s3]'" if url.startswith("s3") else ""
            raise KedgeError(
                f"KEDGE_REGISTRY__ARTIFACTS is {url}, which can't be used{hint} ({error}). "
                "It takes a folder, or a URL that fsspec knows, such as s3://bucket/prefix"
            ) from error

    def put(self, source: Path) -> str:
        """Store a file or a folder, unless its content is there already.

        Returns:
            The content address.

        Raises:
            ContentError: as `ContentStore.put`, or the file system can't be reached.
        """
        address = self._cache.put(source)
        entry = self._cache.get(address).parent
        manifest = manifest_of(entry)
        with self._reached():
            for name, digest in _files(manifest):
                path = f"{self._entry(address)}/{name}"
                if self._digest(path) != digest:
                    self._upload(entry / name, path)
            # Even if it is there: its age is how long ago it was registered.
            self._files.pipe_file(self._manifest(address), canonical(manifest).encode())
        return address

    def get(self, address: str) -> Path:
        """Where the content is on this machine, after checking that it is what its address says.

        Raises:
            ContentError: it is missing or damaged, or the file system can't be reached.
        """
        try:
            return self._cache.get(address)
        except ContentError:
            with self._reached(), self._cache.aside() as aside:
                try:
                    written = self._files.cat_file(self._manifest(address))
                except FileNotFoundError:
                    raise ContentError(
                        f"content {short(address)} is missing from {self._url}. Register the same "
                        "artifact or bundle again to restore it, or see KEDGE_REGISTRY__ARTIFACTS"
                    ) from None
                if hashlib.sha256(written).hexdigest() != address:
                    raise self._damaged(address) from None
                for name, _ in _files(json.loads(written)):
                    path = aside / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    try:
                        self._files.get_file(f"{self._entry(address)}/{name}", str(path))
                    except FileNotFoundError:
                        raise self._damaged(address) from None
                if not self._cache.adopt(aside, address):
                    raise self._damaged(address) from None
            return self._cache.get(address)

    def addresses(self, older_than: float) -> list[str]:
        """What was last stored at least so many seconds ago."""
        with self._reached():
            found = self._files.glob(f"{self._root}/??/*.json")
            return [PurePosixPath(path).stem for path in found if self._age(path) >= older_than]

    def delete(self, address: str) -> None:
        """Delete content, here and there. Nothing that is needed may have it."""
        with self._reached():
            self._files.rm_file(self._manifest(address))
            if self._files.exists(self._entry(address)):
                self._files.rm(self._entry(address), recursive=True)
        self._cache.delete(address)

    def _entry(self, address: str) -> str:
        return f"{self._root}/{address[:2]}/{address}"

    def _manifest(self, address: str) -> str:
        return f"{self._entry(address)}.json"

    def _digest(self, path: str) -> str | None:
        """SHA-256 of what is there; None if nothing is."""
        try:
            with self._files.open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None

    def _upload(self, source: Path, path: str) -> None:
        try:
            self._files.put_file(str(source), path)
        except FileNotFoundError:
            # Only where folders have to be made first. A bucket is nothing to be made by the way.
            self._files.mkdir(path.rpartition("/")[0], create_parents=False)
            self._files.put_file(str(source), path)

    def _age(self, path: str) -> float:
        modified: dt.datetime = self._files.modified(path)
        return time.time() - modified.timestamp()

    def _damaged(self, address: str) -> ContentError:
        return ContentError(
            f"content {short(address)} at {self._url} was changed or damaged since it was stored, "
            "and is not used. Register the same artifact or bundle again to restore it"
        )

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except KedgeError:
            raise
        except Exception as error:  # each file system raises its own
            raise ContentError(
                f"{self._url} can't be used: {error!r}. It has to exist and this process must be "
                "let in: see KEDGE_REGISTRY__ARTIFACTS, and for S3 its AWS_… variables"
            ) from error


def _files(manifest: Any) -> Iterator[tuple[str, str]]:
    """Path within the entry and SHA-256 of each file that a manifest names."""
    if "file" in manifest:
        yield f"content{manifest['suffix']}", manifest["file"]
    for name, digest in manifest.get("files", ()):
        if ".." in PurePosixPath(name).parts or name.startswith("/"):
            raise ContentError(f"a manifest names {name!r}, which lies outside of its content")
        yield f"content/{name}", digest
