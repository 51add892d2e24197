"""The codes of a whole split as NumPy arrays: what sparsity statistics, probes and figures read."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.evaluation.batches import map_batches
from vsc_jax.models import VAE, VSC, Model


class Codes(NamedTuple):
    """Codes of n examples.

    Attributes:
      mean: posterior (slab) means mu, or the autoencoder's codes, ``[n, latents]``.
      gamma: gate probabilities ``[n, latents]``; all ones for a model without gates.
      z: one hard posterior sample ``[n, latents]``, or the autoencoder's codes.
    """

    mean: np.ndarray
    gamma: np.ndarray
    z: np.ndarray

    @property
    def on(self) -> np.ndarray:
        """Which latents are on, booleans ``[n, latents]``: those with gamma > 1/2, as in ``model.code``."""
        return self.gamma > 0.5

    @property
    def sparse(self) -> np.ndarray:
        """The deterministic code ``[n, latents]``, ``model.code``: the mean where on, else exactly 0."""
        return np.where(self.on, self.mean, 0)

    @property
    def expected(self) -> np.ndarray:
        """``E[z] = gamma mu``, ``[n, latents]``: the sparse code as one number a latent."""
        return self.gamma * self.mean


def codes(model: Model, x: np.ndarray, key: PRNGKeyArray, *, batch_size: int = 500) -> Codes:
    """Encode the examples of ``x``.

    Args:
      model: any model.
      x: examples, ``[n, *example_shape]``.
      key: key of the posterior samples.
      batch_size: examples at a time.
    """
    return Codes(*map_batches(encoded, model, x, key, batch_size=batch_size))


def encoded(model: Model, x: Float[Array, "n ..."], key: PRNGKeyArray) -> tuple[Array, Array, Array]:
    """The fields of :class:`Codes` for a batch."""
    if isinstance(model, VSC):
        posterior = model.encode(x)
        return posterior.mean, posterior.gamma, posterior.sample(key)
    if isinstance(model, VAE):
        gaussian = model.encode(x)
        return gaussian.mean, jnp.ones_like(gaussian.mean), gaussian.sample(key)
    code = model.encode(x)
    return code, jnp.ones_like(code), code
