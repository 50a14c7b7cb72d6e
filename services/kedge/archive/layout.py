"""Where things lie in an archive.

    predictions/model=flights/date=2013-02-01/p0003-000000001000-000000001999-<topic id>.parquet
    outcomes/… statistics/… alerts/… releases/…
    _journal/   which offsets are archived        (kedge.archive.journal)
    _columns/   which type each feature has       (kedge.archive.columns)
    _aside/     files in the making

The folders are for people, for removing what is old, and for reading one model; every file also
has the model and the time in its columns, and those count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import BinaryIO
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kedge.archive.disk import Disk

EMPTY = "empty.parquet"
"""In each dataset, a file with all columns and no rows: what the views stand on at first."""

_DAY = 86_400_000_000
_LAST_DAY = 47_482  # 2100-01-01, in days since 1970
_LONGEST = 200


def component(key: str, value: str) -> str:
    """`key=value` as the name of a folder, whatever the value is.

    >>> component("model", "flights/eu")
    'model=flights%2Feu'
    """
    name = quote(value, safe="")
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 17]}-{hashlib.sha256(value.encode()).hexdigest()[:16]}"
    return f"{key}={name}"


def file_name(topic_id: str, partition: int, first: int, last: int) -> str:
    """Name of a file by what it was made from.

    >>> file_name("3YpqXa2bQ1qkm5SDzGG1Lg", 3, 1000, 1999)
    'p0003-000000001000-000000001999-3YpqXa2bQ1qkm5SDzGG1Lg.parquet'
    """
    return f"p{partition:04d}-{first:012d}-{last:012d}-{topic_id}.parquet"


def by_date(table: pa.Table, times: NDArray[np.int64]) -> Iterator[tuple[str, pa.Table]]:
    """`table` split by the UTC date of `times`; days that no log is of are together as `other`.

    Args:
        table: the rows.
        times: of each row, microseconds since 1970 UTC.
    """
    days = times // _DAY
    days[(days < 0) | (days >= _LAST_DAY)] = -1
    distinct = np.unique(days)
    for day in distinct.tolist():
        date = "other" if day < 0 else str(np.datetime64(day, "D"))
        if len(distinct) == 1:
            yield date, table
        else:
            yield date, table.take(np.flatnonzero(days == day))


def write_empty(disk: Disk, schemas: Mapping[str, pa.Schema]) -> None:
    """Write the file without rows of each dataset that lacks it."""
    for dataset, schema in schemas.items():
        name = f"{dataset}/{EMPTY}"
        if not disk.exists(name):
            aside = disk.write_aside("empty", partial(write_parquet, schema.empty_table()))
            disk.publish([(aside, name)])


def write_parquet(table: pa.Table, file: BinaryIO) -> None:
    """The one way in which files are written: the same rows give the same bytes."""
    # Without Arrow's own schema: it would say `dictionary` where every other reader sees text.
    pq.write_table(table, file, compression="zstd", store_schema=False)
