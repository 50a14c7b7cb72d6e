"""The broker's jars: fetched once into the user's cache, and checked against the lock at each use.

A jar gets to its place in the cache by a rename, after its digest was checked. So whatever is there
is whole, an interrupted fetch goes on where it ended, and processes can't harm each other.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from kedge.broker.download import DownloadError, download, shown
from kedge.broker.layout import exclusive, shipped
from kedge.broker.lock import Jar, Lock, sha256_of
from kedge.broker.maven import MavenError, copy_dependencies
from kedge.errors import KedgeError
from kedge.settings import BrokerSettings


def prepare(lock: Lock, broker: BrokerSettings) -> tuple[Path, ...]:
    """Have every locked jar in the cache, by Maven where it is, else by HTTPS.

    Returns:
        The class path, in the order of the lock.

    Raises:
        KedgeError: a jar is not the one that was locked, or can't be had.
    """
    cache = broker.cache.absolute()
    folder = cache / lock.digest[:16]
    # Looked at before locking: a complete cache may well be read-only.
    if _missing(lock, folder):
        with exclusive(cache / f"{folder.name}.lock", "KEDGE_BROKER__CACHE"):
            _fetch(_missing(lock, folder), folder, broker.maven_repository)
    for jar in lock.jars:
        _check(jar, folder / jar.path, f"Delete {folder / jar.path} and start again.")
    return tuple(folder / jar.path for jar in lock.jars)


def _missing(lock: Lock, folder: Path) -> list[Jar]:
    return [jar for jar in lock.jars if not (folder / jar.path).is_file()]


def _fetch(missing: Sequence[Jar], folder: Path, repository: str) -> None:
    if not missing:  # whoever held the lock has fetched them
        return
    aside = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)  # of a fetch that was killed
    aside.mkdir()

    def take(jar: Jar, remedy: str) -> None:
        _check(jar, aside / jar.path, remedy)
        (folder / jar.path).parent.mkdir(parents=True, exist_ok=True)
        (aside / jar.path).replace(folder / jar.path)

    try:
        _fetch_aside(missing, aside, repository, take)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _fetch_aside(
    jars: Sequence[Jar], aside: Path, repository: str, take: Callable[[Jar, str], None]
) -> None:
    """Bring jars into the folder `aside`; `take` gets each, and what to do if it is wrong."""
    try:
        _by_maven(jars, aside)
    except MavenError as by_maven:
        remedy = f"Is {shown(repository)} (KEDGE_BROKER__MAVEN_REPOSITORY) to be trusted?"
        try:
            for jar in download(jars, aside, repository):
                take(jar, remedy)
        except DownloadError as by_download:
            raise KedgeError(
                f"Kafka's jars can't be had. By Maven: {by_maven}. By download: {by_download}. "
                "Set KEDGE_BROKER__MAVEN_REPOSITORY to a Maven repository that this machine "
                "reaches, or install Maven and give it a mirror in its settings.xml; "
                "or name an existing broker by KEDGE_KAFKA__BOOTSTRAP_SERVERS."
            ) from by_download
    else:
        for jar in jars:
            take(jar, f"Delete {jar.path} in Maven's local repository and start again.")


def _by_maven(jars: Sequence[Jar], into: Path) -> None:
    """All of the jars, unchecked.

    Raises:
        MavenError: one of them can't be had so.
    """
    with Console(stderr=True).status("Resolving Kafka's jars by Maven"):
        copy_dependencies(shipped("pom.xml"), into)
    for jar in jars:
        if not (into / jar.path).is_file():
            raise MavenError(f"`mvn` brought no {jar.path}")


def _check(jar: Jar, file: Path, remedy: str) -> None:
    """Refuse a file that is not the locked one.

    Raises:
        KedgeError: its digest is another.
    """
    found = sha256_of(file)
    if found != jar.sha256:
        raise KedgeError(
            f"{jar.path} is not the jar that was locked: its SHA-256 is {found}, "
            f"jars.lock says {jar.sha256}. {remedy}"
        )
