"""The linear decoder: an example is a weighted sum of atoms (Olshausen and Field, Nature 1996)."""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.models.nets.products import product
from vsc_jax.models.objective import PACE


class Dictionary(nnx.Module):
    """``z @ atoms + bias``: ``[n, latents] -> [n, features]``.

    Args:
      atoms: initial atoms ``[latents, features]``.
      bias: initial bias ``[features]``.
      unit_norm: whether every atom is divided by its norm.
    """

    def __init__(
        self, atoms: Float[Array, "latents features"], bias: Float[Array, " features"], unit_norm: bool
    ):
        self.raw_atoms = nnx.Param(atoms / PACE)
        self.raw_bias = nnx.Param(bias / PACE)
        self.unit_norm = unit_norm

    @property
    def norms(self) -> Float[Array, " latents"]:
        """Norm of each atom before it is divided by it."""
        return PACE * jnp.sqrt(jnp.sum(jnp.square(self.raw_atoms[...]), axis=1) + np.float32(1e-12))

    @property
    def atoms(self) -> Float[Array, "latents features"]:
        """What each latent adds to an example when it is 1."""
        atoms = PACE * self.raw_atoms[...]
        return atoms / self.norms[:, None] if self.unit_norm else atoms

    @property
    def bias(self) -> Float[Array, " features"]:
        """What an example is when all latents are 0."""
        return PACE * self.raw_bias[...]

    def __call__(self, z: Float[Array, "n latents"]) -> Float[Array, "n features"]:
        """The example of each code."""
        return product(z, self.atoms) + self.bias[None]
