"""Multipart bodies, written to disk as they come: whatever their size, little memory is taken."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool

from kedge.web import problems
from kedge.web.backend import backend_of
from kedge.web.problems import ApiError

MOST_PARTS = 1000
_LONGEST_FIELD = 10_000
_LONGEST_HEADER = 2000
_PART_OF_NAME = re.compile(r"[^\x00-\x1f/\\:]{1,200}")


@dataclass(slots=True)
class Upload:
    """What came.

    Attributes:
        folder: where files lie, each below the name of its field.
        fields: texts by the name of their field.
        files: names of files, relative to the folder of their field, by its name.
    """

    folder: Path
    fields: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    files: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def only(self, files: set[str], fields: set[str]) -> None:
        """Refuse what nobody asked for: a misspelled field is not to be passed over.

        Raises:
            ApiError: there is such a thing.
        """
        strange = sorted((set(self.files) - files) | (set(self.fields) - fields))
        if strange:
            raise ApiError(
                problems.INVALID,
                f"nothing is made of `{strange[0]}`; files: {', '.join(sorted(files))}; "
                f"fields: {', '.join(sorted(fields))}",
            )

    def path(self, name: str) -> Path | None:
        """What a field holds: one file, or a folder where files have paths; None for nothing."""
        names = self.files.get(name, [])
        if not names:
            return None
        first = names[0]
        if len(names) == 1 and "/" not in first:
            return self.folder / name / first
        return self.folder / name


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[Upload]:
    """The multipart body of a request, gone from the disk at the end.

    Raises:
        ApiError: it is no such body, or too large.
    """
    backend = backend_of(request)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise ApiError(problems.MEDIA_TYPE_NOT_TAKEN, "the body has to be multipart/form-data")
    request.state.body_limit = backend.settings.web.upload_limit
    home = backend.settings.home / "uploads"
    home.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home))
    writer = _Writer(Upload(folder))
    try:
        parser = MultipartParser(options[b"boundary"], writer.callbacks())
        async for chunk in request.stream():
            await run_in_threadpool(parser.write, chunk)
        parser.finalize()
        if not writer.ended:
            raise ApiError(problems.MALFORMED, "the multipart body ends too early")
        yield writer.upload
    except MultipartParseError as error:
        raise ApiError(problems.MALFORMED, f"the body is no proper multipart: {error}") from error
    finally:
        writer.close()
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)


class _Writer:
    """Writes the parts of a body, as the parser comes upon them."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.ended = False
        self._parts = 0
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._disposition = b""
        self._name = ""
        self._text = bytearray()
        self._file: IO[bytes] | None = None

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": lambda data, start, end: self._in_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._in_header(1, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise ApiError(problems.TOO_LARGE, f"{MOST_PARTS} parts are the most that are taken")
        self._disposition = b""

    def _in_header(self, half: int, data: bytes) -> None:
        self._header[half].extend(data)
        if len(self._header[half]) > _LONGEST_HEADER:
            raise ApiError(problems.MALFORMED, "a header of a part is too long")

    def _header_end(self) -> None:
        if bytes(self._header[0]).lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if _PART_OF_NAME.fullmatch(self._name) is None or self._name in (".", ".."):
            raise ApiError(problems.MALFORMED, "a part has no proper name")
        if b"filename" in options:
            name = _checked_path(options[b"filename"].decode("utf-8", "replace"))
            path = self.upload.folder / self._name / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("xb")
            except OSError as error:
                raise ApiError(
                    problems.INVALID, f"`{name}` comes twice, or is a file and a folder at once"
                ) from error
            self.upload.files[self._name].append(name)
        self._text.clear()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
            return
        self._text.extend(data[start:end])
        if len(self._text) > _LONGEST_FIELD:
            raise ApiError(problems.TOO_LARGE, f"field `{self._name}` is too long for a text")

    def _part_end(self) -> None:
        if self._file is not None:
            self.close()
            return
        try:
            self.upload.fields[self._name].append(self._text.decode())
        except UnicodeDecodeError as error:
            raise ApiError(problems.MALFORMED, f"field `{self._name}` is no UTF-8") from error

    def _end(self) -> None:
        self.ended = True


def _checked_path(name: str) -> str:
    """A file's name, or its path below a folder, that leads nowhere else."""
    parts = name.split("/")
    proper = all(_PART_OF_NAME.fullmatch(part) and part not in (".", "..") for part in parts)
    if not proper or len(name) > _LONGEST_HEADER:
        raise ApiError(
            problems.INVALID, f"{name!r} can't be the name of a file: it has to be a relative path"
        )
    return name
