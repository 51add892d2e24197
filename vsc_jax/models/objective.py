"""What every model is trained and judged with: coefficients of an iteration, terms of an example."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
Metrics = dict[str, Scalar]
LOG_VAR_RANGE = (-20.0, 10.0)


class Coefficients(NamedTuple):
    """Hyperparameters of the objective in one iteration; traced scalars, so that sweeps can vary them.

    Attributes:
      kl_weight: beta times its annealing.
      tc_weight: extra weight of the total correlation (VAE).
      alpha: sparsity of the prior or target of the sparsity term (VSC).
      warm_up: lambda of the slab's warm-up (VSC).
      sharpness: slope of the relaxed gates (VSC).
      sparsity_weight: weight of the sparsity term (VSC).
      usage_weight: weight of the term against latents that are always on (VSC).
      prior_blend: weight epsilon of the constant in the pseudo-inputs' gates (VSC).
      prior_rate: that constant (VSC).
      slab_blend: weight of the standard normal in the pseudo-inputs' slabs (VSC).
      progress: share of the iterations that are done.
    """

    kl_weight: Scalar
    tc_weight: Scalar
    alpha: Scalar
    warm_up: Scalar
    sharpness: Scalar
    sparsity_weight: Scalar
    usage_weight: Scalar
    prior_blend: Scalar
    prior_rate: Scalar
    slab_blend: Scalar
    progress: Scalar | float = 1.0


class Terms(NamedTuple):
    """Parts of the bound of each example, in nats; ``elbo = reconstruction - kl``.

    Attributes:
      reconstruction: ``log p(x|z)`` of one posterior sample, ``[batch]``.
      kl: upper bound on ``KL(q(z|x) || p(z))``, ``[batch]``.
      selection_kl: the part of ``kl`` that pays for the choice of a mixture component, ``[batch]``.
    """

    reconstruction: Float[Array, " batch"]
    kl: Float[Array, " batch"]
    selection_kl: Float[Array, " batch"]


PACE = 10.0
"""By how much more than a weight Adam moves what has units to go, where weights have hundredths."""


def noise_kl(divergence: Callable[[Any, Any], Array], q: Any, noisy: Any) -> Scalar:
    """``KL(q(z|x) || q(z|x + noise))``, mean over the examples that were seen with noise, in nats.

    No gradient reaches q: the encoder learns from it to code a noisy example as the clean one is coded, and
    nothing about the clean one (Sinha and Dieng, *Consistency Regularization for Variational Auto-Encoders*,
    NeurIPS 2021).

    Args:
      divergence: of two posteriors, elementwise.
      q: of the batch, fields ``[n, latents]``.
      noisy: of its first examples with noise, fields ``[noisy, latents]``.
    """
    clean = jax.tree.map(lambda field, other: jax.lax.stop_gradient(field[: len(other)]), q, noisy)
    return jnp.mean(jnp.sum(divergence(clean, noisy), axis=-1))


def bounded_log_var(log_var: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """An encoder's log-variances, cut off at :data:`LOG_VAR_RANGE`; gradients pass as if they were not.

    Far from most examples an encoder extrapolates to log-variances of hundreds, whose exponentials float32
    does not hold. No sound posterior is so narrow or so wide beside a prior of unit variance.
    """
    cut = jax.lax.stop_gradient(jnp.clip(log_var, *LOG_VAR_RANGE))
    return cut + (log_var - jax.lax.stop_gradient(log_var))
