"""The kinds of missing: why a row has no usable value in a column."""

from __future__ import annotations

from enum import IntEnum


class Missing(IntEnum):
    """Disjoint; where several could hold, the order of the rules in `counting` decides.

    The value is the position in every `missing` vector of the contracts.
    """

    ABSENT = 0
    NULL = 1
    NAN = 2
    EMPTY = 3
    IMPUTED = 4
    WRONG_TYPE = 5
    OUT_OF_RANGE = 6
    UNSEEN = 7


KINDS = tuple(kind.name.lower() for kind in Missing)
