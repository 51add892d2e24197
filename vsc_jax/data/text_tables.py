"""Text files of numbers in columns: separator, encoding, decimal sign and line of names are found out."""

import csv
import gzip
import io
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from vsc_jax.config.errors import UserError
from vsc_jax.data.labels import listed

Header = Literal["auto", "true", "false"]
Separator = Literal["auto", "comma", "semicolon", "tab", "space", "bar"]

SUFFIXES = (".csv", ".tsv", ".txt", ".data")
"""Names of text tables end so, or with ``.gz`` after it, in any case of letters."""

_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")
_WHOLE = re.compile(r"[+-]?\d+")
_MISSING = {"", "na", "n/a", "#n/a", "null", "nan"}
_LINES, _CHARACTERS = 100, 2**20  # that are looked at before the whole is read

Rows = list[list[str]]


class TextTable(NamedTuple):
    """A text table as it was read.

    Attributes:
      table: a ``pyarrow.Table``.
      has_names: whether the first line was taken for names.
      note: what it was taken for, in one line.
    """

    table: Any
    has_names: bool
    note: str


def is_text_table(path: Path) -> bool:
    """Whether the name of a file is that of a text table."""
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def read_text_table(path: Path, header: Header = "auto", separator: Separator = "auto") -> TextTable:
    """A text table, UTF-8 or with the byte order mark of UTF-16, possibly compressed.

    Args:
      path: the file.
      header: whether its first line holds the names of the columns.
      separator: what stands between columns.

    Raises:
      UserError: it is no such text, or its first line may be names as well as an example.
      OSError, EOFError, pyarrow.ArrowException: the file is damaged.
    """
    import pyarrow

    lines, encoding = _first_lines(path)
    if not lines:
        raise pyarrow.ArrowInvalid("Empty CSV file")
    word = _separator(lines) if separator == "auto" else separator
    rows = _rows(lines, word)
    has_names = _has_names(rows) if header == "auto" else header == "true"
    table = _read(path, lines, encoding, word, has_names)
    decimal = ""
    if word != "comma" and any(_is_decimal_comma(column) for column in table.columns):
        table = _read(path, lines, encoding, word, has_names, decimal=",")
        decimal = ", decimal comma"
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pyarrow.types.is_binary(column.type):
            row = next(row for row, value in enumerate(column.to_pylist()) if not _is_utf8(value))
            raise UserError(
                f"row {row}, column {name!r}: expected text in UTF-8, got {column[row].as_py()!r:.40};"
                " save the file as UTF-8"
            )
    first = "names the columns" if has_names else f"is an example, {listed(tuple(rows[0]))}"
    asked = "auto" in (header, separator)
    note = f"separator {word}{decimal}; the first line {first}{' (data.separator, data.header)' * asked}"
    return TextTable(table, has_names, note)


def _read(path: Path, lines: list[str], encoding: str, word: str, has_names: bool, decimal: str = ".") -> Any:
    import pyarrow
    import pyarrow.csv

    stream: Any = pyarrow.input_stream(str(path), compression="gzip" if _is_gzip(path) else None)
    if word == "space":
        with _opened(path, encoding) as file:
            stream = pyarrow.BufferReader("\n".join(map(_single_spaces, file)).encode())
        encoding = "utf-8-sig"
    return pyarrow.csv.read_csv(
        stream,
        pyarrow.csv.ReadOptions(
            autogenerate_column_names=not has_names,
            # A block holds whole rows; some may be longer than the first.
            block_size=min(max(2**20, 64 * max(map(len, lines))), 2**30),
            encoding="utf-16" if encoding == "utf-16" else "utf8",
        ),
        pyarrow.csv.ParseOptions(
            delimiter=_SEPARATORS[word],
            # An empty line of a file with one column is a missing value.
            ignore_empty_lines=len(_rows(lines[:1], word)[0]) > 1,
        ),
        pyarrow.csv.ConvertOptions(decimal_point=decimal, strings_can_be_null=True),
    )


