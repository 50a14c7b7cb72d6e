"""References from a table file: what training or validation data looked like."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from kedge.contracts import Column, Role, State
from kedge.contracts.predictions import columns_of_cells
from kedge.errors import KedgeError
from kedge.profile import Reference, reference_of


def read_reference(
    path: Path,
    *,
    outputs: Collection[str] = (),
    ignored: Collection[str] = (),
    nulls: Collection[str] = (),
) -> Reference:
    """The reference that the rows of a CSV or Parquet file make.

    Args:
        path: ends in .parquet, .csv or .csv.gz.
        outputs: columns that hold what the model predicted for the row.
        ignored: columns that the model has nothing to do with: ids, the truth, times.
        nulls: in CSV, texts that stand for null, besides the empty cell.

    Raises:
        KedgeError: the file can't be read, has no rows, or has no such columns.
    """
    table = _table(path, nulls)
    names = table.column_names
    for wanted in (*outputs, *ignored):
        if wanted not in names:
            raise KedgeError(f"{path} has no column `{wanted}`; it has {', '.join(names)}")
    both = sorted(set(outputs) & set(ignored))
    if both:
        raise KedgeError(f"column `{both[0]}` can't be both an output and ignored")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise KedgeError(f"{path} has the column `{twice[0]}` more than once")
    columns: list[Column] = []
    for name in names:
        if name not in ignored:
            role: Role = "output" if name in outputs else "feature"
            columns.extend(_columns(name, role, table[name]))
    if not table.num_rows or not columns:
        raise KedgeError(f"{path} has no {'columns left' if table.num_rows else 'rows'}")
    try:
        return reference_of(columns)
    except ValueError as error:
        raise KedgeError(f"{path} makes no reference: {error}") from error


def _table(path: Path, nulls: Collection[str]) -> pa.Table:
    name = path.name.lower()
    if not name.endswith((".parquet", ".csv", ".csv.gz")):
        raise KedgeError(f"{path} is neither .parquet nor .csv nor .csv.gz: a reference is one")
    try:
        if name.endswith(".parquet"):
            return pa.parquet.read_table(path)
        options = pa.csv.ConvertOptions(
            null_values=["", *nulls], strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        return pa.csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException) as error:
        raise KedgeError(f"{path} can't be read: {error}") from error


def _columns(name: str, role: Role, values: pa.ChunkedArray) -> list[Column]:
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        states = np.where(pc.is_null(values).to_numpy(), State.NULL, State.VALUE).astype(np.uint8)
        numbers = pc.fill_null(values.cast(pa.float64(), safe=False), np.nan).to_numpy()
        return [Column(name, role, "number", states, numbers)]
    # All else as though the rows had been logged one by one.
    return list(columns_of_cells(name, role, values.to_pylist()))
