"""Pickles, wherever they are: unpickling runs what they name, so nobody is to do it unawares.

A pickle is found by its opcodes and not by its name alone: in a file, in the members of a zip (as
PyTorch and `numpy.savez` write them) or a tar, and below gzip, bz2, xz or zlib (as joblib
compresses). Opcodes are read and never run. See Python's `pickletools`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickletools
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill")

_IMPORTING = {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}
_CALLING = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "BUILD", "STOP"}
_PROTO = 0x80

_HEAD = 1 << 16
_MOST_OPCODES = 100_000
"""So many valid opcodes in a row are no accident, whatever they do."""

_MOST_INFLATED = 1 << 24
_DEEPEST = 4

_LZ4 = b"\x04\x22\x4d\x18"


def find_pickle(path: Path, name: str) -> str | None:
    """Which part of a file is a pickle; None if there is none.

    Args:
        path: the file.
        name: what it is called in the answer; its suffix counts too.

    Returns:
        The name, with the member's name behind it for an archive. What can't be looked into is
        told of as though it were a pickle.
    """
    with path.open("rb") as stream:
        return _find(stream, name, 0)


def _find(stream: IO[bytes], name: str, depth: int) -> str | None:
    if name.lower().endswith(_SUFFIXES):
        return name
    if depth > _DEEPEST:
        return f"{name}, which lies too deep in archives to be looked at,"
    head = stream.read(_HEAD)
    stream.seek(0)
    if head.startswith(b"PK\x03\x04"):
        return _in_archive(_in_zip, stream, name, depth)
    if head[257:262] == b"ustar":
        return _in_archive(_in_tar, stream, name, depth)
    if head.startswith(_LZ4):
        return f"{name}, which is compressed by lz4, as joblib does,"
    if head.startswith(b"\x93NUMPY"):
        # An array of objects is a pickle behind a header that says so.
        return name if b"|O" in head else None
    try:
        content = _decompressed(stream, head)
        if content is not None:
            return _find(content, name, depth + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error):
        # It only began as though it were compressed.
        stream.seek(0)
    return name if _unpicklable(stream, headed=head[:1] == bytes([_PROTO])) else None


def _in_archive(
    look: Callable[[IO[bytes], str, int], str | None], stream: IO[bytes], name: str, depth: int
) -> str | None:
    try:
        return look(stream, name, depth)
    except (zipfile.BadZipFile, tarfile.TarError, RuntimeError, OSError, EOFError, zlib.error):
        return f"{name}, an archive that can't be read,"


def _in_zip(stream: IO[bytes], name: str, depth: int) -> str | None:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as content:
                    found = _find(content, f"{name}/{member.filename}", depth + 1)
                if found is not None:
                    return found
    return None


def _in_tar(stream: IO[bytes], name: str, depth: int) -> str | None:
    with tarfile.open(fileobj=stream) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                found = _find(content, f"{name}/{member.name}", depth + 1)
                if found is not None:
                    return found
    return None


def _decompressed(stream: IO[bytes], head: bytes) -> IO[bytes] | None:
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb"))
    if head.startswith(b"BZh"):
        return bz2.BZ2File(stream)
    if head.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        return lzma.LZMAFile(stream)
    if head.startswith(b"\x78"):
        compressed = stream.read(_MOST_INFLATED)
        return io.BytesIO(zlib.decompressobj().decompress(compressed, _MOST_INFLATED))
    return None


def _unpicklable(stream: IO[bytes], *, headed: bool) -> bool:
    """Whether the unpickler would take what stands here for a pickle.

    Args:
        stream: at its beginning.
        headed: whether it begins as protocol 2 and later do. What does not must import and call
            something: many a text begins with bytes that are opcodes too.
    """
    imported = False
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            imported |= opcode.name in _IMPORTING and _named(argument)
            if headed and number:
                return True
            if (imported and opcode.name in _CALLING) or number > _MOST_OPCODES:
                return True
    except UnicodeDecodeError as error:
        # `pickletools` takes names of ASCII only, the unpickler those of UTF-8.
        return _named(error.object.decode(errors="replace"))
    except Exception:  # noqa: BLE001 - no opcodes from here on; arguments may be broken in any way
        return False
    return False


def _named(argument: object) -> bool:
    """Whether an opcode's argument, where it has one, is `module name`, and no line of a text."""
    if not isinstance(argument, str):
        return True
    return all(part.isidentifier() for name in argument.split(" ") for part in name.split("."))
