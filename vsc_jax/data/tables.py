"""Tables as vectors: text tables and ``.parquet`` files, and frames of pandas, polars or Arrow in memory.

Every column is one value of the vectors, but for the one that is named as the label. Columns are taken by
their position, and their names, of whatever type, are read as text.
"""

import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsc_jax.config.errors import UserError
from vsc_jax.data.labels import as_labels, listed
from vsc_jax.data.text_tables import Header, Separator, read_text_table
from vsc_jax.models import scaling

_LARGEST_FLOAT = float(np.finfo(np.float32).max)
# What pandas calls an index without a name in its CSV files, and when it reads them.
_NO_NAME = re.compile(r"\s*|Unnamed: \d+(_level_\d+|\.\d+)?")


class Table(NamedTuple):
    """A table as arrays.

    Attributes:
      x: float32 ``[rows, columns]``.
      labels: int32 ``[rows]``, indices of ``label_names``, or None.
      label_names: the values of the label's column, sorted.
      notes: what it was understood to be.
    """

    x: np.ndarray
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    notes: tuple[str, ...]


def read_table(
    path: Path, label: str | None = None, header: Header = "auto", separator: Separator = "auto"
) -> Table:
    """The table in a text file (with or without a line of names), a ``.parquet`` file or a folder of them.

    Args:
      path: the file or the folder.
      label: the column that holds the classes.
      header: whether the first line of a text file holds names.
      separator: what stands between the columns of a text file.

    Raises:
      UserError: naming the file and, where there are, row (counted from 0) and column.
    """
    import pyarrow

    suffix = ".parquet" if path.is_dir() else path.suffix.lower()
    without_names = False
    try:
        if suffix == ".parquet":
            table, note = _read_parquet(path)
        else:
            table, has_names, note = read_text_table(path, header, separator)
            without_names = not has_names
        read = from_frame(table, label)
    except UserError as error:
        missed = without_names and str(error).startswith("data.label: no")
        hint = "; the first line is taken for an example (data.header)" if missed else ""
        raise UserError(f"{path}: {error}{hint}") from None
    except (pyarrow.ArrowException, OSError, EOFError, zlib.error, UnicodeError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise UserError(f"{path}: cannot be read as a {suffix} file ({reason})") from None
    return read._replace(notes=(*filter(None, [note]), *read.notes))


def holds_parquet(folder: Path) -> bool:
    """Whether a folder is a table in several ``.parquet`` files, as Spark writes them."""
    suffixes = {file.suffix.lower() for file in _shown(folder)}
    return folder.suffix.lower() == ".parquet" or suffixes == {".parquet"}


def _shown(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith((".", "_")))


def _read_parquet(path: Path) -> tuple[Any, str]:
    """The table of one file, or of all in a folder, and a note on which these are."""
    import pyarrow
    import pyarrow.parquet

    files = _shown(path) if path.is_dir() else [path]
    if not files or any(file.is_dir() or file.suffix.lower() != ".parquet" for file in files):
        raise UserError("expected a folder of .parquet files and nothing else")
    if any(re.match(r"(train|test|val)", file.name, re.IGNORECASE) for file in files[1:]):
        raise UserError(f"{files[-1].name}: the parts of a split cannot be read as one table; name one file")
    tables = []
    for file in files:
        with pyarrow.parquet.ParquetFile(file) as opened:
            tables.append(opened.read())
    note = f"{len(files)} files as one table: {listed(tuple(file.name for file in files), 4)}"
    return pyarrow.concat_tables(tables), note if path.is_dir() else ""


def is_frame(data: Any) -> bool:
    """Whether ``data`` is a frame in memory that :func:`from_frame` reads."""
    from narwhals import dependencies as known

    return any(
        check(data)
        for check in (
            known.is_pandas_like_dataframe,
            known.is_polars_dataframe,
            known.is_polars_lazyframe,
            known.is_pyarrow_table,
            known.is_narwhals_dataframe,
        )
    )


def from_frame(frame: Any, label: str | None = None) -> Table:
    """A pandas or polars frame, or an Arrow table, as arrays.

    Args:
      frame: all of its columns but the label's must be numbers or bools. An index that pandas wrote without
        a name is left out.
      label: the column that holds the classes: whole numbers, bools or text.

    Raises:
      UserError: naming row (counted from 0) and column.
    """
    columns, notes = _columns(frame)
    chosen = [place for place, (name, _) in enumerate(columns) if label is not None and name == label]
    names = [name for place, (name, _) in enumerate(columns) if place not in chosen]
    if label is not None and len(chosen) != 1:
        there = listed(tuple(names), 20)
        if chosen:
            raise UserError(f"data.label: {len(chosen)} columns are called {label!r}")
        raise UserError(f"data.label: no column {label!r}; there are {there}")
    index = _index_columns(frame)
    used = []
    for place, (name, series) in enumerate(columns):
        if place in chosen:
            continue
        if name in index or name.startswith("__index_level_") or (place == 0 and _NO_NAME.fullmatch(name)):
            notes.append(f"column {name!r} is left out: an index, no values")
        elif _NO_NAME.fullmatch(name) and series.null_count() == len(series):
            notes.append(f"column {place} is left out: it has no name and no values")
        elif _NO_NAME.fullmatch(name):
            raise UserError(f"column {place}: expected a name, got {name!r}; name it or leave it out")
        else:
            used.append((name, series))
    rows = len(columns[0][1]) if columns else 0
    if not used or not rows:
        raise UserError(f"expected rows and columns of numbers, got {rows} rows and {len(used)} columns")
    x = np.empty((rows, len(used)), np.float32)
    for column, (name, series) in enumerate(used):
        x[:, column] = _numbers(series, name)
    notes.append(f"{len(used)} column{'s' * (len(used) > 1)}: {listed(tuple(name for name, _ in used))}")
    if not chosen:
        return Table(x, None, (), tuple(notes))
    name, series = columns[chosen[0]]
    called = f"column {name!r}"
    labels = as_labels({called: series.to_native()})
    return Table(x, labels.indices[called], labels.names, (*notes, *labels.notes))


def _columns(frame: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """Name and series of each column, and a note on an index that is no column."""
    import narwhals
    from narwhals import dependencies as known

    if known.is_polars_lazyframe(frame):
        raise UserError("expected a frame in memory, got a LazyFrame; frame.collect() makes one")
    frame = narwhals.to_native(frame, pass_through=True)
    notes = []
    if known.is_pandas_like_dataframe(frame):
        columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
        named = [str(name) for name in frame.index.names if name is not None]
        if named:
            notes.append(f"index {', '.join(named)} is left out; frame.reset_index() makes it a column")
        names = frame.columns
    else:
        names = frame.column_names if known.is_pyarrow_table(frame) else frame.columns
        columns = frame.columns if known.is_pyarrow_table(frame) else frame.get_columns()
    series = [narwhals.from_native(column, series_only=True) for column in columns]
    return list(zip((str(name).strip() for name in names), series, strict=True)), notes


def _index_columns(frame: Any) -> set[str]:
    """The columns that pandas wrote down as its index."""
    metadata = getattr(getattr(frame, "schema", None), "pandas_metadata", None) or {}
    return {name for name in metadata.get("index_columns", ()) if isinstance(name, str)}


def _numbers(series: Any, name: str) -> np.ndarray:
    """A column as float32, every value there and finite."""
    import narwhals

    if not (series.dtype.is_numeric() or series.dtype == narwhals.Boolean):
        if series.null_count() == len(series):
            raise UserError(f"column {name!r}: expected numbers, got none")
        row = next((row for row, value in enumerate(series.to_list()) if not _is_number(value)), 0)
        raise UserError(
            f"column {name!r}: expected numbers, got {series.dtype}; leave it out, or name it with"
            f" data.label if it holds the classes (row {row}: {series[row]!r:.40})"
        )
    if series.null_count():
        row = int(np.argmax(series.is_null().to_numpy()))
        raise UserError(f"row {row}, column {name!r}: missing value")
    given = series.cast(narwhals.Float64).to_numpy()
    with np.errstate(over="ignore"):
        values = np.asarray(given, np.float32)
    wrong = ~(np.abs(values) <= _LARGEST_FLOAT)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(f"row {row}, column {name!r}: expected a finite float32 number, got {series[row]}")
    scaling.check_resolution(given[:, None], f"column {name!r}")
    return values


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return value is None
    return True
