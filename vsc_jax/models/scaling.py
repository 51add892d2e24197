"""How a model sees its data: constants that are taken off when it encodes and put back when it decodes.

Constants belong to the model, not to the data set: whoever loads a model gives it data as they are. This
module imports no JAX; its functions take NumPy and JAX arrays alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from vsc_jax.config.choices import Scale
from vsc_jax.config.errors import UserError

X = TypeVar("X")

_LARGEST = float(np.finfo(np.float32).max)
_CHUNK_BYTES = 2**24  # how much of an array is converted at a time
_REACH = 4.0  # largest standardized distance of a training value from the mean


@dataclass(frozen=True)
class Scaling:
    """``(x - shift) / scale``, with one pair of constants in all or one for each entry of the last axis.

    Attributes:
      kind: ``unit`` (to [0, 1], values beyond are cut off) or ``standardize`` (mean 0, deviation
        1, or less where the largest value would be beyond 4).
      shift: what is subtracted.
      scale: what is divided by, positive.
    """

    kind: Scale
    shift: tuple[float, ...]
    scale: tuple[float, ...]

    def apply(self, x: X) -> X:
        """Examples ``[..., *example_shape]``, floats, as the model sees them."""
        values: Any = x
        scaled = (values - _along_last(self.shift, values)) / _along_last(self.scale, values)
        return scaled.clip(0, 1) if self.kind == "unit" else scaled

    def undo(self, x: X) -> X:
        """What the model makes, ``[..., *example_shape]``, as data."""
        values: Any = x
        return values * _along_last(self.scale, values) + _along_last(self.shift, values)

    def __str__(self) -> str:
        """The scaling in words."""
        return "scaled to [0, 1]" if self.kind == "unit" else "standardized"


def fit(kind: Scale, x: Any, *, signals: bool = False) -> Scaling:
    """The scaling that the examples ask for.

    Constants are for each value of a vector, for each channel of a signal or an image ``[n, height, width,
    channels]``, and one pair in all for images ``[n, height, width]``.

    Args:
      kind: ``unit`` takes the least and the largest value, ``standardize`` what :func:`moments` gives. Where
        a value never changes, its scale is 1.
      x: training examples as stored, uint8 (which stands for x / 255) or float, in memory or to be read.
      signals: whether ``[n, time, channels]`` are signals, not images.
    """
    if kind == "unit":
        low, high = _ends(x, signals)
        shift, scale = low, high - low
    else:
        shift, scale = moments(x, signals=signals)
    float32 = np.finfo(np.float32)
    scale = np.where(scale < float32.tiny, 1.0, np.minimum(scale, float32.max))
    return Scaling(kind, *(tuple(constants.astype(np.float32).tolist()) for constants in (shift, scale)))


def moments(x: Any, *, signals: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of what :func:`fit` has constants for, in double precision.

    The scale is the standard deviation, but no less than a quarter of the largest distance from the mean, so
    that no value of ``x`` is standardized to more than 4: a feature that is nearly always the same would
    else send its rare values to hundreds of deviations. Normal features are not changed by it. The scale is
    1 where the variance is within the rounding error of a constant's (the bound of scikit-learn's scalers).
    """
    low, high = _ends(x, signals)
    n, eps = x.size // low.size, np.finfo(np.float64).eps
    with np.errstate(over="ignore", invalid="ignore"):
        mean = sum(part.sum(axis=0) for part in _parts(x, signals)) / n
        variance = sum(np.square(part - mean).sum(axis=0) for part in _parts(x, signals)) / n
        constant = (low == high) | (variance <= n * eps * variance + np.square(n * mean * eps))
        scale = np.maximum(np.sqrt(variance), np.maximum(high - mean, mean - low) / _REACH)
    return mean, np.where(constant, 1.0, scale)


def check_resolution(x: Any, called: str) -> None:
    """Refuse columns whose deviation is less than about three steps of float32, as which data are stored.

    Args:
      x: finite numbers ``[..., columns]``; a type that float32 holds is passed over.
      called: what a column is called in an error, with ``{}`` for its number.

    Raises:
      UserError: naming the first such column.
    """
    if np.can_cast(x.dtype, np.float32):
        return
    pivot, n = x[:1].reshape(-1, x.shape[-1])[0].astype(np.float64), x.size // x.shape[-1]
    sums = np.zeros((3, x.shape[-1]))
    with np.errstate(over="ignore", invalid="ignore"):
        for part in _parts(x, signals=True):
            away, lost = part - pivot, part - part.astype(np.float32)
            sums += [away.sum(axis=0), np.square(away).sum(axis=0), np.square(lost).sum(axis=0)]
        away, square, lost = sums / n
        mean, variance = pivot + away, square - np.square(away)
        # A deviation of a ten-billionth of the mean is the rounding of whatever made the numbers.
        bad = (variance > np.square(1e-10 * mean)) & (lost > 0.01 * variance)
    if bad.any():
        i = int(np.argmax(bad))
        raise UserError(
            f"{called.replace('{}', str(i))}: stored as float32, which rounds its variation away"
            f" (mean {mean[i]:.6g}, deviation {variance[i] ** 0.5:.2g}); subtract an offset, or leave it out"
        )


def _ends(x: Any, signals: bool) -> tuple[np.ndarray, np.ndarray]:
    ends = [(part.min(axis=0), part.max(axis=0)) for part in _parts(x, signals)]
    return np.min([low for low, _ in ends], axis=0), np.max([high for _, high in ends], axis=0)


def _parts(x: Any, signals: bool) -> Iterator[np.ndarray]:
    """The examples as float64 ``[values, constants]``, some rows at a time."""
    last = 1 if x.ndim == 3 and not signals else x.shape[-1]
    rows = max(1, _CHUNK_BYTES // max(1, 8 * x[:1].size))
    for start in range(0, len(x), rows):
        yield _floats(x[start : start + rows]).reshape(-1, last)


def to_json(scaling: Scaling | None) -> dict[str, Any] | None:
    """The scaling as it is stored with a model."""
    if scaling is None:
        return None
    return {"kind": scaling.kind, "shift": list(scaling.shift), "scale": list(scaling.scale)}


def renamed(value: Any) -> Any:
    """A stored scaling, in the spelling of today."""
    old = isinstance(value, dict) and value.get("kind") == "standardise"
    return {**value, "kind": "standardize"} if old else value


def from_json(value: Any, example_shape: tuple[int, ...]) -> Scaling | None:
    """The scaling that :func:`to_json` stored.

    Raises:
      UserError: if it is none, or does not suit examples of this shape.
    """
    value = renamed(value)
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("kind") not in ("unit", "standardize"):
        raise UserError(f"scaling: expected kind unit or standardize with shift and scale, got {value!r:.80}")
    for name in ("shift", "scale"):
        constants = value.get(name)
        if not isinstance(constants, list) or len(constants) not in (1, example_shape[-1]):
            raise UserError(f"scaling.{name}: expected a list of 1 or {example_shape[-1]} numbers")
        least = 0.0 if name == "scale" else -_LARGEST
        if not all(type(c) in (int, float) and least < c < _LARGEST for c in constants):
            raise UserError(f"scaling.{name}: expected finite{' positive' * (name == 'scale')} numbers")
    return Scaling(value["kind"], *(tuple(map(float, value[name])) for name in ("shift", "scale")))


def _along_last(constants: tuple[float, ...], x: Any) -> np.ndarray:
    return np.asarray(constants, x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))


def _floats(x: np.ndarray) -> np.ndarray:
    return x / 255.0 if x.dtype == np.uint8 else x.astype(np.float64)
