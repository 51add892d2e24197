"""The true bound on log p(x) of a whole split, and the paper's objective beside it.

Gates are hard and the warm-up coefficient is 1, whatever training did. Every number is a mean over
examples, in nats.
"""

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.evaluation.batches import map_batches, means
from vsc_jax.models import VAE, Autoencoder, Model


def bounds(model: Model, x: np.ndarray, key: PRNGKeyArray, *, batch_size: int = 500) -> dict[str, float]:
    """The bound and its parts, means over the examples of ``x``, in nats.

    Args:
      model: any model.
      x: examples as the likelihood sees them, ``[n, *example_shape]``.
      key: key of the posterior samples.
      batch_size: examples at a time.

    Returns:
      ``reconstruction`` and, for a variational model, ``elbo``, ``kl`` and, for a VSC,
      ``selection_kl`` (a part of ``kl``). ``elbo`` takes the exact weights of the prior's components.
      With a classifier also the bound with its weights as ``elbo_classifier`` and the paper's objective,
      which is no bound, as ``paper_objective``.
    """
    return means(map_batches(bound_terms, model, x, key, batch_size=batch_size))


def bound_terms(model: Model, x: Float[Array, "n ..."], key: PRNGKeyArray) -> dict[str, Array]:
    """What :func:`bounds` averages, for each example of a batch: ``[n]`` each, in nats."""
    if isinstance(model, Autoencoder):
        return {"reconstruction": model.reconstruction(x)}
    terms = model.terms(x, key)
    named = {"elbo": terms.reconstruction - terms.kl, "reconstruction": terms.reconstruction, "kl": terms.kl}
    if isinstance(model, VAE):
        return named
    named["selection_kl"] = terms.selection_kl
    if model.classifier is not None:
        named["elbo_classifier"] = terms.reconstruction - model.selection_terms(x, "soft").kl
        named["paper_objective"] = terms.reconstruction - model.selection_terms(x, "paper").kl
    return named
