"""Whose a subfolder of a spool is: the living's own, or the dead's, which exactly one adopts.

A lock of the kernel says so: it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from pathlib import Path

_LOCK = "lock"


class Claim:
    """A subfolder that is this process's for as long as the claim is held."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file: int | None = file

    @classmethod
    def fresh(cls, root: Path) -> Claim:
        """A new subfolder.

        Raises:
            OSError: none can be made.
        """
        root.mkdir(parents=True, exist_ok=True)
        while True:
            path = root / uuid.uuid4().hex
            path.mkdir()
            # Somebody may take an empty folder for one that was left, and remove it.
            with contextlib.suppress(FileNotFoundError):
                claim = cls._locked(path, os.O_RDWR | os.O_CREAT)
                if claim is not None:
                    return claim

    @classmethod
    def adopt(cls, path: Path) -> Claim | None:
        """A subfolder that is there, if it is nobody's."""
        try:
            return cls._locked(path, os.O_RDWR)
        except FileNotFoundError:
            # Its process did not live to make the lock; a folder that has something stays.
            with contextlib.suppress(OSError):
                path.rmdir()
        except OSError:
            pass
        return None

    def remove(self) -> None:
        """Remove the folder, if nothing else is in it, and give up the claim."""
        if not any(path.name != _LOCK for path in self.path.iterdir()):
            (self.path / _LOCK).unlink()
            self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Give up the claim: whoever comes may adopt what is left.

        In a forked child this leaves the parent's claim as it is: only the last to close the lock
        ends it.
        """
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    @classmethod
    def _locked(cls, path: Path, flags: int) -> Claim | None:
        file = os.open(path / _LOCK, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # It may have been removed by the one who held it before.
            if os.path.samestat(os.fstat(file), (path / _LOCK).stat()):
                return cls(path, file)
        except BlockingIOError:
            pass
        except OSError:
            os.close(file)
            raise
        os.close(file)
        return None
