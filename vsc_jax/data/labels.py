"""Class labels of every kind as indices: whole numbers, bools or text."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vsc_jax.config.errors import UserError
from vsc_jax.models.values import as_array, check_mask

_MOST_CLASSES = 65536
_EXPECTED = "expected classes as whole numbers, bools or text"


class Labels(NamedTuple):
    """Class labels: for each part int32 indices ``[n]`` of the sorted ``names``, and how they were read."""

    indices: dict[str, np.ndarray]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def as_labels(parts: Mapping[str, Any]) -> Labels:
    """The labels of one or more parts of a data set, with one list of classes for all of them.

    Each part ``[n]`` is an array, a list or a series of whole numbers (also as floats), bools or text, around
    which spaces are taken off.

    Raises:
      UserError: naming the part and, where there is one, the row.
    """
    notes: list[str] = []
    values = {name: _values(y, name, notes) for name, y in parts.items()}
    first, *others = values
    for name in others:
        if values[name].dtype.kind != values[first].dtype.kind:
            kinds = [{"i": "whole numbers", "U": "text"}[values[p].dtype.kind] for p in (first, name)]
            raise UserError(f"{name}: expected classes as {kinds[0]} as in {first}, got {kinds[1]}")
    found, indices = np.unique(np.concatenate(list(values.values())), return_inverse=True)
    if len(found) > _MOST_CLASSES:
        raise UserError(f"{first}: expected at most {_MOST_CLASSES:,} classes, got {len(found):,}")
    names = tuple(map(str, found.tolist()))
    split = np.split(indices.astype(np.int32), np.cumsum([len(part) for part in values.values()])[:-1])
    if first.startswith("column ") or found.tolist() != list(range(len(found))):
        notes.append(f"{first}: {len(names)} class{'es' * (len(names) > 1)}, {listed(names)}")
    return Labels(dict(zip(values, split, strict=True)), names, tuple(notes))


def listed(names: tuple[str, ...], most: int = 8) -> str:
    """The first names in one line."""
    line = ", ".join(" ".join(name.split()) for name in names[:most])
    return f"{line}, ... ({len(names)} in all)" if len(names) > most else line


def _values(y: Any, name: str, notes: list[str]) -> np.ndarray:
    """The labels as int64 or text ``[n]``."""
    import narwhals

    def refuse(wrong: np.ndarray, what: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise _at(name, row, what.format(labels[row]) if "{}" in what else what)

    series = narwhals.from_native(y, series_only=True, pass_through=True)
    if isinstance(series, narwhals.Series):
        refuse(series.is_null().to_numpy(), "missing value")
        y = series.to_list()
    check_mask(y, name)
    labels = as_array(_plain(y, name), name)
    if labels.ndim != 1:
        raise UserError(f"{name}: expected labels [n], one an example, got shape {labels.shape}")
    if labels.dtype.kind == "b":
        return np.where(labels, "True", "False")
    if labels.dtype.kind == "f":
        refuse(np.isnan(labels), "missing value")
        refuse(labels != np.rint(labels), f"{_EXPECTED}, got {{}}")
    if labels.dtype.kind in "iuf":
        refuse(np.abs(labels.astype(np.float64)) >= 2.0**63, f"{_EXPECTED} of 64 bits, got {{}}")
        return labels.astype(np.int64)
    if labels.dtype.kind != "U":
        raise UserError(f"{name}: {_EXPECTED}, got {labels.dtype}")
    stripped = np.strings.strip(labels)
    refuse(stripped == "", "missing value")
    if (stripped != labels).any():
        notes.append(f"{name}: spaces around the names of classes are taken off")
    return stripped


def _plain(y: Any, name: str) -> Any:
    """Bytes decoded as text; a list or an array of Python objects as one kind of labels."""
    if not isinstance(y, list | tuple):
        y = as_array(y, name)
        if y.ndim != 1 or y.dtype.kind not in "OS":
            return y
    values = y.tolist() if isinstance(y, np.ndarray) else y
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    for row, value in enumerate(plain):
        # NaN and pandas' NaT are not equal to themselves.
        if value is None or type(value).__name__ == "NAType" or (value != value) is True:
            raise _at(name, row, "missing value")
        if isinstance(value, bytes):
            try:
                plain[row] = value.decode()
            except UnicodeDecodeError:
                raise _at(name, row, f"expected text in UTF-8, got {value!r:.40}") from None
    kinds = {float if type(value) is int else type(value) for value in plain}
    if len(kinds) > 1:
        found = " and ".join(sorted(kind.__name__.replace("float", "numbers") for kind in kinds))
        raise UserError(f"{name}: expected classes of one kind, got {found}")
    return plain


def _at(name: str, row: int, what: str) -> UserError:
    """What is wrong in a row of labels, which are an array or a column."""
    return UserError(
        f"row {row}, {name}: {what}" if name.startswith("column ") else f"{name}: {what} in row {row}"
    )
