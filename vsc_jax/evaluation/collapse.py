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


def collapse_statistics(kl: np.ndarray, z: np.ndarray) -> dict[str, float]:
    """``posterior_collapse`` and ``coefficient_collapse``, the share of latents that have collapsed.

    A latent of a sparse code that is on in fewer than 5 % of the examples counts in the second.

    Args:
      kl: divergence of each latent from the prior, ``[n, latents]`` (:func:`latent_kl`).
      z: posterior samples ``[n, latents]``.
    """
    return {"posterior_collapse": collapsed(kl), "coefficient_collapse": collapsed(np.abs(z))}


def latent_kl(model: VAE | VSC, x: np.ndarray, *, batch_size: int = 500) -> Float[np.ndarray, "n latents"]:
    """Divergence of each latent from the prior, in nats.

    For a VSC from the component of the prior that is nearest to the example's posterior.

    Args:
      model: a variational model.
      x: examples, ``[n, *example_shape]``.
      batch_size: examples at a time.
    """
    return map_batches(latent_divergences, model, x, jax.random.key(0), batch_size=batch_size)


def latent_divergences(
    model: VAE | VSC, x: Float[Array, "n ..."], key: PRNGKeyArray
) -> Float[Array, "n latents"]:
    """:func:`latent_kl` of a batch."""
    del key
    if isinstance(model, VAE):
        q = model.encode(x)
        return losses.gaussian_kl(*q, jnp.zeros_like(q.mean), jnp.zeros_like(q.mean))
    posterior, prior = model.encode(x), model.components()
    nearest = jnp.argmin(losses.spike_slab_kl_matrix(posterior, prior), axis=-1)
    return losses.spike_slab_kl(posterior, SpikeSlab(*(field[nearest] for field in prior)))
