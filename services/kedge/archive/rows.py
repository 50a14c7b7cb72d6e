"""What the buffers of all datasets have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class ModelRows:
    """Rows of one model.

    Attributes:
        model: its name.
        table: the rows, in the order of the log.
        times: of each row, microseconds since 1970 UTC: what the date of its file is taken from.
        generation: of the model's columns that the table was made with; 0 where it has none.
    """

    model: str
    table: pa.Table
    times: NDArray[np.int64]
    generation: int = 0


class Rows(Protocol):
    """What will be archived together: messages go in, tables come out."""

    def add(self, offset: int, value: bytes | None) -> int:
        """Take one message; how many rows it makes.

        Raises:
            UnreadableMessageError: the message can't be read.
        """

    def by_model(self, columns: dict[str, int] | None = None) -> Iterator[ModelRows]:
        """The rows of each model; see `PredictionRows.by_model`."""
