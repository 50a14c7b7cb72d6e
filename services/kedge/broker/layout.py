"""Where the embedded broker keeps its files, and how processes keep out of each other's way."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kedge.errors import KedgeError


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one embedded broker, all in one folder.

    Attributes:
        folder: `broker` in `Settings.home`; the JVM's working directory.
    """

    folder: Path

    @classmethod
    def of(cls, home: Path) -> Layout:
        return cls(home.absolute() / "broker")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"


def shipped(name: str) -> Path:
    """`pom.xml` or `jars.lock`: in the wheel beside this file, else in the checkout."""
    installed = Path(__file__).parent / name
    return installed if installed.is_file() else Path(__file__).parents[3] / "infra/kafka" / name


@contextmanager
def exclusive(path: Path, setting: str) -> Iterator[None]:
    """Hold the lock file at `path`; wait for whoever holds it now.

    The kernel lets go of it when its holder ends, however it ends.

    Args:
        path: the lock file; its folder is made where it is missing.
        setting: the variable that says where this folder lies, for the message.

    Raises:
        KedgeError: the folder can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise KedgeError(
            f"{path.parent} can't be written ({error.strerror}): "
            f"set {setting} to a folder that can."
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
