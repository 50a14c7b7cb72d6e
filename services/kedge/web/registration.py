"""The fields of a registration that `kedge model register` has as options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kedge.registry.tabular import Truth
from kedge.web import problems
from kedge.web.problems import ApiError

Fields = Mapping[str, Sequence[str]]

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_SAID = {"type": "string", "enum": ["true", "false"]}
REGISTRATION: dict[str, dict[str, Any]] = {
    "truth": {
        **_TEXT,
        "description": "Column with the truth, of data that the model was not trained on.",
    },
    "truth_of": {**_TEXT, "description": "Output that the truth is of, where there are several."},
    "positive": {**_TEXT, "description": "Text of the positive class, where the truth is text."},
    "threshold": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "A score from here on predicts the positive class; 0.5 by default.",
    },
    "probability": {
        **_TEXTS,
        "description": "CLASS=COLUMN: the output that is the probability of one of several "
        "classes; given once for each.",
    },
    "order": {
        **_TEXTS,
        "description": "COLUMN=LOW,…,HIGH: a column's categories, from the lowest to the highest.",
    },
    "allow_pickle": {
        **_SAID,
        "description": "Take an artifact that may run code when it is loaded; it is kept who "
        "allowed it.",
    },
    "inputs_differ": {
        **_SAID,
        "description": "The artifact's inputs have other names than the features, as the "
        "inference code makes the ones of the others.",
    },
}
"""Their descriptions, in OpenAPI."""


def truth_of(fields: Fields) -> Truth | None:
    """Where the reference's truth is; None where it has none.

    Raises:
        ApiError: a field of it makes no sense.
    """
    column, output, positive, threshold = (
        _one(fields, name) for name in ("truth", "truth_of", "positive", "threshold")
    )
    pairs = dict(_pair("probability", text, last=True) for text in fields.get("probability", ()))
    if column is None:
        if output or positive or threshold or pairs:
            raise _wrong(
                "`truth_of`, `positive`, `threshold` and `probability` are about the truth: name "
                "its column in `truth`"
            )
        return None
    return Truth(column, output, positive, _share(threshold), pairs)


def orders_of(fields: Fields) -> dict[str, list[str]]:
    """Categories of columns, from the lowest to the highest.

    Raises:
        ApiError: one is not COLUMN=LOW,…,HIGH, or a column comes twice.
    """
    given = [_pair("order", text) for text in fields.get("order", ())]
    orders = {column: categories.split(",") for column, categories in given}
    if len(orders) < len(given):
        raise _wrong("`order` may be given once for each column")
    return orders


def said(fields: Fields, name: str) -> bool:
    """Whether a field that is `true` or `false` is true; false where it is not there.

    Raises:
        ApiError: it is something else.
    """
    value = _one(fields, name)
    if value not in (None, "true", "false"):
        raise _wrong(f"`{name}` has to be true or false")
    return value == "true"


def _one(fields: Fields, name: str) -> str | None:
    given = fields.get(name, ())
    if len(given) > 1:
        raise _wrong(f"`{name}` may be given once")
    return given[0] if given else None


def _share(threshold: str | None) -> float:
    try:
        value = 0.5 if threshold is None else float(threshold)
    except ValueError as error:
        raise _wrong("`threshold` has to be a number from 0 to 1") from error
    if not 0 <= value <= 1:
        raise _wrong("`threshold` has to be a number from 0 to 1")
    return value


def _pair(name: str, text: str, *, last: bool = False) -> tuple[str, str]:
    """What is before and after the first equals sign, or the last."""
    before, sign, after = text.rpartition("=") if last else text.partition("=")
    if not (before and sign and after):
        raise _wrong(f"`{name}` has to be {REGISTRATION[name]['description'].partition(':')[0]}")
    return before, after


def _wrong(detail: str) -> ApiError:
    return ApiError(problems.INVALID, detail)
