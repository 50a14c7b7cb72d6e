"""The clock of the services: given from outside, so that a test may hold it."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Microseconds since 1970 UTC."""


def microseconds_now() -> int:
    return time.time_ns() // 1000
