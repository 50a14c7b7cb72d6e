"""Where things lie in an archive.

    predictions/model=flights/date=2013-02-01/p0003-000000001000-000000001999-<topic id>.parquet
    predictions/model=flights/date=2013-02-01/c00000012-5f0c…-<topic id>.parquet     many in one
    outcomes/… statistics/… alerts/… releases/…
    _journal/   which offsets are archived        (kedge.archive.journal)
    _snapshots/ which files of a model count      (kedge.archive.snapshots)
    _columns/   which type each feature has       (kedge.archive.columns)
    _aside/     files in the making

The folders are for people, for removing what is old, and for reading one model; every file also
has the model and the time in its columns, and those count.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from typing import BinaryIO, Final, NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kedge.archive.store import Store

_DAY = 86_400_000_000
_LAST_DAY = 47_482  # 2100-01-01, in days since 1970
_LONGEST = 200
_RAW: Final = re.compile(r"(p\d{4,})-(\d{12,})-(\d{12,})-(.+)\.parquet")
_COMPACTED: Final = re.compile(r"c(\d{8,})-[0-9a-f]{32}-(.+)\.parquet")


def component(key: str, value: str) -> str:
    """`key=value` as the name of a folder, whatever the value is.

    >>> component("model", "flights/eu")
    'model=flights%2Feu'
    """
    name = quote(value, safe="")
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 17]}-{hashlib.sha256(value.encode()).hexdigest()[:16]}"
    return f"{key}={name}"


def model_folder(dataset: str, model: str) -> str:
    """Where the files of one model are.

    >>> model_folder("outcomes", "flights")
    'outcomes/model=flights'
    """
    return f"{dataset}/{component('model', model)}"


def file_name(topic_id: str, partition: int, first: int, last: int) -> str:
    """Name of a file by what it was made from.

    >>> file_name("3YpqXa2bQ1qkm5SDzGG1Lg", 3, 1000, 1999)
    'p0003-000000001000-000000001999-3YpqXa2bQ1qkm5SDzGG1Lg.parquet'
    """
    return f"p{partition:04d}-{first:012d}-{last:012d}-{topic_id}.parquet"


class Raw(NamedTuple):
    """What the name of a file says that an archiver wrote.

    Attributes:
        source: id of the topic and partition, as the folder of their journal.
        first: the first offset.
        last: the last offset.
    """

    source: str
    first: int
    last: int

    @property
    def topic_id(self) -> str:
        return self.source.partition("/")[0]


class Compacted(NamedTuple):
    """What the name of a file says that was made of others.

    Attributes:
        generation: of the first snapshot that it may be in.
        topic_id: Kafka's id of the topic that its rows are of.
    """

    generation: int
    topic_id: str


def parsed(name: str) -> Raw | Compacted | None:
    """What a file's name says; None if none of ours is named so.

    >>> parsed("p0003-000000001000-000000001999-3YpqXa2bQ1qkm5SDzGG1Lg.parquet")
    Raw(source='3YpqXa2bQ1qkm5SDzGG1Lg/p0003', first=1000, last=1999)
    """
    if match := _RAW.fullmatch(name):
        partition, first, last, topic_id = match.groups()
        return Raw(f"{topic_id}/{partition}", int(first), int(last))
    if match := _COMPACTED.fullmatch(name):
        generation, topic_id = match.groups()
        return Compacted(int(generation), topic_id)
    return None


def compacted_name(generation: int, topic_id: str) -> str:
    """A name that no file had before."""
    return f"c{generation:08d}-{uuid.uuid4().hex}-{topic_id}.parquet"


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


def empty_name(dataset: str, schema: pa.Schema) -> str:
    """In each dataset, a file with all columns and no rows: what the views stand on at first."""
    # Another version of Kedge may have other columns.
    digest = hashlib.sha256(str(schema).encode()).hexdigest()[:8]
    return f"{dataset}/empty-{digest}.parquet"


def write_empty(store: Store, schemas: Mapping[str, pa.Schema]) -> None:
    """Write the file without rows of each dataset that lacks it."""
    for dataset, schema in schemas.items():
        name = empty_name(dataset, schema)
        if not store.exists(name):
            aside = store.write_aside("empty", partial(write_parquet, schema.empty_table()))
            store.publish([(aside, name)])


# Nearly each value of these is another: a dictionary would be the values, and an index each.
_ENCODINGS = {
    "id": "DELTA_BYTE_ARRAY",
    "prediction_id": "DELTA_BYTE_ARRAY",
    "event_time": "DELTA_BINARY_PACKED",
    "known_at": "DELTA_BINARY_PACKED",
    "kafka_offset": "DELTA_BINARY_PACKED",
    "latency_ms": "BYTE_STREAM_SPLIT",
}


_SAMPLE = 4096
"""Values that decide whether a dictionary pays."""


def write_parquet(table: pa.Table, file: BinaryIO) -> None:
    """The one way in which files are written: the same rows give the same bytes."""
    with parquet_writer(file, table) as writer:
        writer.write_table(table)


def parquet_writer(file: BinaryIO, rows: pa.Table | pa.RecordBatch) -> pq.ParquetWriter:
    """Writes a file piece by piece, each at least a row group.

    Args:
        file: the file.
        rows: the first of them; they decide how columns are encoded.
    """
    leaves = dict(_leaves(rows))
    # Without Arrow's own schema: it would say `dictionary` where every other reader sees text.
    encodings = {path: _ENCODINGS[path] for path in leaves if path in _ENCODINGS}
    encodings |= {path: "BYTE_STREAM_SPLIT" for path, values in leaves.items() if _many(values)}
    return pq.ParquetWriter(
        file,
        rows.schema,
        compression="zstd",
        store_schema=False,
        use_dictionary=[path for path in leaves if path not in encodings],
        column_encoding=encodings,
    )


def _leaves(rows: pa.Table | pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    """The columns that columns are stored as, with the first values of each."""
    for name, values in zip(rows.schema.names, rows.slice(0, _SAMPLE).columns, strict=True):
        chunk = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        yield from _leaves_of(name, chunk)


def _leaves_of(path: str, values: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    if pa.types.is_struct(values.type):
        for field, child in zip(values.type, values.flatten(), strict=True):
            yield from _leaves_of(f"{path}.{field.name}", child)
    elif pa.types.is_map(values.type):
        yield from _leaves_of(f"{path}.key_value.key", values.keys)
        yield from _leaves_of(f"{path}.key_value.value", values.items)
    elif pa.types.is_list(values.type):
        yield from _leaves_of(f"{path}.list.element", values.flatten())
    else:
        yield path, values


def _many(values: pa.Array) -> bool:
    """Whether these are numbers of which nearly each is another."""
    if not pa.types.is_floating(values.type) or len(values) < _SAMPLE:
        return False
    return bool(pc.count_distinct(values).as_py() > _SAMPLE * 0.95)