def _first_lines(path: Path) -> tuple[list[str], str]:
    """The lines at the beginning, and the encoding."""
    with _opened_binary(path) as file:
        encoding = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines: list[str] = []
    characters = 0
    try:
        with _opened(path, encoding) as file:
            for line in file:
                lines.append(line)
                characters += len(line)
                if len(lines) >= _LINES or (len(lines) >= 4 and characters > _CHARACTERS):
                    break
    except UnicodeError as error:
        raise UserError(
            f"expected text in UTF-8, or in UTF-16 with its byte order mark ({error}); save the file as UTF-8"
        ) from None
    if any("\0" in line for line in lines):
        raise UserError("expected text in UTF-8, or in UTF-16 with its byte order mark, got zero bytes")
    while lines and not lines[0].strip():
        del lines[0]
    return lines, encoding


def _is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _opened_binary(path: Path) -> Any:
    return gzip.open(path) if _is_gzip(path) else path.open("rb")


def _opened(path: Path, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(_opened_binary(path), encoding=encoding, newline=None)


def _single_spaces(line: str) -> str:
    return " ".join(line.split())


def _rows(lines: Sequence[str], word: str) -> Rows:
    """The cells of lines, spaces around them taken off."""
    if word == "space":
        lines = [_single_spaces(line) for line in lines]
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


def _has_names(rows: Rows) -> bool:
    """Whether the first of some rows holds names of columns.

    Raises:
      UserError: it may be names as well as an example.
    """
    first, *others = rows
    body = [row for row in others if len(row) == len(first)]
    kinds = [_kind(cell) for cell in first]
    columns = [[row[column] for row in body] for column in range(len(first))]
    below = [{_kind(cell) for cell in column} - {"missing"} for column in columns]
    numbers = [column for column, kind in enumerate(kinds) if kind == "number"]
    texts = [column for column, kind in enumerate(kinds) if kind == "text"]
    a_name = any(below[column] == {"number"} for column in texts)
    a_class = any(first[column] in columns[column] for column in texts)
    if not numbers or not body:
        return bool(texts) and not numbers and (a_name or not a_class)
    if a_class:
        return False
    if not first[0] and columns[0] == list(map(str, range(len(body)))) and _counts(first[1:]):
        return True  # pandas: an index and columns without names
    verdict = _numbers_as_names(
        [first[column] for column in numbers], [[row[column] for column in numbers] for row in body]
    )
    if verdict == "open" and any(below[column] == {"text"} for column in numbers):
        verdict = "names"
    if verdict == "open" or (verdict == "example" and a_name):
        raise UserError(
            f"the first line, {listed(tuple(first))}, may hold names of columns or an example;"
            " expected data.header true or false"
        )
    return verdict == "names"


def _numbers_as_names(first: list[str], body: Rows) -> Literal["names", "example", "open"]:
    """Whether numbers in the first line are names, as pandas writes 0, 1, 2 and spectra their wavelengths."""
    if not _rises(first) or first in body:
        return "example"
    whole = all(map(_WHOLE.fullmatch, first))
    cells = [cell for row in body for cell in row if _kind(cell) == "number"]
    # Whoever writes numbers writes all of them with a point or an exponent, or whole ones without.
    otherwise = whole and len(cells) >= 8 and not any(map(_WHOLE.fullmatch, cells))
    if len(first) == 1:
        return "example" if first != ["0"] else "names" if otherwise else "open"
    if any(map(_rises, body)) and not (_counts(first) and otherwise):
        return "open" if _counts(first) else "example"
    if otherwise or len(first) >= 8:
        return "names"
    return "open" if whole else "example"


def _counts(cells: list[str]) -> bool:
    return cells == list(map(str, range(len(cells))))


def _rises(cells: list[str]) -> bool:
    """Whether all cells are numbers, each larger than the one before."""
    if any(_kind(cell) != "number" for cell in cells):
        return False
    values = [float(cell.replace(",", ".")) for cell in cells]
    return all(left < right for left, right in itertools.pairwise(values))


def _is_decimal_comma(column: Any) -> bool:
    """Whether a column of text begins with a number that has a decimal comma."""
    import pyarrow

    if not pyarrow.types.is_string(column.type):
        return False
    first = next((value.as_py() for value in column if value.is_valid), "")
    return _DECIMAL_COMMA.fullmatch(first) is not None


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True
