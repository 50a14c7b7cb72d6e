"""Times as people write them: an ISO time, or how far from now."""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal

from kedge.errors import KedgeError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, direction: Literal["ago", "ahead"] = "ago") -> int:
    """A time, or how far from now it is, as microseconds since 1970.

    Args:
        text: an ISO time, UTC where it has no zone, or `90s`, `30m`, `2h`, `7d`.
        direction: which way from now.

    Raises:
        KedgeError: it is no time.
    """
    now = dt.datetime.now(dt.UTC)
    try:
        if (far := _span(text)) is not None:
            found = now - far if direction == "ago" else now + far
        else:
            found = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        how = "how long ago" if direction == "ago" else "how far ahead"
        raise KedgeError(
            f"`{text}` is no time: write {how}, as in 90s, 30m, 2h or 7d, or an ISO time, "
            "as in 2013-02-01T06:00Z"
        ) from error
    zoned = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return int(zoned.timestamp() * 1e6)


def span(text: str) -> int:
    """How long something lasts, as microseconds.

    Args:
        text: `90s`, `30m`, `2h`, `7d`.

    Raises:
        KedgeError: it says no such thing.
    """
    try:
        found = _span(text)
    except OverflowError:
        found = None
    if found is None:
        raise KedgeError(f"`{text}` is no span of time: write 90s, 30m, 2h or 7d")
    return found // dt.timedelta(microseconds=1)


def _span(text: str) -> dt.timedelta | None:
    far = re.fullmatch(r"(\d+)([smhd])", text, re.ASCII)
    return None if far is None else dt.timedelta(**{_UNITS[far[2]]: int(far[1])})
