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
        if far := re.fullmatch(r"(\d+)([smhd])", text, re.ASCII):
            span = dt.timedelta(**{_UNITS[far[2]]: int(far[1])})
            found = now - span if direction == "ago" else now + span
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
