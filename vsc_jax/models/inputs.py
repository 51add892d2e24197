"""From what a data set yields to what the networks read."""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from vsc_jax.modules import Decoder


@runtime_checkable
class Rows(Protocol):
    """Examples that can be had by their number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


def as_float(x: ArrayLike) -> Float[Array, "..."]:
    """Examples as float32: uint8 is divided by 255, floats are kept.

    Raises:
      TypeError: if ``x`` is neither uint8 nor floating point.
    """
    x = jnp.asarray(x)
    if x.dtype == jnp.uint8:
        return x.astype(jnp.float32) / 255
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"expected uint8 or floating-point examples, got {x.dtype}")
    return x.astype(jnp.float32)


def as_examples(x: ArrayLike, example_shape: tuple[int, ...]) -> Float[Array, "n ..."]:
    """A batch of examples as float32 ``[n, *example_shape]``; an axis of one channel may be missing.

    Raises:
      TypeError: if ``x`` is neither uint8 nor floating point.
      ValueError: if ``x`` is not a batch of such examples.
    """
    x = as_float(x)
    if _without_channel(x.shape[1:]) != _without_channel(example_shape):
        expected = ", ".join(str(side) for side in ("n", *example_shape))
        raise ValueError(f"expected a batch of examples [{expected}], got an array of shape {list(x.shape)}")
    return x.reshape(x.shape[0], *example_shape)


def as_inputs(x: ArrayLike, decoder: Decoder) -> Float[Array, "n ..."]:
    """:func:`as_examples`, scaled as the model of this decoder scales its data.

    Raises:
      TypeError: if ``x`` is neither uint8 nor floating point.
      ValueError: if ``x`` is not a batch of such examples.
    """
    return decoder.scaled(as_examples(x, decoder.example_shape))


def _without_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:2] if len(shape) == 3 and shape[2] == 1 else shape
