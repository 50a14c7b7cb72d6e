"""A policy file's text turned into a policy, or into what is wrong with it, line by line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kedge.errors import KedgeError
from kedge.policy.matchers import Inhibition, Matchers
from kedge.policy.rhythm import Rhythm
from kedge.policy.rules import Policy, Rollback, Rule
from kedge.policy.webhook import Webhook

Path = tuple[str | int, ...]

_PARTS: dict[str, type[BaseModel]] = {
    "rules": Rule,
    "rollback": Rollback,
    "rhythm": Rhythm,
    "webhooks": Webhook,
    "inhibit": Inhibition,
    "source": Matchers,
    "target": Matchers,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a policy file.

    Attributes:
        line: from 1; of the key, or of the table that lacks it.
        key: where, for example `rules[0].statistic`; empty for the file as a whole.
        wrong: what is wrong.
        right: what would be right.
    """

    line: int
    key: str
    wrong: str
    right: str


class PolicyError(KedgeError):
    """A policy file can't be used.

    Attributes:
        file: its name.
        problems: all that is wrong in it.
    """

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file, self.problems = file, tuple(problems)
        super().__init__("\n".join(self._lines()))

    def _lines(self) -> Iterator[str]:
        for problem in self.problems:
            key = f"{problem.key}: " if problem.key else ""
            right = f"; {problem.right}" if problem.right else ""
            yield f"{self.file}, line {problem.line}: {key}{problem.wrong}{right}"


def parse(text: str, file: str) -> Policy:
    """The policy in `text`.

    Args:
        text: TOML.
        file: what to call it in errors.

    Raises:
        PolicyError: it is no TOML, or not a policy.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(file, [_no_toml(text, error)]) from error
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        found = [_problem(text, details) for details in error.errors(include_url=False)]
        found.sort(key=lambda problem: problem.line)
        raise PolicyError(file, found) from error


def line_of(text: str, path: Path) -> int:
    r"""The line on which the statement starts that gives `path` its value.

    Asked of the TOML parser itself: of the text cut after each line in turn, the first that parses
    and has the path ends with the statement, and the last before it that parses ends above it.
    Where the path is not there at all, the line is that of the nearest table around it; 1 at worst.

    >>> line_of('a = 1\nb = [\n  1,\n  2,\n]\n', ("b", 1))
    2
    """
    lines = text.splitlines()
    for depth in range(len(path), 0, -1):
        above = 0
        for number in range(1, len(lines) + 1):
            try:
                document = tomllib.loads("\n".join(lines[:number]) + "\n")
            except tomllib.TOMLDecodeError:
                continue
            if _has(document, path[:depth]):
                return above + 1
            above = number
    return 1


def _has(document: Any, path: Path) -> bool:
    for step in path:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _no_toml(text: str, error: tomllib.TOMLDecodeError) -> Problem:
    what, _, where = str(error).rpartition(" (at ")
    words = where.rstrip(")").replace(",", "").split()
    line = int(words[1]) if words[:1] == ["line"] else max(1, len(text.splitlines()))
    return Problem(line, "", f"no TOML: {what[:1].lower()}{what[1:]}", "see https://toml.io")


def _problem(text: str, details: ErrorDetails) -> Problem:
    path, context = tuple(details["loc"]), details.get("ctx", {})
    kind, value = details["type"], details["input"]
    if kind == "policy":
        steps = context["key"].split(".") if context.get("key") else []
        path = (*path, *(int(step) if step.isdigit() else step for step in steps))
        return Problem(line_of(text, path), _dotted(path), context["message"], "")
    wrong, right = _words(path, kind, value, details["msg"], context)
    return Problem(line_of(text, path), _dotted(path), wrong, right)


def _words(
    path: Path, kind: str, value: Any, message: str, context: Mapping[str, Any]
) -> tuple[str, str]:
    """What is wrong, and what would be right."""
    if kind == "extra_forbidden":
        known = list(_model_at(path).model_fields)
        return "no such key", _nearest(str(path[-1]), known)
    if kind == "missing":
        return "is missing", _described(path)
    if kind == "literal_error":
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{value!r} is none of the values it may have", _nearest(str(value), known)
    if kind in ("string_pattern_mismatch", "string_too_long"):
        return f"{value!r} does not fit", message[:1].lower() + message[1:]
    return f"{value!r} can't stand here", message[:1].lower() + message[1:]


def _nearest(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}It may be {', '.join(known)}" if near else f"it may be {', '.join(known)}"


def _described(path: Path) -> str:
    field = _model_at(path).model_fields.get(str(path[-1]))
    description = field.description if field is not None else None
    return f"it says {description[:1].lower()}{description[1:].rstrip('.')}" if description else ""


def _model_at(path: Path) -> type[BaseModel]:
    """The model that the last step of the path is a key of."""
    around = [_PARTS[str(step)] for step in path[:-1] if step in _PARTS]
    return around[-1] if around else Policy


def _dotted(path: Path) -> str:
    """Path as people write it.

    >>> _dotted(("rules", 0, "statistic"))
    'rules[0].statistic'
    """
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
