"""Tables as vectors: text tables and ``.parquet`` files, and frames of pandas, polars or Arrow in memory.

Every column is one value of the vectors, but for the one that is named as the label. Columns are taken by
their position, and their names, of whatever type, are read as text. Of a text table the separator, encoding,
decimal sign and line of names are found out.
"""

import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from vsc_jax.config.choices import Header, Separator
from vsc_jax.config.errors import UserError
from vsc_jax.data.arrays import LARGEST_FLOAT, listed
from vsc_jax.data.files import in_a_line
from vsc_jax.models import scaling

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".data")  # possibly with .gz after it, in any case of letters
# What pandas calls an index without a name in its CSV files, and when it reads them.
_NO_NAME = re.compile(r"\s*|Unnamed: \d+(_level_\d+|\.\d+)?")
_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")
_WHOLE = re.compile(r"[+-]?\d+")
_MISSING = {"", "na", "n/a", "#n/a", "null", "nan"}
_LINES, _CHARACTERS = 100, 2**22  # that are looked at before the whole is read


class Table(NamedTuple):
    """A table as arguments of :func:`vsc_jax.data.arrays.from_arrays`."""

    x: np.ndarray
    y: Any
    y_name: str
    notes: tuple[str, ...]
    column_names: tuple[str, ...]


def is_table(path: Path) -> bool:
    """Whether a path is a text table, a Parquet file or, as Spark writes them, a folder of such files."""
    if path.name.lower().removesuffix(".gz").endswith(TEXT_SUFFIXES) or path.suffix.lower() == ".parquet":
        return True
    return path.is_dir() and {file.suffix.lower() for file in _visible(path)} == {".parquet"}


def read_table(
    path: Path,
    label: str | None = None,
    header: Header = "auto",
    separator: Separator = "auto",
    *,
    partial: bool = False,
) -> Table:
    """The table in a text file (with or without a line of names), a ``.parquet`` file or a folder of them.

    Text is UTF-8, or UTF-16 with its byte order mark, possibly compressed. ``label`` names the column of
    classes, ``header`` says whether the first line of a text file holds names. Errors count rows from 0. For
    ``partial`` see :func:`from_frame`.
    """
    import pyarrow

    suffix, has_names = ".parquet" if path.is_dir() else path.suffix.lower(), True
    try:
        if suffix == ".parquet":
            table, notes = _read_parquet(path)
        else:
            table, has_names, notes = _read_text(path, header, separator)
    except (pyarrow.ArrowException, OSError, EOFError, zlib.error, UnicodeError) as error:
        raise UserError(f"cannot be read as a {suffix} file ({in_a_line(error)})") from None
    hint = "" if has_names else "; the first line is taken for an example (data.header)"
    read = from_frame(table, label, hint, partial=partial)
    names = read.column_names if has_names else ()
    return read._replace(notes=(*notes, *read.notes), column_names=names)


def is_frame(data: Any) -> bool:
    """Whether ``data`` is a frame in memory that :func:`from_frame` reads."""
    from narwhals import dependencies as known

    return known.is_into_dataframe(data) or known.is_polars_lazyframe(data)


def from_frame(frame: Any, label: str | None = None, hint: str = "", *, partial: bool = False) -> Table:
    """A pandas or polars frame, or an Arrow table, as arrays; ``label`` names the column of classes.

    All other columns must be numbers or bools. An index that pandas wrote without a name is left out. In a
    ``partial`` frame values may be missing, which are NaN then, and so may the column of classes.
    """
    columns, notes = _columns(frame)
    names, rows = [name for name, _ in columns], len(columns[0][1]) if columns else 0
    chosen = [place for place, name in enumerate(names) if label is not None and name == label]
    if len(chosen) > 1:
        raise UserError(f"data.label: {len(chosen)} columns are called {label!r}")
    if label is not None and not chosen and not partial:
        raise UserError(f"data.label: no column {label!r}; there are {listed(names, 20)}{hint}")
    # What pandas wrote down as its index.
    metadata = getattr(getattr(frame, "schema", None), "pandas_metadata", None) or {}
    index = {name for name in metadata.get("index_columns", ()) if isinstance(name, str)}
    used = []
    for place, (name, series) in enumerate(columns):
        if place in chosen:
            continue
        if name in index or name.startswith("__index_level_") or (place == 0 and _NO_NAME.fullmatch(name)):
            notes.append(f"column {name!r} is left out: an index, no values")
        elif not _NO_NAME.fullmatch(name):
            used.append((series, name))
        elif series.null_count() == len(series):
            notes.append(f"column {place} is left out: it has no name and no values")
        else:
            raise UserError(f"column {place}: expected a name, got {name!r}; name it or leave it out")
    if not used or not rows:
        raise UserError(f"expected rows and columns of numbers, got {rows} rows and {len(used)} columns")
    x = np.empty((rows, len(used)), np.float32)
    for column, (series, name) in enumerate(used):
        x[:, column] = _numbers(series, name, partial)
    used_names = tuple(name for _, name in used)
    notes.append(f"{len(used)} column{'s' * (len(used) > 1)}: {listed(used_names)}")
    y = columns[chosen[0]][1].to_native() if chosen else None
    return Table(x, y, f"column {label!r}", tuple(notes), used_names)


