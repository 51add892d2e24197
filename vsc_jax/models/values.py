"""What the numbers of an array stand for: one rule for data that are read and for what a model is given.

Vectors ``[n, d]`` are numbers as they are, of whatever dtype. In images whole numbers are pixels from 0 to
255, bools are black and white, and floats are as they are. This module imports no JAX.
"""

from typing import Any

import numpy as np

from vsc_jax.config.errors import UserError


def as_array(x: Any, name: str) -> np.ndarray:
    """``x`` as an array of NumPy, if nothing in it is masked; sparse matrices become dense.

    Args:
      x: an array, a frame, a matrix of ``scipy.sparse`` or nested sequences.
      name: what it is called in an error.

    Raises:
      UserError: naming the first masked value, or where it is no array.
    """
    if type(x).__module__.startswith("scipy.sparse"):
        x = x.toarray()
    if isinstance(x, list | tuple) and any(isinstance(part, np.ma.MaskedArray) for part in x):
        x = np.ma.array(x)
    check_mask(x, name)
    try:
        return np.asarray(x)
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{name}: expected an array of numbers ({reason})") from None


def check_mask(x: Any, name: str) -> None:
    """Refuse a masked array in which a value is masked, as NumPy would give what is under the mask.

    Raises:
      UserError: naming the first of them.
    """
    if isinstance(x, np.ma.MaskedArray):
        check_missing(np.ma.getmaskarray(x), name)


def check_missing(missing: np.ndarray, name: str) -> None:
    """Refuse an array in which a value is missing, told by an array of bools.

    Raises:
      UserError: naming the first of them.
    """
    if missing.any():
        index = tuple(int(i) for i in np.unravel_index(np.argmax(missing), missing.shape))
        raise UserError(f"{name}: missing value in {place(index)}")


def white(dtype: Any, ndim: int) -> int:
    """What stands for 1 in a batch ``[n, ...]``: 255 for whole numbers in images, 1 for all else."""
    return 255 if ndim > 2 and np.issubdtype(dtype, np.integer) else 1


def is_number(dtype: Any) -> bool:
    """Whether a dtype is one of bools or real numbers, bfloat16 and its like among them."""
    return dtype.kind in "biuf" or (dtype.kind == "V" and np.can_cast(dtype, np.float32))


def as_float32(x: np.ndarray) -> np.ndarray:
    """The numbers as float32, in the order of C."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(x, np.float32)


def place(index: tuple[int, ...]) -> str:
    """An index in words: the row, and the column of a vector or the pixel of an image."""
    row, *rest = index
    if not rest:
        return f"row {row}"
    return f"row {row}, column {rest[0]}" if len(rest) == 1 else f"row {row}, pixel {tuple(rest)}"
