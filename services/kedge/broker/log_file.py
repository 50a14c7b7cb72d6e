"""The end of the broker's log, and what is added to it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_POLL = 0.2
_LONG_LINE = 1024


def tail(path: Path, lines: int) -> str:
    """The last lines; empty where there is no file."""
    try:
        with path.open("rb") as file:
            return _tail(file, lines)
    except FileNotFoundError:
        return ""


def follow(path: Path, lines: int) -> Iterator[str]:
    """The last lines, then whatever is added, for ever; also when a new start renews the file."""
    file = path.open("rb")
    try:
        yield _tail(file, lines)
        while True:
            # Asked before reading: what is read after a renewal is the old file's very end.
            renewed = _is_renewed(file, path)
            if added := file.read():
                yield added.decode("utf-8", "replace")
            elif renewed:
                file.close()
                file = path.open("rb")
            else:
                time.sleep(_POLL)
    finally:
        file.close()


def _tail(file: BinaryIO, lines: int) -> str:
    """Leaves the file at its end."""
    # Never a whole large file, and enough unless every line is very long.
    file.seek(max(0, file.seek(0, os.SEEK_END) - lines * _LONG_LINE))
    text = file.read().decode("utf-8", "replace")
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""


def _is_renewed(file: BinaryIO, path: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:  # just between the two
        return False
