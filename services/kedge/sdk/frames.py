"""Many predictions given at once: taken by column, copied, and left to be encoded later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kedge.contracts.values import ABSENT, plain_name

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cells:
    """One feature or output of a frame, copied.

    Attributes:
        values: float64 `[rows]` or `[rows, width]`, bool `[rows]`, or a list of whatever it was.
        nulls: where an array has null.
    """

    values: NDArray[Any] | list[Any]
    nulls: Mask | None = None

    def __len__(self) -> int:
        return len(self.values)

    def cut(self, start: int, stop: int) -> Cells:
        return Cells(
            self.values[start:stop], None if self.nulls is None else self.nulls[start:stop]
        )

    def take(self, rows: Mask) -> Cells:
        """Only the rows where the mask holds."""
        if isinstance(self.values, list):
            kept = [value for value, keep in zip(self.values, rows, strict=True) if keep]
            return Cells(kept)
        return Cells(self.values[rows], None if self.nulls is None else self.nulls[rows])


Columns = dict[str, Cells]


def features_of(data: Any) -> Columns:
    """The columns of a mapping of columns, a frame, or a list of mappings.

    Raises:
        TypeError: it is none of these.
        ValueError: a column has more than two dimensions, or none.
    """
    if (columns := _columns(data)) is not None:
        return columns
    raise TypeError("features are a frame, a mapping of columns, or a list of mappings")


def outputs_of(data: Any) -> Columns:
    """As `features_of`; anything else is the column of the one output, called `output`."""
    columns = _columns(data)
    return {"output": cells_of(data)} if columns is None else columns


def imputed_of(data: Any, rows: int) -> dict[str, Mask]:
    """Where each feature was filled in.

    Args:
        data: masks by column (a mapping or a frame), or an iterable of names for each row.
        rows: of the batch.

    Raises:
        ValueError: a mask or the list is not of that length.
    """
    if data is None:
        return {}
    if (columns := _columns(data)) is not None:
        return {name: _of_length(cells, rows, name) for name, cells in columns.items()}
    named = [(row,) if isinstance(row, str) else tuple(row or ()) for row in data]
    if len(named) != rows:
        raise ValueError(f"imputed has {len(named)} rows, where {rows} are due")
    masks: dict[str, Mask] = {}
    for row, names in enumerate(named):
        for name in names:
            masks.setdefault(plain_name(name), np.zeros(rows, bool))[row] = True
    return masks


def _of_length(cells: Cells, rows: int, name: str) -> Mask:
    if len(cells) != rows:
        raise ValueError(f"imputed[{name!r}] has {len(cells)} rows, where {rows} are due")
    return np.array(cells.values, bool)


def latencies_of(data: Any, rows: int) -> NDArray[np.float32]:
    """Latencies of a batch, NaN where there is no number.

    Raises:
        ValueError: there are not as many as rows.
    """
    if data is None:
        return np.full(rows, np.nan, np.float32)
    known = as_latencies(data if isinstance(data, list | tuple) else cells_of(data).values)
    if known.shape != (rows,):
        raise ValueError(f"latencies_ms has the shape {known.shape}, where {rows} are due")
    return known


def as_latencies(values: Any) -> NDArray[np.float32]:
    """Numbers as they are, NaN for everything else."""
    with np.errstate(over="ignore"):
        if isinstance(values, np.ndarray):
            return values.astype(np.float32)
        if set(map(type, values)) == {float}:
            return np.array(values, np.float32)
        return np.array([_number(value) for value in values], np.float32)


def _number(value: Any) -> float:
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    return np.nan


def cells_of(column: Any) -> Cells:
    """One column: an array, a sequence, or a series of pandas, polars or pyarrow.

    None of these three is imported: a series is known by what it can do.

    Raises:
        TypeError: it is no column.
        ValueError: it has more than two dimensions, or none.
    """
    if isinstance(column, str | bytes | Mapping):
        raise TypeError(f"a column is an array, a series or a list, not a {type(column).__name__}")
    if type(column) is np.ndarray:
        return _from_array(column)
    if isinstance(column, list | tuple):
        return Cells(list(column))
    if hasattr(column, "isna") and hasattr(column, "to_numpy"):  # pandas
        if isinstance(column.dtype, np.dtype):
            return _from_array(column.to_numpy())
        # pandas' own types have a null, which NumPy's have not.
        return Cells(column.to_numpy(dtype=object, na_value=None).tolist())
    if hasattr(column, "is_null"):  # polars, pyarrow
        array = _numpy(column)
        if array.dtype.kind in "biuf":
            nulls = _numpy(column.is_null()).astype(bool)
            return Cells(_from_array(array).values, nulls if nulls.any() else None)
        return Cells(column.to_pylist() if hasattr(column, "to_pylist") else column.to_list())
    return Cells(list(column))


def _numpy(series: Any) -> NDArray[Any]:
    arrow = hasattr(series, "to_pylist")
    array = series.to_numpy(zero_copy_only=False) if arrow else series.to_numpy()
    assert isinstance(array, np.ndarray)
    return array


def _from_array(array: NDArray[Any]) -> Cells:
    if array.ndim not in (1, 2):
        raise ValueError(f"a column has one dimension, or two for vectors, not {array.ndim}")
    if array.dtype.kind == "b" and array.ndim == 1:
        return Cells(np.array(array, bool))
    if array.dtype.kind in "biuf":
        with np.errstate(over="ignore"):
            return Cells(np.array(array, np.float64))
    return Cells(list(array) if array.dtype.kind in "mM" or array.ndim > 1 else array.tolist())


def _columns(data: Any) -> Columns | None:
    """The columns of what has columns."""
    named = _named_columns(data)
    if named is not None:
        return {plain_name(name): cells_of(column) for name, column in named}
    if isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
        names: dict[Any, None] = {}
        for row in data:
            names.update(dict.fromkeys(row))
        return {plain_name(name): Cells([row.get(name, ABSENT) for row in data]) for name in names}
    return None


def _named_columns(data: Any) -> Iterable[tuple[Any, Any]] | None:
    if isinstance(data, Mapping):
        return data.items()
    if hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas; names may come twice
        return _pandas_columns(data)
    if hasattr(data, "get_columns"):  # polars
        return [(series.name, series) for series in data.get_columns()]
    if hasattr(data, "schema") and hasattr(data, "column"):  # pyarrow's Table and RecordBatch
        return [(name, data.column(at)) for at, name in enumerate(data.schema.names)]
    return None


def _pandas_columns(frame: Any) -> Iterator[tuple[Any, Any]]:
    for at, name in enumerate(frame.columns):
        yield name, frame.iloc[:, at]
