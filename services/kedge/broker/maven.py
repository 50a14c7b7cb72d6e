"""Jars by Maven: with the user's own mirrors, proxies and local repository."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

_LONGEST_RUN = 900.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class MavenError(Exception):
    """Maven is missing or failed; the text is the reason."""


def copy_dependencies(pom: Path, into: Path) -> None:
    """Let Maven resolve the pom's dependencies and copy them, in folders as in a repository.

    Raises:
        MavenError: it is not there or failed.
    """
    executable = shutil.which("mvn")
    if executable is None:
        raise MavenError("there is no `mvn` on PATH")
    command = [
        executable,
        *("--batch-mode", "--quiet", "--file", str(pom)),
        "dependency:copy-dependencies",
        f"-DoutputDirectory={into}",
        # The pom says this too; the path of every jar depends on it.
        "-Dmdep.useRepositoryLayout=true",
    ]
    try:
        run = subprocess.run(  # noqa: S603 - Maven of the user's PATH
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_LONGEST_RUN,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MavenError(f"`mvn` did not run to its end ({error})") from error
    if run.returncode != 0:
        raise MavenError(f"`mvn` failed ({_first_error(run.stdout)})")


def _first_error(output: str) -> str:
    """What Maven says first is the cause; what follows is advice."""
    lines = [_COLOUR.sub("", line).strip() for line in output.splitlines()]
    errors = [line.removeprefix("[ERROR]").strip() for line in lines if "[ERROR]" in line]
    return next(iter(errors or filter(None, lines)), "it said nothing")
