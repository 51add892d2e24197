"""Your own arrays as a data set: in memory, or in ``.npy`` and ``.npz`` files; class labels of any kind."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from vsc_jax.config.choices import FixedScaling
from vsc_jax.config.errors import UserError
from vsc_jax.data.dataset import Dataset, Split, first_outside, hold_out
from vsc_jax.data.examples import Examples, LazyArray, select
from vsc_jax.data.files import check_archive, check_memory, in_a_line, machine_memory
from vsc_jax.models import scaling as scalings
from vsc_jax.models.values import as_array, as_float32, is_number, place

LARGEST_FLOAT = float(np.finfo(np.float32).max)
_NAMES = ("x", "y", "x_test", "y_test", "channels")
_MAGIC = {".npy": b"\x93NUMPY", ".npz": b"PK"}
_CLASSES = "expected classes as whole numbers, bools or text"
_MOST_CLASSES = 65536


def from_arrays(
    x: Any,
    y: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    *,
    name: str = "arrays",
    y_name: str = "y",
    channel_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    scaling: FixedScaling = "none",
    test_fraction: float = 0.1,
    seed: int = 0,
    notes: Sequence[str] = (),
    whole: bool = False,
) -> Dataset:
    """A data set of arrays in memory, of memory-mapped ones, or of a source that decodes its examples.

    Training examples that are large and memory-mapped, or of :func:`vsc_jax.data.examples.from_source`, are
    read when they are asked for; test examples are read into memory.

    Args:
      x: vectors ``[n, d]`` of any finite numbers, dense or of ``scipy.sparse``; or images
        ``[n, height, width]`` or ``[n, height, width, channels]``: whole numbers from 0 to 255, bool, or
        float (in [0, 1] if they are not scaled). Images of nothing but 0 and 1 are black and white.
      y: class labels ``[n]``: whole numbers (also as floats), bools or text. Classes are the sorted values.
      x_test: test examples like x; without them a share of x is held out at random.
      y_test: labels of the test examples, given if and only if x_test and y are.
      name: what the data set is called.
      y_name: what y is called in notes and errors.
      channel_names: names of the channels where x are signals ``[n, time, channels]`` (float), not images.
      column_names: names of the d values of vectors, if they have any.
      scaling: how a model is to see the values, with constants from the training examples.
      test_fraction: share of x that is held out, between 0 and 1; at least one example, and never all.
      seed: seed of the held-out choice.
      notes: what is to be said of the source.
      whole: for a model that is trained: nothing is held out, so that the test part may be empty; values may
        be missing (NaN); no constants are found.

    Raises:
      UserError: naming the array and, where there is one, the row.
    """
    if not 0 < test_fraction < 1:
        raise UserError(f"test_fraction: expected a number between 0 and 1, exclusive, got {test_fraction}")
    if x_test is None and y_test is not None:
        raise UserError("y_test: given without x_test")
    if x_test is not None and (y is None) != (y_test is None):
        raise UserError("y and y_test: expected both or neither, since x_test is given")
    given = {part: array for part, array in (("x", x), ("x_test", x_test)) if array is not None}
    classes = {part: array for part, array in ((y_name, y), ("y_test", y_test)) if array is not None}
    signals, free = len(channel_names) > 0, scaling != "none" or len(channel_names) > 0
    read = {part: _as_examples(array, part, free, signals, whole) for part, array in given.items()}
    examples, masks = _as_pixels(read)
    shape = examples["x"].shape
    if signals and shape[2:] != (channels := len(channel_names),):
        raise UserError(f"x: expected signals [n, time, {channels}], one channel a name, got shape {shape}")
    for (part, array), values in zip(classes.items(), examples.values(), strict=False):
        if (found := np.shape(array)) != (len(values),):
            raise UserError(f"{part}: expected {len(values)} labels, one an example, got shape {found}")
    labels, label_names, found_in = class_indices(classes)
    train, origin = Split(examples["x"], labels.get(y_name)), f"{name}, its own test examples"
    if x_test is None and whole:
        test = Split(np.asarray(train.x[:0]), None if y is None else labels[y_name][:0])
    elif x_test is None:
        train, test = hold_out(train, test_fraction, seed)
        origin = f"{name}, test examples held out at random (seed {seed})"
    else:
        test = Split(np.asarray(examples["x_test"]), labels.get("y_test"))
        of_shape, of_dtype = (shape[1:], test.x.shape[1:]), (train.x.dtype, test.x.dtype)
        for what, (ours, theirs) in (("shape", of_shape), ("dtype", of_dtype)):
            if ours != theirs:
                raise UserError(f"x_test: expected examples of {what} {ours} as in x, got {theirs}")
    constants = None if scaling == "none" or whole else scalings.fit(scaling, train.x, signals=signals)
    names = {"channel_names": tuple(channel_names), "column_names": tuple(column_names)}
    said = (*notes, *found_in, *masks)
    return Dataset(name, train, test, label_names, (), origin, scaling=constants, notes=said, **names)


def _as_examples(x: Any, name: str, free: bool, signals: bool, gaps: bool) -> Examples:
    """Vectors and signals as float32, images as stored; with ``free`` these may have any finite values."""
    if type(x).__module__.startswith("scipy.sparse"):
        rows, columns = x.shape
        check_memory(4 * rows * columns, f"{name}: {rows:,} x {columns:,} values", "fewer columns")
        x = x.astype(np.float32)
    array = x if isinstance(x, LazyArray) else as_array(x, name)
    shape, dtype = array.shape, array.dtype
    whole = array.ndim > 2 and dtype.kind in "biu"
    wrong, images = "", "[n, height, width, channels]"
    if not is_number(dtype):
        wrong = f"numbers or bools, got {dtype}"
    elif array.ndim not in (2, 3, 4):
        wrong = f"vectors [n, d] or images [n, height, width] or {images}, got shape {shape}"
    elif array.size == 0:
        wrong = f"at least one value, got shape {shape}"
    elif array.ndim == 4 and shape[1] in (1, 3) and min(shape[2:]) > 4:
        wrong = f"images {images}, got shape {shape}; give them channels last: {name}.transpose(0, 2, 3, 1)"
    elif signals and whole:  # they would be taken for pixels where they are encoded
        wrong = f"signals as floats, got {dtype}; {name}.astype('float32')"
    if wrong:
        raise UserError(f"{name}: expected {wrong}")
    if whole and dtype in (bool, np.uint8):
        return select(array)
    examples, low, high, expected = select(array), 0.0, 255.0, "whole numbers from 0 to 255"
    if not whole:
        examples, high, expected = select(array, convert=as_float32), 1.0, "images in [0, 1], or uint8"
    if free := not whole and (free or array.ndim == 2):
        low, high, expected = -LARGEST_FLOAT, LARGEST_FLOAT, "finite float32 numbers"
    looked_at = select(examples, convert=lambda part: np.where(np.isnan(part), 0, part)) if gaps else examples
    if (index := first_outside(looked_at, low, high)) is not None:
        raise UserError(f"{name}: expected {expected}, got {array[index[0]][index[1:]]} in {place(index)}")
    if free:
        scalings.check_resolution(array, f"{name}: column {{}}")
    return examples


def _as_pixels(parts: dict[str, Examples]) -> tuple[dict[str, Examples], list[str]]:
    """Images of whole numbers and bools as uint8, and a note on those that hold nothing but 0 and 1."""

    def above(names: list[str], most: float) -> list[str]:
        return [name for name in names if first_outside(parts[name], 0.0, most) is not None]

    whole = [name for name, x in parts.items() if x.dtype.kind in "iu"]
    lit = above(whole, 0.0)
    if "x" in whole and "x" not in lit:
        raise UserError("x: expected images, got nothing but 0")
    grey = above(lit, 1.0)
    masks = [name for name in lit if name not in grey]
    if masks and grey:
        raise UserError(f"{masks[0]}: expected whole numbers to 255 as in {grey[0]}, got nothing above 1")

    def pixels(x: Examples) -> Examples:
        white = np.uint8(255 if masks or x.dtype.kind == "b" else 1)
        if x.dtype.kind not in "biu" or (x.dtype == np.uint8 and white == 1):
            return x
        return select(x, convert=lambda part: part.astype(np.uint8) * white)

    notes = [f"{name}: 0 and 1 are taken for black and white, as bool images are" for name in masks]
    return {name: pixels(x) for name, x in parts.items()}, notes


def read_arrays(path: Path) -> dict[str, Any]:
    """What :func:`from_arrays` takes, from a file: ``.npy`` (examples), or ``.npz``, see :func:`named`."""
    suffix = path.suffix.lower()
    if suffix not in _MAGIC:
        hint = " (the UCI HAR archive needs data.name uci_har)" if suffix == ".zip" else ""
        raise UserError(f"expected a file .npy, .npz, .csv, .txt, .parquet or a folder of images{hint}")
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC[suffix])) != _MAGIC[suffix]:
                raise UserError(f"not a {suffix} file that NumPy wrote")
        if suffix == ".npy":
            return {"x": np.load(path, mmap_mode="r", allow_pickle=False)}
        with zipfile.ZipFile(path) as members:
            check_archive(members, machine_memory())
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: np.asarray(archive[key]) for key in archive.files}
    except UserError:
        raise
    except OSError as error:
        raise UserError(in_a_line(error).lower()) from None
    except Exception as error:  # NumPy, zipfile and zlib each have errors of their own for damaged files
        reason = in_a_line(error)
        if "object" in reason.lower():
            raise UserError("holds Python objects; expected numbers, or text of dtype str") from None
        raise UserError(f"damaged or incomplete ({reason})") from None
    return named(arrays)


def named(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays by name as :func:`from_arrays` takes them; those with ``channels`` are signals."""
    if unknown := sorted(set(arrays) - set(_NAMES)):
        raise UserError(f"unknown array {', '.join(map(str, unknown))}; expected {', '.join(_NAMES)}")
    if "x" not in arrays:
        raise UserError(f"expected an array x, got {', '.join(sorted(arrays)) or 'none'}")
    channels = [str(name) for name in np.atleast_1d(arrays.get("channels", []))]
    return {name: arrays[name] for name in arrays if name != "channels"} | {"channel_names": channels}


