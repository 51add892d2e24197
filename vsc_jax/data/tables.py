"""Tables as vectors: ``.csv`` and ``.parquet`` files, and frames of pandas, polars or Arrow in memory.

Every column is one value of the vectors, but for the one that is named as the label.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsc_jax import scaling
from vsc_jax.errors import UserError

_LARGEST_FLOAT = float(np.finfo(np.float32).max)


class Table(NamedTuple):
    """A table as arrays.

    Attributes:
      x: float32 ``[rows, columns]``.
      labels: int32 ``[rows]``, indices of ``label_names``, or None.
      label_names: the values of the label's column, sorted.
    """

    x: np.ndarray
    labels: np.ndarray | None
    label_names: tuple[str, ...]


def read_table(path: Path, label: str | None = None) -> Table:
    """The table in a ``.csv`` file (with or without a line of names) or a ``.parquet`` file.

    Args:
      path: the file.
      label: the column that holds the classes.

    Raises:
      UserError: naming the file and, where there are, row (counted from 0) and column.
    """
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            table = pyarrow.csv.read_csv(path)
            if all(_is_number(name) for name in table.column_names):
                options = pyarrow.csv.ReadOptions(autogenerate_column_names=True)
                table = pyarrow.csv.read_csv(path, options)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise UserError(f"{path}: cannot be read as a {path.suffix} file ({reason})") from None
    try:
        return from_frame(table, label)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def is_frame(data: Any) -> bool:
    """Whether ``data`` is a frame in memory that :func:`from_frame` reads."""
    import narwhals

    return isinstance(narwhals.from_native(data, eager_only=True, pass_through=True), narwhals.DataFrame)


def from_frame(frame: Any, label: str | None = None) -> Table:
    """A pandas or polars frame, or an Arrow table, as arrays.

    Args:
      frame: all of its columns but the label's must be numbers or bools.
      label: the column that holds the classes: whole numbers, bools or text.

    Raises:
      UserError: naming row (counted from 0) and column.
    """
    import narwhals

    table = narwhals.from_native(frame, eager_only=True)
    names = [name for name in table.columns if name != label]
    if label is not None and len(names) == len(table.columns):
        there = ", ".join(" ".join(str(name).split()) for name in names)
        raise UserError(f"data.label: no column {label!r}; there are {there}")
    if not names or not len(table):
        raise UserError(
            f"expected rows and columns of numbers, got {len(table)} rows and {len(names)} columns"
        )
    x = np.empty((len(table), len(names)), np.float32)
    for column, name in enumerate(names):
        x[:, column] = _numbers(table[name], name)
    if label is None:
        return Table(x, None, ())
    values = _without_missing(table[label], label)
    kinds = {type(value) for value in values}
    if kinds & {float}:
        raise UserError(
            f"column {label!r}: expected classes as whole numbers or text, got {table[label].dtype}"
        )
    classes = sorted(set(values))
    index = {value: number for number, value in enumerate(classes)}
    labels = np.array([index[value] for value in values], np.int32)
    return Table(x, labels, tuple(map(str, classes)))


def _numbers(series: Any, name: str) -> np.ndarray:
    """A column as float32, every value there and finite."""
    import narwhals

    if not (series.dtype.is_numeric() or series.dtype == narwhals.Boolean):
        if series.null_count() == len(series):
            raise UserError(f"column {name!r}: expected numbers, got none")
        raise UserError(
            f"column {name!r}: expected numbers, got {series.dtype}; leave it out, or name it with"
            " data.label if it holds the classes"
        )
    missing = series.is_null().to_numpy()
    if missing.any():
        raise UserError(f"row {int(np.argmax(missing))}, column {name!r}: missing value")
    with np.errstate(over="ignore"):
        values = np.asarray(series.to_numpy(), np.float32)
    wrong = ~(np.abs(values) <= _LARGEST_FLOAT)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(f"row {row}, column {name!r}: expected a finite float32 number, got {series[row]}")
    scaling.check_resolution(np.asarray(series.to_numpy())[:, None], f"column {name!r}")
    return values


def _without_missing(series: Any, name: str) -> list[Any]:
    missing = series.is_null().to_numpy()
    if missing.any():
        raise UserError(f"row {int(np.argmax(missing))}, column {name!r}: missing value")
    return list(series.to_list())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
