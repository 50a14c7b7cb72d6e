"""`jars.lock`: which jars make up the broker, by digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kedge.errors import KedgeError

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>[\w.+-]+(?:/[\w.+-]+)*\.jar)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked jar.

    Attributes:
        sha256: of its content, in hex.
        path: in a Maven repository, and so its address and its place in the cache too.
    """

    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class Lock:
    """All of them.

    Attributes:
        jars: in the order of the file.
        digest: of the file; names the folder of the cache.
    """

    jars: tuple[Jar, ...]
    digest: str

    @property
    def kafka_version(self) -> str:
        return next(jar.path.split("/")[-2] for jar in self.jars if "/kafka-clients/" in jar.path)


def read(path: Path) -> Lock:
    """Read a lock file, in the format of `sha256sum`.

    Raises:
        KedgeError: a line is no jar and its digest; says which.
    """
    content = path.read_bytes()
    jars = []
    for number, line in enumerate(content.decode().splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None or ".." in match["path"].split("/"):
            raise KedgeError(
                f"{path}, line {number} is no SHA-256, two spaces and a jar's path: {line!r}"
            )
        jars.append(Jar(match["sha256"], match["path"]))
    return Lock(tuple(jars), hashlib.sha256(content).hexdigest())


def write(path: Path, jars: Iterable[Jar]) -> None:
    """Write a lock file, sorted by path, so that a change shows as what it is."""
    lines = (f"{jar.sha256}  {jar.path}\n" for jar in sorted(jars, key=lambda jar: jar.path))
    path.write_text("".join(lines))


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
