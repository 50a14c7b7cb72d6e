"""References from a table file: what training or validation data looked like."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from kedge.contracts import Column, Role, State
from kedge.contracts.predictions import columns_of_cells
from kedge.errors import KedgeError
from kedge.performance import with_estimator
from kedge.profile import Reference, reference_of
from kedge.profile.signature import infer_signature

Orders = Mapping[str, Sequence[str]]
NO_ORDERS: Orders = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Truth:
    """Where a reference's truth is, and what it is compared with; see `with_estimator`.

    Attributes:
        column: that has it.
        output: that it is the truth of; None for the one output, or the one named `output`.
        positive: the text of the positive class.
        threshold: of a binary score.
        probabilities: for each of several classes the column with its probability, an output too.
    """

    column: str
    output: str | None = None
    positive: str | None = None
    threshold: float = 0.5
    probabilities: Mapping[str, str] = field(default_factory=dict)


def read_reference(
    path: Path,
    *,
    outputs: Collection[str] = (),
    ignored: Collection[str] = (),
    nulls: Collection[str] = (),
    orders: Orders = NO_ORDERS,
    truth: Truth | None = None,
) -> Reference:
    """The reference that the rows of a CSV or Parquet file make.

    Args:
        path: ends in .parquet, .csv or .csv.gz.
        outputs: columns that hold what the model predicted for the row.
        ignored: columns that the model has nothing to do with: ids, times.
        nulls: in CSV, texts that stand for null, besides the empty cell.
        orders: categories of a categorical column, from the lowest to the highest.
        truth: where it is; without it, performance is not estimated before labels come.

    Raises:
        KedgeError: the file can't be read, has no rows, or has no such columns.
    """
    return reference_of_table(
        _table(path, nulls),
        str(path),
        outputs=outputs,
        ignored=ignored,
        orders=orders,
        truth=truth,
    )


def reference_of_table(
    table: pa.Table,
    what: str,
    *,
    outputs: Collection[str] = (),
    ignored: Collection[str] = (),
    orders: Orders = NO_ORDERS,
    truth: Truth | None = None,
) -> Reference:
    """The reference that the rows of a table make; see `read_reference`.

    Args:
        table: a row an example.
        what: how errors call it.
        outputs: as in `read_reference`, and so are the others.
        ignored: likewise.
        orders: likewise.
        truth: likewise.

    Raises:
        KedgeError: it has no rows, or no such columns.
    """
    names = table.column_names
    left_out = {*ignored, truth.column} if truth else {*ignored}
    outputs = {*outputs, *truth.probabilities.values()} if truth else {*outputs}
    for wanted in (*outputs, *left_out, *orders):
        if wanted not in names:
            raise KedgeError(f"{what} has no column `{wanted}`; it has {', '.join(names)}")
    both = sorted(left_out.intersection(outputs))
    if both:
        other = "the truth" if truth and both[0] == truth.column else "ignored"
        raise KedgeError(f"column `{both[0]}` can't be both an output and {other}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise KedgeError(f"{what} has the column `{twice[0]}` more than once")
    columns: list[Column] = []
    for name in names:
        if name not in left_out:
            role: Role = "output" if name in outputs else "feature"
            columns.extend(_columns(name, role, table[name]))
    if not table.num_rows or not columns:
        raise KedgeError(f"{what} has no {'columns left' if table.num_rows else 'rows'}")
    try:
        signature = [
            replace(spec, order=tuple(orders.get(spec.name, ())))
            for spec in infer_signature(columns)
        ]
        reference = reference_of(columns, signature)
        if truth is None:
            return reference
        return with_estimator(
            reference,
            columns,
            table[truth.column].to_pylist(),
            output=truth.output,
            positive=truth.positive,
            threshold=truth.threshold,
            probabilities=truth.probabilities,
        )
    except ValueError as error:
        raise KedgeError(f"{what} makes no reference: {error}") from error


def table_of(data: Any) -> pa.Table:
    """A frame of pandas, polars or pyarrow, a mapping of columns or a list of mappings as a table.

    Keys that a mapping of a list lacks are null.

    Raises:
        KedgeError: it is none of these, or a column has values of types that do not go together.
    """
    try:
        if isinstance(data, pa.Table):
            return data
        if hasattr(data, "to_arrow"):
            return data.to_arrow()
        if hasattr(data, "iloc"):
            return pa.Table.from_pandas(data, preserve_index=False)
        if isinstance(data, Mapping):
            return pa.table(dict(data))
        rows = list(data)
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({name: [row.get(name) for row in rows] for name in names})
    except (TypeError, AttributeError, ValueError, pa.ArrowException) as error:
        raise KedgeError(
            f"a {type(data).__name__} makes no reference ({error}): give a frame of pandas, polars "
            "or pyarrow, a mapping of columns, a list of mappings, or the path of a table"
        ) from error


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
