"""From likelihoods and divergences to bounds on ``log p(x)``; per example, in nats.

With the mixture prior ``p(z) = (1/U) sum_u p_u(z)`` and any selection weights ``w(u)``,
``log p(x) >= E_q[log p(x|z)] - sum_u w_u KL(q || p_u) - KL(w || uniform)``. The paper's objective
(Tonolini et al., UAI 2019) leaves the last term out and is no bound by up to ``log U``.
"""

import math

import chex
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from vsc_jax.losses._arrays import float_arrays


def elbo(
    reconstruction: Float[ArrayLike, "*batch"], kl: Float[ArrayLike, "*batch"]
) -> Float[Array, "*batch"]:
    """Evidence lower bound ``E_q[log p(x|z)] - KL`` of each example, in nats.

    Args:
      reconstruction: expected log-likelihood summed over data dimensions, ``[...]``.
      kl: whole divergence from the prior, the selection's part included, ``[...]``.
    """
    reconstruction, kl = float_arrays(reconstruction, kl)
    return reconstruction - kl


def exact_selection(
    component_kl: Float[ArrayLike, "*batch components"],
) -> Float[Array, "*batch components"]:
    """Log-weights ``log w_u`` with ``w_u`` proportional to ``exp(-KL_u)``: those of the tightest bound.

    Args:
      component_kl: divergence to every mixture component, ``[..., components]``.

    Returns:
      Normalised log-weights, ``[..., components]``.
    """
    (component_kl,) = float_arrays(component_kl)
    return jax.nn.log_softmax(-component_kl, axis=-1)


def selection_kl(log_weights: Float[ArrayLike, "*batch components"]) -> Float[Array, "*batch"]:
    """``KL(w || uniform)`` of selection weights given as logarithms, in nats; at most ``log U``.

    Args:
      log_weights: normalised log-weights, ``[..., components]``; minus infinity means weight 0.

    Returns:
      ``[...]``, summed over components.
    """
    (log_weights,) = float_arrays(log_weights)
    weights = jnp.exp(log_weights)
    terms = weights * jnp.where(weights > 0, log_weights, 0)
    return jnp.sum(terms, axis=-1) + math.log(log_weights.shape[-1])


def mixture_kl(component_kl: Float[ArrayLike, "*batch components"]) -> Float[Array, "*batch"]:
    """Upper bound on ``KL(q || mixture)`` at the best weights, in nats.

    ``-log sum_u exp(-KL_u) + log U``, which is ``sum_u w_u KL_u + KL(w || uniform)`` at
    :func:`exact_selection`. Never above the smallest divergence plus ``log U``.

    Args:
      component_kl: divergence to every mixture component, ``[..., components]``.

    Returns:
      ``[...]``.
    """
    (component_kl,) = float_arrays(component_kl)
    return math.log(component_kl.shape[-1]) - jax.nn.logsumexp(-component_kl, axis=-1)


def mixture_log_prob(component_log_prob: Float[ArrayLike, "*batch components"]) -> Float[Array, "*batch"]:
    """Log-density of the equal-weight mixture from the log-densities of its components, in nats.

    Args:
      component_log_prob: summed over latents, ``[..., components]``.

    Returns:
      ``[...]``.
    """
    (component_log_prob,) = float_arrays(component_log_prob)
    return jax.nn.logsumexp(component_log_prob, axis=-1) - math.log(component_log_prob.shape[-1])


def importance_weighted_bound(log_weights: Float[ArrayLike, "samples *batch"]) -> Float[Array, "*batch"]:
    """Importance-weighted bound ``log (1/K) sum_k w_k`` of each example, in nats.

    Burda, Grosse and Salakhutdinov, *Importance Weighted Autoencoders*, ICLR 2016, eq. 8.

    Args:
      log_weights: ``log p(x|z_k) + log p(z_k) - log q(z_k|x)``, samples on the leading axis,
        ``[samples, ...]``.

    Returns:
      ``[...]``.
    """
    (log_weights,) = float_arrays(log_weights)
    return jax.nn.logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])


def total_correlation(
    z: Float[ArrayLike, "batch latents"],
    mean: Float[ArrayLike, "batch latents"],
    log_var: Float[ArrayLike, "batch latents"],
    dataset_size: int,
) -> Float[Array, " batch"]:
    """Minibatch estimate of ``log q(z) - sum_j log q(z_j)`` of each example, in nats.

    Chen, Li, Grosse and Duvenaud, *Isolating Sources of Disentanglement in VAEs*, NeurIPS 2018,
    appendix C.2 (stratified sampling). In ``q(z) = (1/N) sum_n q(z|x_n)`` the example that ``z`` was
    drawn from counts once, and the rest of the batch stands for the other N - 1 examples; a batch
    that is the whole data set gives ``q(z)`` exactly. (The weighted sampling of their appendix C.1
    would add about ``(latents - 1) log N``.) Needs the whole batch: ``[batch, batch, latents]``.

    Args:
      z: one sample for each example, ``[batch, latents]``.
      mean: Gaussian posterior means, ``[batch, latents]``.
      log_var: logarithms of the posterior variances, ``[batch, latents]``.
      dataset_size: number of training examples N.

    Returns:
      ``[batch]``; the mean over the batch estimates the total correlation.

    Raises:
      AssertionError: if the arrays are not matrices of one shape.
    """
    z, mean, log_var = float_arrays(z, mean, log_var)
    chex.assert_equal_shape([z, mean, log_var])
    chex.assert_rank(z, 2)
    batch = z.shape[0]
    standardized = (z[:, None, :] - mean[None]) * jnp.exp(-0.5 * log_var)[None]
    log_density = -0.5 * (jnp.square(standardized) + log_var[None] + math.log(2 * math.pi))
    others = math.log(max(dataset_size - 1, 1) / max(batch - 1, 1))
    log_weight = jnp.where(jnp.eye(batch, dtype=bool), 0, jnp.asarray(others, z.dtype)) - math.log(
        dataset_size
    )
    joint = jax.nn.logsumexp(log_weight + jnp.sum(log_density, axis=-1), axis=1)
    marginals = jax.nn.logsumexp(log_weight[:, :, None] + log_density, axis=1)
    return joint - jnp.sum(marginals, axis=-1)
