"""Log-likelihoods of data under the decoder's output, elementwise and in nats."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

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


def poisson_log_likelihood(log_rate: ArrayLike, x: ArrayLike) -> Float[Array, "..."]:
    """Log-probability of the count ``x`` under ``Poisson(exp(log_rate))``, in nats.

    ``x log_rate - exp(log_rate) - log x!``, written as a distance from the most likely rate, ``x`` itself, so
    that large counts lose nothing to rounding (Loader, *Fast and Accurate Computation of Binomial
    Probabilities*, 2000).

    Args:
      log_rate: any shape.
      x: counts 0, 1, 2, ..., of the same or a broadcastable shape.

    Returns:
      Elementwise log-probability.
    """
    log_rate, x = float_arrays(log_rate, x)
    counted = x > 0
    some = jnp.where(counted, x, 1)
    distance = log_rate - jnp.log(some)
    return jnp.where(counted, -_deviance(some, distance) - _peak(some), -jnp.exp(log_rate))


def negative_binomial_log_likelihood(
    log_mean: ArrayLike, log_dispersion: ArrayLike, x: ArrayLike
) -> Float[Array, "..."]:
    """Log-probability of the count ``x`` under a negative binomial of the given mean, in nats.

    With mean ``m`` and dispersion ``d`` the variance is ``m + d m^2``; the Poisson distribution is the limit
    of a small ``d``. With ``r = 1 / d``: ``log Gamma(x + r) - log Gamma(r) - log x! + r log(r / (r + m)) +
    x log(m / (r + m))``, in Loader's form, as :func:`poisson_log_likelihood`. Cameron and Trivedi,
    *Regression Analysis of Count Data*, 2013, section 3.3 (NB2).

    Args:
      log_mean: any shape.
      log_dispersion: of the same or a broadcastable shape.
      x: counts 0, 1, 2, ..., of the same or a broadcastable shape.

    Returns:
      Elementwise log-probability.
    """
    log_mean, log_dispersion, x = float_arrays(log_mean, log_dispersion, x)
    log_r, counted = -log_dispersion, x > 0
    r, some = jnp.exp(log_r), jnp.where(counted, x, 1)
    log_total = jnp.log(some + r)
    log_spread = jnp.logaddexp(log_mean, log_r)
    # log((x + r) / (m + r)), where it is near 0 without the rounding of its two logarithms.
    ratio = log_total - log_spread
    near = jnp.abs(ratio) < 0.5
    change = jnp.where(near, some - jnp.exp(log_mean), 0) * jnp.exp(-jnp.where(near, log_spread, 0))
    ratio = jnp.where(near, jnp.log1p(change), ratio)
    close = _deviance(r, jnp.where(near, ratio, 0))
    distances = jnp.where(near, close, jnp.exp(log_r + ratio) - r - r * ratio)
    distances += _deviance(some, log_mean - jnp.log(some) + ratio)
    rest = 0.5 * (log_r - log_total) + _stirling_error(some + r) - _stirling_error(r)
    none = -r * jax.nn.softplus(log_mean - log_r)
    return jnp.where(counted, rest - distances - _peak(some), none)


def student_t_log_likelihood(
    mean: ArrayLike, log_scale: ArrayLike, log_df: ArrayLike, x: ArrayLike
) -> Float[Array, "..."]:
    """Log-density of ``x`` under Student's t distribution, in nats.

    ``log Gamma((v + 1) / 2) - log Gamma(v / 2) - log(pi v) / 2 - log s - (v + 1) / 2 log(1 + t^2 / v)`` with
    ``t = (x - mean) / s``. A value far away costs the logarithm of its distance, not its square (Lange,
    Little and Taylor, *Robust Statistical Modeling Using the t Distribution*, JASA 1989).

    Args:
      mean: location, any shape.
      log_scale: logarithm of the scale ``s``, of the same or a broadcastable shape.
      log_df: logarithm of the degrees of freedom ``v``, of the same or a broadcastable shape.
      x: values, of the same or a broadcastable shape.

    Returns:
      Elementwise log-density.
    """
    mean, log_scale, log_df, x = float_arrays(mean, log_scale, log_df, x)
    half = 0.5 * jnp.exp(log_df)
    distance, log_width = jnp.abs(x - mean), log_scale + 0.5 * log_df
    near = distance < 1e6 * jnp.exp(log_width)
    close = jnp.where(near, distance, 0) * jnp.exp(-jnp.where(near, log_width, 0))
    far = jnp.log(jnp.where(near, 1, distance)) - log_width
    tail = jnp.where(near, jnp.log1p(jnp.square(close)), 2 * far)
    # log Gamma(v/2 + 1/2) - log Gamma(v/2) - log(v/2)/2, whose parts cancel where v is large.
    large = half > 8
    inverse, small = 1 / jnp.where(large, half, 8), jnp.where(large, 1, half)
    series = inverse * (-1 / 8 + jnp.square(inverse) * (1 / 192 - jnp.square(inverse) / 640))
    exact = jax.lax.lgamma(small + 0.5) - jax.lax.lgamma(small) - 0.5 * jnp.log(small)
    norm = jnp.where(large, series, exact) - 0.5 * math.log(2 * math.pi)
    return norm - log_scale - (half + 0.5) * tail


def categorical_log_likelihood(
    logits: Float[ArrayLike, "*batch columns"],
    x: Float[ArrayLike, "*batch columns"],
    groups: Int[ArrayLike, " columns"],
) -> Float[Array, "*batch columns"]:
    """Log-probability of one-hot columns ``x`` under a categorical variable for each group, in nats.

    Args:
      logits: ``[..., columns]``.
      x: 1 for the class of each group, else 0, ``[..., columns]``.
      groups: the number of each column's group, from 0, ``[columns]``.

    Returns:
      ``x log softmax(logits)`` ``[..., columns]``, the softmax taken in each group: 0 for the other classes.
    """
    logits, x = float_arrays(logits, x)
    groups = jnp.asarray(groups)
    highest = jnp.full_like(logits, -jnp.inf).at[..., groups].max(jax.lax.stop_gradient(logits))
    relative = logits - highest[..., groups]
    total = jnp.zeros_like(logits).at[..., groups].add(jnp.exp(relative))
    return x * (relative - jnp.log(total[..., groups]))


def _deviance(x: Array, log_ratio: Array) -> Array:
    """``x log(x / m) - x + m`` of ``log_ratio = log(m / x)``."""
    return x * (jnp.expm1(log_ratio) - log_ratio)


def _peak(x: Array) -> Array:
    """``log x! - x log x + x``: minus the log-probability of x at the rate x, for x > 0."""
    return 0.5 * jnp.log(2 * math.pi * x) + _stirling_error(x)


def _stirling_error(x: Array) -> Array:
    """``log Gamma(x + 1)`` less Stirling's formula ``(x + 1/2) log x - x + log(2 pi) / 2``, for x > 0."""
    large = x > 8
    inverse, small = 1 / jnp.where(large, x, 8), jnp.where(large, 1, x)
    square = jnp.square(inverse)
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    exact = jax.lax.lgamma(small + 1) - (small + 0.5) * jnp.log(small) + small - 0.5 * math.log(2 * math.pi)
    return jnp.where(large, series, exact)
