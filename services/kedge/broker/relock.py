"""Write `jars.lock` anew from `pom.xml`: `python -m kedge.broker.relock`, in a checkout."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from kedge.broker.layout import shipped
from kedge.broker.lock import Jar, sha256_of, write
from kedge.broker.maven import MavenError, copy_dependencies


def relock(pom: Path, lock: Path) -> int:
    """Resolve the pom by Maven and lock what came.

    Returns:
        Number of jars.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_dependencies(pom, folder)
        jars = [
            Jar(sha256_of(file), file.relative_to(folder).as_posix())
            for file in folder.rglob("*.jar")
        ]
    write(lock, jars)
    return len(jars)


if __name__ == "__main__":
    pom = shipped("pom.xml")
    try:
        count = relock(pom, pom.with_name("jars.lock"))
    except MavenError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"{count} jars locked in {pom.with_name('jars.lock')}\n")
