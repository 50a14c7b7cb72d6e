"""Names and texts that the registry takes."""

from __future__ import annotations

import re

from kedge.registry.errors import BadNameError

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""Of models and aliases. They stand in message keys, URLs and file names, so no slash or space."""

_NAME = re.compile(NAME_PATTERN)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LONGEST = 10_000


def checked_name(name: str, what: str) -> str:
    """`name`, if a model or alias may have it.

    Raises:
        BadNameError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise BadNameError(
            f"`{name}` can't be the name of {what}: it takes 1 to 100 letters (a to z), digits, "
            "dots, dashes and underscores, a letter or digit first"
        )
    return name


def checked_text(text: str, what: str, *, required: bool = False) -> str:
    """`text` without white space around it, if it can be kept.

    Raises:
        BadNameError: it is empty though required, too long, or no proper text.
    """
    text = text.strip()
    if required and not text:
        raise BadNameError(f"{what} must not be empty")
    if len(text) > _LONGEST:
        raise BadNameError(f"{what} has {len(text)} characters; {_LONGEST} at most are kept")
    if "\0" in text or text.encode("utf-8", "replace").decode() != text:
        raise BadNameError(f"{what} is no text that UTF-8 can hold: {text!r}")
    return text


def checked_commit(commit: str) -> str:
    """`commit`, if it is the full name of a git commit.

    Raises:
        BadNameError: it is not.
    """
    if not _COMMIT.fullmatch(commit):
        raise BadNameError(
            f"`{commit}` is no full git commit: it takes 40 (or 64) hexadecimal digits, as "
            "`git rev-parse HEAD` prints them"
        )
    return commit
