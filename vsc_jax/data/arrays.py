"""Your own arrays as a data set: ``.npy`` and ``.npz`` files, or arrays in memory."""

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from vsc_jax import scaling as scalings
from vsc_jax.data.archive import check_members
from vsc_jax.data.dataset import Dataset, Split, first_outside, place
from vsc_jax.data.examples import Examples, LazyArray, select
from vsc_jax.data.memory import machine_memory
from vsc_jax.errors import UserError

_KEYS = ("x", "y", "x_test", "y_test", "channels")
_MAGIC = {".npy": b"\x93NUMPY", ".npz": b"PK"}
_LARGEST_LABEL = 65535
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


Scale = Literal["none", "unit", "standardise"]


def load_file(path: Path, *, test_fraction: float = 0.1, seed: int = 0, scaling: Scale = "none") -> Dataset:
    """The data set in a file: ``.npy`` (examples), or ``.npz`` with x and, optionally, other arrays.

    Args:
      path: the file; see :func:`from_arrays` for what its arrays x, y, x_test and y_test may hold. With an
        array ``channels`` of names the examples are signals.
      scaling: see :func:`from_arrays`.
      test_fraction: share of the examples that is held out where there is no x_test.
      seed: seed of the held-out choice.

    Raises:
      UserError: naming the file, the array and, where there is one, the row.
    """
    arrays = _read(path.expanduser())
    try:
        if unknown := sorted(set(arrays) - set(_KEYS)):
            raise UserError(f"unknown array {', '.join(unknown)}; expected {', '.join(_KEYS)}")
        if "x" not in arrays:
            raise UserError(f"expected an array x, got {', '.join(sorted(arrays)) or 'none'}")
        return from_arrays(
            arrays["x"],
            arrays.get("y"),
            arrays.get("x_test"),
            arrays.get("y_test"),
            name=path.name,
            channel_names=[str(name) for name in np.atleast_1d(arrays.get("channels", []))],
            scaling=scaling,
            test_fraction=test_fraction,
            seed=seed,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def from_arrays(
    x: ArrayLike | LazyArray,
    y: ArrayLike | None = None,
    x_test: ArrayLike | LazyArray | None = None,
    y_test: ArrayLike | None = None,
    *,
    name: str = "arrays",
    label_names: Sequence[str] = (),
    channel_names: Sequence[str] = (),
    scaling: Scale = "none",
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """A data set of arrays in memory, of memory-mapped ones, or of a source that decodes its examples.

    Training examples that are large and memory-mapped, or come from
    :func:`vsc_jax.data.examples.from_source`, stay where they are and are read when they are asked for.
    Test examples are read into memory.

    Args:
      x: images ``[n, height, width]`` or ``[n, height, width, channels]``, or vectors ``[n, d]``: uint8 from
        0 to 255, bool, or float (images in [0, 1] if they are not scaled, vectors and signals of any finite
        numbers).
      y: class labels ``[n]``, integers from 0.
      x_test: test examples like x; without them a share of x is held out at random.
      y_test: labels of the test examples, given if and only if x_test and y are.
      name: what the data set is called.
      label_names: names of the classes; their numbers, if not given.
      channel_names: names of the channels where x are signals ``[n, time, channels]``, not images.
      scaling: how a model is to see the values, with constants from the training examples.
      test_fraction: share of x that is held out, between 0 and 1; at least one example, and never all.
      seed: seed of the held-out choice.

    Raises:
      UserError: naming the array and, where there is one, the row.
    """
    if not 0 < test_fraction < 1:
        raise UserError(f"test_fraction: expected a number between 0 and 1, exclusive, got {test_fraction}")
    free = scaling != "none" or len(channel_names) > 0
    examples = as_examples(x, "x", free=free)
    if channel_names and (examples.ndim != 3 or examples.shape[2] != len(channel_names)):
        raise UserError(
            f"x: expected signals [n, time, {len(channel_names)}], one channel a name, got shape"
            f" {examples.shape}"
        )
    given = x.dtype if isinstance(x, LazyArray) else np.asarray(x).dtype
    if given == np.uint8 and first_outside(examples, 0.0, 1.0) is None:
        raise UserError(
            "x: expected uint8 from 0 to 255, got nothing above 1; give binary data as bool or float32"
        )
    labels = None if y is None else _as_labels(y, "y", len(examples))
    if x_test is None:
        if y_test is not None:
            raise UserError("y_test: given without x_test")
        train, test = hold_out(Split(examples, labels), test_fraction, seed)
        origin = f"{name}, test examples held out at random (seed {seed})"
    else:
        if (y is None) != (y_test is None):
            raise UserError("y and y_test: expected both or neither, since x_test is given")
        train = Split(examples, labels)
        test_examples = as_examples(x_test, "x_test", free=free)
        test_labels = None if y_test is None else _as_labels(y_test, "y_test", len(test_examples))
        test = Split(np.asarray(test_examples), test_labels)
        origin = f"{name}, its own test examples"
        for what, ours, theirs in (
            ("shape", train.x.shape[1:], test.x.shape[1:]),
            ("dtype", train.x.dtype, test.x.dtype),
        ):
            if ours != theirs:
                raise UserError(f"x_test: expected examples of {what} {ours} as in x, got {theirs}")
    classes = 0 if labels is None else 1 + max(int(split.max()) for split in _labels_of(train, test))
    if label_names and classes > len(label_names):
        raise UserError(
            f"y: expected labels from 0 to {len(label_names) - 1}, as there are names, got {classes - 1}"
        )
    return Dataset(
        name=name,
        train=train,
        test=test,
        label_names=tuple(label_names) or tuple(str(label) for label in range(classes)),
        description=origin,
        channel_names=tuple(channel_names),
        scaling=None if scaling == "none" else scalings.fit(scaling, train.x, signals=len(channel_names) > 0),
    )


def as_examples(x: ArrayLike | LazyArray, name: str, *, free: bool = False) -> Examples:
    """Check examples and bring them to uint8 or float32.

    Args:
      x: array-like ``[n, ...]`` as in :func:`from_arrays`.
      name: how the array is called in an error.
      free: whether images too may have any finite values.

    Returns:
      uint8 as given (bool becomes 0 and 255) or float32 of the same shape.

    Raises:
      UserError: on a wrong dtype or rank, an empty array, or values that are not finite or out of range.
    """
    array = x if isinstance(x, LazyArray) else _as_array(x, name)
    if array.dtype != np.uint8 and array.dtype.kind not in "bf":
        raise UserError(f"{name}: expected uint8, bool or floating-point numbers, got {array.dtype}")
    if array.ndim not in (2, 3, 4):
        raise UserError(
            f"{name}: expected vectors [n, d] or images [n, height, width] or [n, height, width, channels], "
            f"got shape {array.shape}"
        )
    if array.size == 0:
        raise UserError(f"{name}: expected at least one value, got shape {array.shape}")
    if array.ndim == 4 and array.shape[1] in (1, 3) and min(array.shape[2:]) > 4:
        raise UserError(
            f"{name}: expected images [n, height, width, channels], got shape {array.shape}; give them"
            f" channels last: {name}.transpose(0, 2, 3, 1)"
        )
    if array.dtype == bool:
        return select(array, convert=_as_bytes)
    if array.dtype == np.uint8:
        return select(array)
    examples = select(array, convert=_as_float32)
    free = free or array.ndim == 2
    low, high = (-_LARGEST_FLOAT, _LARGEST_FLOAT) if free else (0.0, 1.0)
    if (index := first_outside(examples, low, high)) is not None:
        expected = "finite float32 numbers" if free else "images in [0, 1], or uint8"
        value = array[index[0]][index[1:]]
        raise UserError(f"{name}: expected {expected}, got {value} in {place(index)}")
    if free:
        scalings.check_resolution(array, f"{name}: column {{}}")
    return examples


def _as_bytes(x: np.ndarray) -> np.ndarray:
    return x.view(np.uint8) * np.uint8(255)


def _as_float32(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(x, np.float32)


def _as_array(values: ArrayLike, name: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise UserError(f"{name}: expected an array of numbers ({error})") from None


def _as_labels(y: ArrayLike, name: str, n: int) -> np.ndarray:
    """Int32 labels ``[n]``."""
    labels = _as_array(y, name)
    if labels.dtype.kind not in "iu":
        raise UserError(f"{name}: expected integer labels, got {labels.dtype}")
    if labels.shape != (n,):
        raise UserError(f"{name}: expected {n} labels, one an example, got shape {labels.shape}")
    if (index := first_outside(labels, 0.0, float(_LARGEST_LABEL))) is not None:
        raise UserError(
            f"{name}: expected labels from 0 to {_LARGEST_LABEL}, got {labels[index]} in {place(index)}"
        )
    return labels.astype(np.int32)


def _labels_of(*splits: Split) -> list[np.ndarray]:
    return [split.labels for split in splits if split.labels is not None]


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Training and test part, chosen at random; both keep the order of the examples.

    Raises:
      UserError: if there are fewer than two examples.
    """
    n = len(split)
    if n < 2:
        raise UserError(f"x: expected at least 2 examples, one of them to hold out, got {n}")
    held_out = np.zeros(n, bool)
    count = min(max(round(fraction * n), 1), n - 1)
    held_out[np.random.default_rng(seed).permutation(n)[:count]] = True
    test = split.take(held_out)
    return split.take(~held_out), replace(test, x=np.asarray(test.x))


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix not in _MAGIC:
        hint = " (the UCI HAR archive needs data.name uci_har)" if path.suffix == ".zip" else ""
        raise UserError(f"{path}: expected a file .npy, .npz, .csv or .parquet, or a folder of images{hint}")
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC[path.suffix]))
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:  # a zero byte
        raise UserError(f"{str(path)!r}: {error}") from None
    if magic != _MAGIC[path.suffix]:
        raise UserError(f"{path}: not a {path.suffix} file that NumPy wrote")
    try:
        if path.suffix == ".npy":
            return {"x": np.load(path, mmap_mode="r", allow_pickle=False)}
        with zipfile.ZipFile(path) as members:
            check_members(members, path, largest=machine_memory())
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: np.asarray(archive[key]) for key in archive.files}
    except UserError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib each have errors of their own for damaged files
        reason = " ".join(str(error).split())
        if "object" in reason.lower():
            raise UserError(f"{path}: holds Python objects; expected numbers only") from None
        raise UserError(f"{path}: damaged or incomplete ({reason})") from None
