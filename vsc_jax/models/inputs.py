"""From what a data set yields to what the networks read."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.config.errors import UserError
from vsc_jax.models.nets.decoder import Decoder
from vsc_jax.models.values import as_array, as_float32, check_missing, is_number, white

NOISY_SHARE = 0.25
"""How much of a batch is seen with noise too."""
_ROUNDING = 1e-5  # how far beyond the range of the data a value may be


def as_float(x: ArrayLike) -> Float[Array, "..."]:
    """Examples as a data set stores them as float32: uint8 is divided by 255, floats are kept.

    Raises:
      TypeError: if ``x`` is neither uint8 nor floating point.
    """
    x = jnp.asarray(x)
    if x.dtype == jnp.uint8:
        return x.astype(jnp.float32) / 255
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"expected uint8 or floating-point examples, got {x.dtype}")
    return x.astype(jnp.float32)


def as_examples(x: Any, example_shape: tuple[int, ...]) -> Float[Array, "n ..."]:
    """A batch of examples as float32 ``[n, *example_shape]``; an axis of one channel may be missing.

    Numbers stand for what they stand for in data that are read (:mod:`vsc_jax.models.values`): vectors for
    themselves, whole numbers in images for pixels from 0 to 255.

    Raises:
      ValueError: if ``x`` is not a batch of such examples, has a masked value, or has whole numbers in images
        that are not from 0 to 255, or none above 1, which may be meant for black and white.
    """
    if not isinstance(x, jax.Array):
        x = as_array(x, "x")
    if not is_number(x.dtype):
        raise UserError(f"x: expected numbers or bools, got {x.dtype}")
    if _without_channel(x.shape[1:]) != _without_channel(example_shape):
        expected = ", ".join(str(side) for side in ("n", *example_shape))
        raise UserError(f"expected a batch of examples [{expected}], got an array of shape {list(x.shape)}")
    one = white(x.dtype, 1 + len(example_shape))
    if one == 255 and x.size and not isinstance(x, jax.core.Tracer):
        low, high = int(x.min()), int(x.max())
        if low < 0 or high > 255 or high == 1:
            got = "nothing above 1; give black and white as bool" if high == 1 else f"{low} to {high}"
            raise UserError(f"x: expected images of floats, bools or whole numbers from 0 to 255, got {got}")
    numbers = x.astype(jnp.float32) if isinstance(x, jax.Array) else jnp.asarray(as_float32(x))
    return numbers.reshape(x.shape[0], *example_shape) / one


def as_inputs(x: Any, decoder: Decoder) -> Float[Array, "n ..."]:
    """:func:`as_examples`, as the encoder beside this decoder sees its data.

    Raises:
      ValueError: as :func:`as_examples`, and for values that are NaN or that the likelihood does not take.
        What ``jit`` traces has no values to look at.
    """
    examples = as_examples(x, decoder.example_shape)
    least, largest = decoder.limits
    if examples.size and not isinstance(examples, jax.core.Tracer):
        low, high = float(examples.min()), float(examples.max())
        if math.isnan(low):
            check_missing(np.isnan(np.asarray(examples)), "x")
        if low < least - _ROUNDING or high > largest + _ROUNDING:
            ends = f"from {least:g}" + (f" to {largest:g}" if math.isfinite(largest) else "")
            raise UserError(f"x: expected values {ends}, as in training, got {low:g} to {high:g}")
    return decoder.inputs(examples)


def noisy_inputs(
    inputs: Float[Array, "n ..."], decoder: Decoder, key: PRNGKeyArray, noise: float
) -> Float[Array, "noisy ..."]:
    """The first quarter of a batch of inputs with Gaussian noise.

    Args:
      inputs: what :func:`as_inputs` gives.
      decoder: what says which values there are; noisy ones stay within them.
      key: a JAX random key.
      noise: the largest deviation; that of each example is drawn from 0 to it. In units of the data's range
        or, for unbounded data, of the deviation of the inputs.
    """
    some = inputs[: math.ceil(NOISY_SHARE * inputs.shape[0])]
    low, high = decoder.limits
    bounded = math.isfinite(high - low)
    deviation_key, noise_key = jax.random.split(key)
    ones = (some.shape[0],) + (1,) * (some.ndim - 1)
    deviation = jax.random.uniform(deviation_key, ones, some.dtype, maxval=noise)
    unit = high - low if bounded else jnp.std(inputs)
    some = some + unit * deviation * jax.random.normal(noise_key, some.shape, some.dtype)
    return jnp.clip(some, low, high) if bounded else some


def _without_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:2] if len(shape) == 3 and shape[2] == 1 else shape
