"""An encoder that is an unrolled search for a sparse code."""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.models.nets.products import product

_STEPS = 10
_THRESHOLD = 0.1  # of the first code, by atoms of norm 1
_SLOPE, _EDGE = 5.0, 2.0  # of a gate's logit: 0 where a value is so many thresholds
_LOG_VAR = -4.0


class Lista(nnx.Module):
    """LISTA with a gate for each latent: ``[n, ...] -> [n, 3 * latents]``, means, log-variances, gate logits.

    Gregor and LeCun, *Learning Fast Approximations of Sparse Coding*, ICML 2010: ``z <- shrink(W x + S z)``,
    ten times, where W, S and the thresholds start as those of ISTA on the decoder's atoms and are free from
    then on. A gate is open where the last value is well beyond its threshold.

    Args:
      atoms: what each latent adds to an example at the start, ``[latents, features]``.
    """

    def __init__(self, atoms: Float[Array, "latents features"]):
        latents = atoms.shape[0]
        atoms /= jnp.linalg.norm(atoms, axis=1)[:, None] + np.float32(1e-12)
        curvature = jnp.linalg.norm(atoms, ord=2) ** 2 + np.float32(1e-12)
        self.input_kernel = nnx.Param(atoms.T / curvature)
        self.bias = nnx.Param(jnp.zeros(latents, jnp.float32))
        self.latent_kernel = nnx.Param(jnp.eye(latents, dtype=jnp.float32) - atoms @ atoms.T / curvature)
        self.threshold = nnx.Param(jnp.full(latents, _THRESHOLD, jnp.float32) / curvature)
        start = np.array([[1.0], [_LOG_VAR], [_SLOPE]], np.float32)
        self.head = nnx.Param(jnp.tile(start, (1, latents)))

    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n outputs"]:
        """Mean, log-variance and gate logit of each latent, one after the other."""
        threshold = jnp.abs(self.threshold[...])[None] + np.float32(1e-6)
        driven = product(x.reshape(x.shape[0], -1), self.input_kernel[...]) + self.bias[...][None]
        value = driven
        for _ in range(_STEPS):
            shrunk = jnp.sign(value) * jnp.maximum(jnp.abs(value) - threshold, 0)
            value = driven + product(shrunk, self.latent_kernel[...])
        scale, log_var, slope = self.head[...][:, None]
        gate_logit = slope * (jnp.abs(value) / threshold - _EDGE)
        return jnp.concatenate([scale * value, jnp.broadcast_to(log_var, value.shape), gate_logit], axis=1)
