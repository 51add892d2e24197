"""Your own arrays as a data set: in memory, or in ``.npy`` and ``.npz`` files."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.config import DataConfig
from vsc_jax.config.choices import FixedScaling
from vsc_jax.config.errors import UserError, within
from vsc_jax.data.dataset import Dataset, Split, first_outside, hold_out
from vsc_jax.data.examples import Examples, LazyArray, select
from vsc_jax.data.labels import Labels, as_labels
from vsc_jax.data.limits import check_archive, check_memory, machine_memory
from vsc_jax.models import scaling as scalings
from vsc_jax.models.values import as_array, as_float32, is_number, place

_NAMES = ("x", "y", "x_test", "y_test", "channels")
_MAGIC = {".npy": b"\x93NUMPY", ".npz": b"PK"}
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


def load_file(path: Path, config: DataConfig) -> Dataset:
    """The data set in a file: ``.npy`` (examples), or ``.npz`` with x and, optionally, other arrays.

    The arrays x, y, x_test and y_test are those of :func:`from_arrays`. With an array ``channels`` of names
    the examples are signals.

    Raises:
      UserError: naming the file, the array and, where there is one, the row.
    """
    arrays = _read(path)
    with within(path):
        if unknown := sorted(set(arrays) - set(_NAMES)):
            raise UserError(f"unknown array {', '.join(unknown)}; expected {', '.join(_NAMES)}")
        if "x" not in arrays:
            raise UserError(f"expected an array x, got {', '.join(sorted(arrays)) or 'none'}")
        channels = [str(name) for name in np.atleast_1d(arrays.pop("channels", []))]
        return from_arrays(**arrays, name=path.name, channel_names=channels, **options(config))


def options(config: DataConfig) -> dict[str, Any]:
    """Options of :func:`from_arrays`; the scaling ``auto`` is decided when the form of the data is known."""
    kind = "none" if config.scaling == "auto" else config.scaling
    return {"scaling": kind, "test_fraction": config.test_fraction, "seed": config.seed}


def from_arrays(
    x: Any,
    y: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    *,
    name: str = "arrays",
    label_names: Sequence[str] = (),
    channel_names: Sequence[str] = (),
    scaling: FixedScaling = "none",
    test_fraction: float = 0.1,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Dataset:
    """A data set of arrays in memory, of memory-mapped ones, or of a source that decodes its examples.

    Training examples that are large and memory-mapped, or come from
    :func:`vsc_jax.data.examples.from_source`, stay where they are and are read when they are asked for.
    Test examples are read into memory.

    Args:
      x: vectors ``[n, d]`` of any finite numbers, dense or of ``scipy.sparse``; or images
        ``[n, height, width]`` or ``[n, height, width, channels]``: whole numbers from 0 to 255, bool, or
        float (in [0, 1] if they are not scaled). Images of nothing but 0 and 1 are black and white.
      y: class labels ``[n]``: whole numbers, bools or text; with ``label_names`` indices of them.
      x_test: test examples like x; without them a share of x is held out at random.
      y_test: labels of the test examples, given if and only if x_test and y are.
      name: what the data set is called.
      label_names: names of the classes; the sorted values of the labels, if not given.
      channel_names: names of the channels where x are signals ``[n, time, channels]`` (float), not images.
      scaling: how a model is to see the values, with constants from the training examples.
      test_fraction: share of x that is held out, between 0 and 1; at least one example, and never all.
      seed: seed of the held-out choice.
      notes: what is to be said of the source.

    Raises:
      UserError: naming the array and, where there is one, the row.
    """
    if not 0 < test_fraction < 1:
        raise UserError(f"test_fraction: expected a number between 0 and 1, exclusive, got {test_fraction}")
    if x_test is None and y_test is not None:
        raise UserError("y_test: given without x_test")
    if x_test is not None and (y is None) != (y_test is None):
        raise UserError("y and y_test: expected both or neither, since x_test is given")
    signals = len(channel_names) > 0
    given, classes = {"x": x}, {"y": y}
    if x_test is not None:
        given, classes = given | {"x_test": x_test}, classes | {"y_test": y_test}
    free = scaling != "none" or signals
    parts = {part: _as_examples(array, part, free=free, signals=signals) for part, array in given.items()}
    examples, masks = _as_pixels(parts)
    shape = examples["x"].shape
    if signals and shape[2:] != (len(channel_names),):
        channels = len(channel_names)
        raise UserError(f"x: expected signals [n, time, {channels}], one channel a name, got shape {shape}")
    labels = Labels({}, tuple(label_names), ())
    if y is not None:
        for part, values in zip(classes, examples.values(), strict=True):
            if (found := np.shape(classes[part])) != (len(values),):
                raise UserError(f"{part}: expected {len(values)} labels, one an example, got shape {found}")
        labels = _indices(classes, tuple(label_names)) if label_names else as_labels(classes)
    train = Split(examples["x"], labels.indices.get("y"))
    if x_test is None:
        train, test = hold_out(train, test_fraction, seed)
        origin = f"{name}, test examples held out at random (seed {seed})"
    else:
        test = Split(np.asarray(examples["x_test"]), labels.indices.get("y_test"))
        origin = f"{name}, its own test examples"
        for what, ours, theirs in (
            ("shape", shape[1:], test.x.shape[1:]),
            ("dtype", train.x.dtype, test.x.dtype),
        ):
            if ours != theirs:
                raise UserError(f"x_test: expected examples of {what} {ours} as in x, got {theirs}")
    return Dataset(
        name=name,
        train=train,
        test=test,
        label_names=labels.names,
        description=origin,
        channel_names=tuple(channel_names),
        scaling=None if scaling == "none" else scalings.fit(scaling, train.x, signals=signals),
        notes=(*notes, *labels.notes, *masks),
    )


def _as_examples(x: Any, name: str, *, free: bool, signals: bool) -> Examples:
    """Vectors and signals as float32, images as they are: whole numbers from 0 to 255, bools or float32.

    With ``free`` images too may have any finite values.
    """
    if type(x).__module__.startswith("scipy.sparse"):
        rows, columns = x.shape
        check_memory(4 * rows * columns, f"{name}: {rows:,} x {columns:,} values", "fewer columns")
        x = x.astype(np.float32)
    array = x if isinstance(x, LazyArray) else as_array(x, name)
    shape, kind = array.shape, array.dtype.kind
    if not is_number(array.dtype):
        raise UserError(f"{name}: expected numbers or bools, got {array.dtype}")
    if array.ndim not in (2, 3, 4):
        raise UserError(
            f"{name}: expected vectors [n, d] or images [n, height, width] or [n, height, width, channels], "
            f"got shape {shape}"
        )
    if array.size == 0:
        raise UserError(f"{name}: expected at least one value, got shape {shape}")
    if array.ndim == 4 and shape[1] in (1, 3) and min(shape[2:]) > 4:
        raise UserError(
            f"{name}: expected images [n, height, width, channels], got shape {shape}; give them"
            f" channels last: {name}.transpose(0, 2, 3, 1)"
        )
    if array.ndim > 2 and kind in "biu":
        if signals:  # whole numbers would be taken for pixels where they are encoded
            raise UserError(
                f"{name}: expected signals as floats, got {array.dtype}; {name}.astype('float32')"
            )
        if kind == "b" or array.dtype == np.uint8:
            return select(array)
        examples, low, high, expected = select(array), 0.0, 255.0, "whole numbers from 0 to 255"
    elif free or array.ndim == 2:
        low, high, expected = -_LARGEST_FLOAT, _LARGEST_FLOAT, "finite float32 numbers"
        examples, free = select(array, convert=as_float32), True
    else:
        examples, low, high = select(array, convert=as_float32), 0.0, 1.0
        expected = "images in [0, 1], or uint8"
    if (index := first_outside(examples, low, high)) is not None:
        raise UserError(f"{name}: expected {expected}, got {array[index[0]][index[1:]]} in {place(index)}")
    if free and (array.ndim == 2 or kind not in "biu"):
        scalings.check_resolution(array, f"{name}: column {{}}")
    return examples


def _as_pixels(parts: dict[str, Examples]) -> tuple[dict[str, Examples], list[str]]:
    """Images of whole numbers and bools as uint8, and a note on those that hold nothing but 0 and 1."""
    black = [name for name, x in parts.items() if x.dtype.kind in "iu" and first_outside(x, 0.0, 0.0) is None]
    whole = [name for name, x in parts.items() if x.dtype.kind in "iu" and name not in black]
    masks = [name for name in whole if first_outside(parts[name], 0.0, 1.0) is None]
    if "x" in black:
        raise UserError("x: expected images, got nothing but 0")
    if masks and masks != whole:
        other = next(name for name in whole if name not in masks)
        raise UserError(
            f"{masks[0]}: expected whole numbers from 0 to 255 as in {other}, got nothing above 1"
        )

    def pixels(x: Examples, white: int) -> Examples:
        if x.dtype.kind not in "biu" or (x.dtype == np.uint8 and white == 1):
            return x
        return select(x, convert=lambda part: part.astype(np.uint8) * np.uint8(white))

    images = {name: pixels(x, 255 if masks or x.dtype.kind == "b" else 1) for name, x in parts.items()}
    return images, [f"{name}: 0 and 1 are taken for black and white, as bool images are" for name in masks]


def _indices(parts: dict[str, Any], names: tuple[str, ...]) -> Labels:
    """Labels that are indices of names."""
    indices = {}
    for part, y in parts.items():
        expected = f"{part}: expected labels from 0 to {len(names) - 1}, as there are names, got"
        y = np.asarray(y)
        if y.dtype.kind not in "iu":
            raise UserError(f"{expected} {y.dtype}")
        if (index := first_outside(y, 0.0, len(names) - 1.0)) is not None:
            raise UserError(f"{expected} {y[index]} in {place(index)}")
        indices[part] = y.astype(np.int32)
    return Labels(indices, names, ())


def _read(path: Path) -> dict[str, Any]:
    suffix = path.suffix.lower()
    if suffix not in _MAGIC:
        hint = " (the UCI HAR archive needs data.name uci_har)" if suffix == ".zip" else ""
        raise UserError(
            f"{path}: expected a file .npy, .npz, .csv, .tsv, .txt or .parquet, or a folder of images{hint}"
        )
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC[suffix]))
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:  # a zero byte
        raise UserError(f"{str(path)!r}: {error}") from None
    if magic != _MAGIC[suffix]:
        raise UserError(f"{path}: not a {suffix} file that NumPy wrote")
    try:
        if suffix == ".npy":
            return {"x": np.load(path, mmap_mode="r", allow_pickle=False)}
        with zipfile.ZipFile(path) as members:
            check_archive(members, path, machine_memory())
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: np.asarray(archive[key]) for key in archive.files}
    except UserError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib each have errors of their own for damaged files
        reason = " ".join(str(error).split())
        if "object" in reason.lower():
            raise UserError(f"{path}: holds Python objects; expected numbers, or text of dtype str") from None
        raise UserError(f"{path}: damaged or incomplete ({reason})") from None
