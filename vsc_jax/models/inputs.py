"""From what a data set yields to what the networks read."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float


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
