"""Loss functions of Variational Sparse Coding: pure JAX, in nats, never averaged over the batch.

Everything here runs under ``jit``, ``vmap`` and ``grad`` and preserves the dtype of its arguments;
summing over pixels and latents and averaging over examples is the caller's.
"""

from vsc_jax.losses.bounds import (
    elbo,
    exact_selection,
    importance_weighted_bound,
    mixture_kl,
    mixture_log_prob,
    selection_kl,
    total_correlation,
)
from vsc_jax.losses.kl import (
    bernoulli_kl,
    gaussian_kl,
    laplace_kl,
    soft_threshold_kl,
    sparsity_kl,
    spike_slab_kl,
    spike_slab_kl_matrix,
    usage_penalty,
)
from vsc_jax.losses.likelihood import (
    bernoulli_log_likelihood,
    categorical_log_likelihood,
    gaussian_log_likelihood,
    negative_binomial_log_likelihood,
    poisson_log_likelihood,
    student_t_log_likelihood,
)

__all__ = [
    "bernoulli_kl",
    "bernoulli_log_likelihood",
    "categorical_log_likelihood",
    "elbo",
    "exact_selection",
    "gaussian_kl",
    "gaussian_log_likelihood",
    "importance_weighted_bound",
    "laplace_kl",
    "mixture_kl",
    "mixture_log_prob",
    "negative_binomial_log_likelihood",
    "poisson_log_likelihood",
    "selection_kl",
    "soft_threshold_kl",
    "sparsity_kl",
    "spike_slab_kl",
    "spike_slab_kl_matrix",
    "student_t_log_likelihood",
    "total_correlation",
    "usage_penalty",
]