def class_indices(parts: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], tuple[str, ...], list[str]]:
    """Labels ``[n]`` of one or more parts as int32 indices of the sorted classes, their names, and notes."""
    notes: list[str] = []
    values = {part: _classes(y, part, notes) for part, y in parts.items()}
    if not values:
        return {}, (), notes
    first, *others = values
    for part in others:
        kinds = [{"i": "whole numbers", "U": "text"}[values[p].dtype.kind] for p in (first, part)]
        if len(set(kinds)) > 1:
            raise UserError(f"{part}: expected classes as {kinds[0]} as in {first}, got {kinds[1]}")
    found, indices = np.unique(np.concatenate(list(values.values())), return_inverse=True)
    if len(found) > _MOST_CLASSES:
        raise UserError(f"{first}: expected at most {_MOST_CLASSES:,} classes, got {len(found):,}")
    names = tuple(map(str, found.tolist()))
    split = np.split(indices.astype(np.int32), np.cumsum([len(part) for part in values.values()])[:-1])
    if first.startswith("column ") or found.tolist() != list(range(len(found))):
        notes.append(f"{first}: {len(names)} class{'es' * (len(names) > 1)}, {listed(names)}")
    return dict(zip(values, split, strict=True)), names, notes


def _classes(y: Any, name: str, notes: list[str]) -> np.ndarray:
    """The labels of a part as int64 or text ``[n]``; spaces around text are taken off."""
    import narwhals

    def refuse(row: int, what: str) -> NoReturn:
        column = name.startswith("column ")
        raise UserError(f"row {row}, {name}: {what}" if column else f"{name}: {what} in row {row}")

    def refuse_first(wrong: np.ndarray, what: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            refuse(row, what.format(labels[row]))

    series = narwhals.from_native(y, series_only=True, pass_through=True)
    y = series.to_list() if isinstance(series, narwhals.Series) else y
    y = y if isinstance(y, list | tuple) else as_array(y, name)
    if not isinstance(y, np.ndarray) or (y.ndim == 1 and y.dtype.kind in "OS"):
        y = [value.item() if isinstance(value, np.generic) else value for value in y]
        for row, value in enumerate(y):
            # NaN and pandas' NaT are not equal to themselves.
            if value is None or type(value).__name__ == "NAType" or (value != value) is True:
                refuse(row, "missing value")
            try:
                y[row] = value.decode() if isinstance(value, bytes) else value
            except UnicodeDecodeError:
                refuse(row, f"expected text in UTF-8, got {value!r:.40}")
        kinds = {float if type(value) is int else type(value) for value in y}
        if len(kinds) > 1:
            found = " and ".join(sorted(kind.__name__.replace("float", "numbers") for kind in kinds))
            raise UserError(f"{name}: expected classes of one kind, got {found}")
    labels = as_array(y, name)
    if labels.ndim != 1:
        raise UserError(f"{name}: expected labels [n], one an example, got shape {labels.shape}")
    if labels.dtype.kind == "b":
        return np.where(labels, "True", "False")
    if labels.dtype.kind in "iuf":
        refuse_first(np.isnan(labels), "missing value")
        refuse_first(labels != np.rint(labels), f"{_CLASSES}, got {{}}")
        refuse_first(np.abs(labels.astype(np.float64)) >= 2.0**63, f"{_CLASSES} of 64 bits, got {{}}")
        return labels.astype(np.int64)
    if labels.dtype.kind != "U":
        raise UserError(f"{name}: {_CLASSES}, got {labels.dtype}")
    stripped = np.strings.strip(labels)
    refuse_first(stripped == "", "missing value")
    if (stripped != labels).any():
        notes.append(f"{name}: spaces around the names of classes are taken off")
    return stripped


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first names in one line."""
    line = ", ".join(" ".join(name.split()) for name in names[:most])
    return f"{line}, ... ({len(names)} in all)" if len(names) > most else line
