"""How many latents carry nothing, by the two measures of the sparse-coding literature.

Fallah and Rozell, *Variational Sparse Coding with Learned Thresholding*, ICML 2022: a latent has
collapsed when something is at most 1e-2 on at least 95 % of the inputs.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax import losses
from vsc_jax.evaluation.batches import map_batches
from vsc_jax.models import VAE, VSC
from vsc_jax.spike_slab import SpikeSlab

THRESHOLD = 1e-2
SHARE_OF_INPUTS = 0.95


def collapsed(values: np.ndarray) -> float:
    """Share of latents whose ``values``, ``[n, latents]``, are at most 1e-2 on 95 % of the inputs."""
    return float(((values <= THRESHOLD).mean(axis=0) >= SHARE_OF_INPUTS).mean())


def posterior_collapse(model: VAE | VSC, x: np.ndarray, *, batch_size: int = 500) -> float:
    """Share of latents whose divergence from the prior has collapsed (see :func:`latent_kl`)."""
    return collapsed(latent_kl(model, x, batch_size=batch_size))


def coefficient_collapse(z: np.ndarray) -> float:
    """Share of latents whose magnitude has collapsed; ``z`` are posterior samples ``[n, latents]``.

    A latent of a sparse code that is on in fewer than 5 % of the examples counts too.
    """
    return collapsed(np.abs(z))


def latent_kl(model: VAE | VSC, x: np.ndarray, *, batch_size: int = 500) -> Float[np.ndarray, "n latents"]:
    """Divergence of each latent from the prior, in nats.

    For a VSC from the component of the prior that is nearest to the example's posterior.

    Args:
      model: a variational model.
      x: examples, ``[n, *example_shape]``.
      batch_size: examples at a time.
    """
    return map_batches(_latent_kl, model, x, jax.random.key(0), batch_size=batch_size)


def _latent_kl(model: VAE | VSC, x: Float[Array, "n ..."], key: PRNGKeyArray) -> Float[Array, "n latents"]:
    del key
    if isinstance(model, VAE):
        q = model.encode(x)
        return losses.gaussian_kl(*q, jnp.zeros_like(q.mean), jnp.zeros_like(q.mean))
    posterior, prior = model.encode(x), model.components()
    nearest = jnp.argmin(losses.spike_slab_kl_matrix(posterior, prior), axis=-1)
    return losses.spike_slab_kl(posterior, SpikeSlab(*(field[nearest] for field in prior)))
