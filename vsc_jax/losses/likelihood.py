"""Log-likelihoods of data under the decoder's output, elementwise and in nats."""

import math

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from vsc_jax.losses._arrays import float_arrays


def bernoulli_log_likelihood(logits: ArrayLike, x: ArrayLike) -> Float[Array, "..."]:
    """Log-probability of ``x`` under Bernoulli variables with the given logits, in nats.

    For ``x`` in {0, 1} this is ``log p(x)``. For grey values in (0, 1) it is minus the cross-entropy
    that the literature reports as "BCE": a different number from the likelihood of binarised data,
    not comparable with it.

    Args:
      logits: any shape.
      x: values in [0, 1], floats or bools, of the same or a broadcastable shape.

    Returns:
      Elementwise ``x log sigmoid(logits) + (1 - x) log sigmoid(-logits)``.

    Raises:
      TypeError: if ``x`` is an array of whole numbers: pixels from 0 to 255 would be taken as they are.
    """
    given = jnp.asarray(x)
    if jnp.issubdtype(given.dtype, jnp.integer) and not given.weak_type:  # Python's 0 and 1 are weak
        raise TypeError(
            f"x: expected floats in [0, 1] or bools, got {given.dtype}; divide pixels from 0 to 255 by 255,"
            " and give black and white as bool"
        )
    logits, x = float_arrays(logits, x)
    # x logits - softplus(logits), without the cancellation that rounds a confident pixel's loss to 0.
    # Both parts take their derivative from the right at 0, so that their sum is right there too.
    positive = logits >= 0
    part_above_zero = jnp.where(positive, logits, 0)
    minus_magnitude = jnp.where(positive, -logits, logits)
    return (x * logits - part_above_zero) - jnp.log1p(jnp.exp(minus_magnitude))


def gaussian_log_likelihood(mean: ArrayLike, log_var: ArrayLike, x: ArrayLike) -> Float[Array, "..."]:
    """Log-density of ``x`` under ``N(mean, exp(log_var))``, in nats.

    Args:
      mean: any shape.
      log_var: logarithm of the variance, of the same or a broadcastable shape.
      x: values, of the same or a broadcastable shape.

    Returns:
      Elementwise log-density.
    """
    mean, log_var, x = float_arrays(mean, log_var, x)
    standardized = (x - mean) * jnp.exp(-0.5 * log_var)
    return -0.5 * (jnp.square(standardized) + log_var + math.log(2 * math.pi))