def _columns(frame: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """Name and series of each column, and a note on an index that is no column."""
    import narwhals
    from narwhals import dependencies as known

    if known.is_polars_lazyframe(frame):
        raise UserError("expected a frame in memory, got a LazyFrame; frame.collect() makes one")
    frame = narwhals.to_native(frame, pass_through=True)
    notes = []
    if known.is_pandas_like_dataframe(frame):
        names, columns = frame.columns, [frame.iloc[:, place] for place in range(frame.shape[1])]
        if named := [str(name) for name in frame.index.names if name is not None]:
            notes.append(f"index {', '.join(named)} is left out; frame.reset_index() makes it a column")
    elif known.is_pyarrow_table(frame):
        names, columns = frame.column_names, frame.columns
    else:
        names, columns = frame.columns, frame.get_columns()
    series = [narwhals.from_native(column, series_only=True) for column in columns]
    return list(zip((str(name).strip() for name in names), series, strict=True)), notes


def _numbers(series: Any, name: str, partial: bool) -> np.ndarray:
    """A column as float32, every value finite and, if it is not ``partial``, there."""
    import narwhals

    if partial and series.null_count() == len(series):
        return np.full(len(series), np.nan, np.float32)
    if not (series.dtype.is_numeric() or series.dtype == narwhals.Boolean):
        if series.null_count() == len(series):
            raise UserError(f"column {name!r}: expected numbers, got none")
        texts = ("0" if value is None else str(value).strip() for value in series.to_list())
        row = next((row for row, text in enumerate(texts) if not _NUMBER.fullmatch(text)), 0)
        hint = "leave it out, or name it with data.label if it holds the classes"
        got = f"got {series.dtype}; {hint} (row {row}: {series[row]!r:.40})"
        raise UserError(f"column {name!r}: expected numbers, {got}")
    if series.null_count() and not partial:
        row = int(np.argmax(series.is_null().to_numpy()))
        raise UserError(f"row {row}, column {name!r}: missing value")
    given = series.cast(narwhals.Float64).to_numpy()
    with np.errstate(over="ignore"):
        values = np.asarray(given, np.float32)
    wrong = ~(np.abs(values) <= LARGEST_FLOAT) & ~(np.isnan(values) & partial)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(f"row {row}, column {name!r}: expected a finite float32 number, got {series[row]}")
    scaling.check_resolution(given[:, None], f"column {name!r}")
    return values


def _visible(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith((".", "_")))


def _read_parquet(path: Path) -> tuple[Any, list[str]]:
    """The table of one file, or of all in a folder, and a note on which these are."""
    import pyarrow
    import pyarrow.parquet

    files = _visible(path) if path.is_dir() else [path]
    if not files or any(file.is_dir() or file.suffix.lower() != ".parquet" for file in files):
        raise UserError("expected a folder of .parquet files and nothing else")
    if any(re.match(r"(train|test|val)", file.name, re.IGNORECASE) for file in files[1:]):
        raise UserError(f"{files[-1].name}: the parts of a split cannot be read as one table; name one file")
    tables = [pyarrow.parquet.ParquetFile(file).read() for file in files]
    note = f"{len(files)} files as one table: {listed([file.name for file in files], 4)}"
    return pyarrow.concat_tables(tables), [note] if path.is_dir() else []


def _read_text(path: Path, header: Header, separator: Separator) -> tuple[Any, bool, list[str]]:
    """An Arrow table, whether the first line was taken for names, and a note on how it was read."""
    import pyarrow

    text = _text(path)
    first_lines = itertools.dropwhile(str.isspace, io.StringIO(text[:_CHARACTERS], newline=None))
    lines = list(itertools.islice(first_lines, _LINES))
    if not lines:
        raise pyarrow.ArrowInvalid("Empty CSV file")
    word = _separator(lines) if separator == "auto" else separator
    rows = _rows(lines, word)
    has_names = _has_names(rows) if header == "auto" else header == "true"
    if word == "space":
        text = "\n".join(" ".join(line.split()) for line in io.StringIO(text, newline=None))

    def parsed(decimal: str) -> Any:
        import pyarrow.csv

        return pyarrow.csv.read_csv(
            pyarrow.BufferReader(text.encode()),
            pyarrow.csv.ReadOptions(
                autogenerate_column_names=not has_names,
                # A block holds whole rows; some may be longer than the first.
                block_size=min(max(2**20, 64 * max(map(len, lines))), 2**30),
            ),
            # An empty line of a file with one column is a missing value.
            pyarrow.csv.ParseOptions(delimiter=_SEPARATORS[word], ignore_empty_lines=len(rows[0]) > 1),
            pyarrow.csv.ConvertOptions(decimal_point=decimal, strings_can_be_null=True),
        )

    table, decimal = parsed("."), ""
    texts = [column for column in table.columns if pyarrow.types.is_string(column.type)]
    firsts = [next((value.as_py() for value in column if value.is_valid), "") for column in texts]
    if word != "comma" and any(map(_DECIMAL_COMMA.fullmatch, firsts)):
        table, decimal = parsed(","), ", decimal comma"
    first = "names the columns" if has_names else f"is an example, {listed(rows[0])}"
    asked = "auto" in (header, separator)
    note = f"separator {word}{decimal}; the first line {first}{' (data.separator, data.header)' * asked}"
    return table, has_names, [note]


def _text(path: Path) -> str:
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        content = file.read()
    expected = "expected text in UTF-8, or in UTF-16 with its byte order mark"
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = len((content[: error.start] + b".").splitlines())
        raise UserError(f"{expected}, not so in line {line} ({error}); save the file as UTF-8") from None
    if "\0" in text:
        raise UserError(f"{expected}, got zero bytes")
    return text


def _rows(lines: Sequence[str], word: str) -> list[list[str]]:
    """The cells of lines, spaces around them taken off."""
    if word == "space":
        lines = [" ".join(line.split()) for line in lines]
    try:
        rows = list(csv.reader(lines, delimiter=_SEPARATORS[word], skipinitialspace=True))
    except csv.Error as error:
        raise UserError(f"data.separator {word}: does not suit the file ({error})") from None
    return [[cell.strip() for cell in row] for row in rows if row]


def _separator(lines: Sequence[str]) -> str:
    """The separator with which most lines have the columns of the first, and most cells are numbers."""
    best, found = (0.0, 0.0, 0), "comma"
    for word, character in _SEPARATORS.items():
        if character not in lines[0].strip():
            continue
        try:
            first, *others = _rows(lines, word)
        except UserError:
            continue
        rows = [row for row in others if len(row) == len(first)] or [first]
        numbers = [_kind(cell) == "number" for row in rows for cell in row]
        alike = len(rows) / max(1, len(others))
        score = (alike * sum(numbers) / len(numbers), alike, len(first))
        if len(first) > 1 and score > best:
            best, found = score, word
    return found


def _kind(cell: str) -> Literal["missing", "number", "text"]:
    if cell.lower() in _MISSING:
        return "missing"
    return "number" if _NUMBER.fullmatch(cell) or _DECIMAL_COMMA.fullmatch(cell) else "text"


def _has_names(rows: list[list[str]]) -> bool:
    """Whether the first of some rows holds names of columns; an error where it may also be an example."""
    first, *others = rows
    body = [row for row in others if len(row) == len(first)]
    columns = [[row[column] for row in body] for column in range(len(first))]
    below = [{*map(_kind, column)} - {"missing"} for column in columns]
    kinds = [_kind(cell) for cell in first]
    numbers, texts = ([i for i, kind in enumerate(kinds) if kind == k] for k in ("number", "text"))
    a_name = any(below[column] == {"number"} for column in texts)
    a_class = any(first[column] in columns[column] for column in texts)
    if not numbers or not body:
        return bool(texts) and not numbers and (a_name or not a_class)
    if a_class:
        return False
    if not first[0] and columns[0] == list(map(str, range(len(body)))) and _counts(first[1:]):
        return True  # pandas: an index and columns without names
    verdict = _numbers_as_names([first[i] for i in numbers], [[row[i] for i in numbers] for row in body])
    if verdict is None and any(below[column] == {"text"} for column in numbers):
        verdict = True
    if verdict is None or (a_name and not verdict):
        may = f"the first line, {listed(first)}, may hold names of columns or an example"
        raise UserError(f"{may}; expected data.header true or false")
    return verdict


def _numbers_as_names(first: list[str], body: list[list[str]]) -> bool | None:
    """Whether numbers in the first line are names, as pandas writes 0, 1, 2 and spectra their wavelengths."""
    if not _rises(first) or first in body:
        return False
    whole = all(map(_WHOLE.fullmatch, first))
    cells = [cell for row in body for cell in row if _kind(cell) == "number"]
    # Whoever writes numbers writes all of them with a point or an exponent, or whole ones without.
    otherwise = whole and len(cells) >= 8 and not any(map(_WHOLE.fullmatch, cells))
    if len(first) == 1:
        return False if first != ["0"] else otherwise or None
    if any(map(_rises, body)) and not (_counts(first) and otherwise):
        return None if _counts(first) else False
    return True if otherwise or len(first) >= 8 else None if whole else False


def _counts(cells: list[str]) -> bool:
    return cells == list(map(str, range(len(cells))))


def _rises(cells: list[str]) -> bool:
    """Whether all cells are numbers, each larger than the one before."""
    values = [float(cell.replace(",", ".")) for cell in cells if _kind(cell) == "number"]
    return len(values) == len(cells) and all(left < right for left, right in itertools.pairwise(values))
