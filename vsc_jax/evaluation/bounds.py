"""The importance-weighted bound on log p(x), streamed: memory does not grow with the samples.

Burda, Grosse and Salakhutdinov, *Importance Weighted Autoencoders*, ICLR 2016, eq. 8.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.evaluation.encoding import Measure, map_batches
from vsc_jax.models import VAE, VSC

# Numbers that the samples of one chunk may take in the widest layer. On a CPU 4 MiB of float32 stay in
# the cache (2 ** 24 costs a third more time); an accelerator wants work in larger pieces.
_CPU_CHUNK_NUMBERS = 2**20
_DEVICE_CHUNK_NUMBERS = 2**26


def importance_weighted(
    model: VAE | VSC,
    x: np.ndarray,
    key: PRNGKeyArray,
    *,
    samples: int,
    batch_size: int = 500,
    on_batch: Callable[[int], None] | None = None,
) -> Float[np.ndarray, " n"]:
    """Importance-weighted bound of each example with ``samples`` hard posterior samples, in nats.

    It grows with the number of samples, in expectation, towards ``log p(x)``. For a VSC the prior is the
    exact mixture and densities are with respect to the mixed measure (mass at 0, Lebesgue elsewhere), so
    that it compares with a Gaussian VAE in the same nats.

    Args:
      model: a variational model.
      x: examples as the likelihood sees them, ``[n, *example_shape]``.
      key: key of the samples.
      samples: number K of samples.
      batch_size: examples at a time.
      on_batch: called with the number of examples done.
    """
    batch_size = min(batch_size, len(x))
    layers = jax.tree.leaves(nnx.state(model.decoder.trunk, nnx.Param))
    outputs = (kernel.shape[1] for kernel in layers if kernel.ndim == 2)
    width = max(math.prod(x.shape[1:]), 4 * model.latents, *outputs)
    if isinstance(model, VSC) and model.pseudo_inputs is not None:
        width = max(width, model.pseudo_inputs.raw.shape[0])
    numbers = _CPU_CHUNK_NUMBERS if jax.default_backend() == "cpu" else _DEVICE_CHUNK_NUMBERS
    chunk = max(1, min(samples, numbers // (batch_size * width)))
    measure = _bound_of_chunks(samples, chunk)
    return map_batches(measure, model, x, key, batch_size=batch_size, on_batch=on_batch)


@cache
def _bound_of_chunks(samples: int, chunk: int) -> Measure:
    """The bound of a batch from ``samples`` samples, ``chunk`` at a time."""

    def bound(model: VAE | VSC, x: Float[Array, "n ..."], key: PRNGKeyArray) -> Float[Array, " n"]:
        posterior: Any = model.encode(x)  # once, not in every chunk

        def add(number: Array, running: tuple[Array, Array]) -> tuple[Array, Array]:
            # sum_k w_k is kept as scale * exp(largest), which rounds less than a running logarithm.
            largest, scale = running
            log_weights = model.log_importance_weights(x, jax.random.fold_in(key, number), chunk, posterior)
            counts = (number * chunk + jnp.arange(chunk)) < samples
            log_weights = jnp.where(counts[:, None], log_weights, -jnp.inf)
            new = jnp.maximum(largest, jnp.max(log_weights, axis=0))
            scale = scale * jnp.exp(largest - new) + jnp.sum(jnp.exp(log_weights - new[None]), axis=0)
            return new, scale

        nothing = jnp.full_like(x, jnp.finfo(x.dtype).min, shape=len(x)), jnp.zeros_like(x, shape=len(x))
        largest, scale = jax.lax.fori_loop(0, -(-samples // chunk), add, nothing)
        return largest + jnp.log(scale) - math.log(samples)

    return bound
