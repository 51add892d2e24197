"""The plain autoencoder: the same encoder and decoder, no distribution over codes."""

from typing import Any, ClassVar, NoReturn

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.config.errors import UserError
from vsc_jax.models.inputs import as_examples, as_inputs
from vsc_jax.models.nets import Decoder, Trunk
from vsc_jax.models.objective import Coefficients, Metrics, Scalar


class Autoencoder(nnx.Module):
    """Maximises ``log p(x|z)`` at the code ``z = encode(x)``.

    Args:
      encoder: network ``[n, ...] -> [n, latents]``.
      decoder: network and likelihood.
      latents: number of latents J.

    Attributes:
      variational: whether there is a posterior, and so a bound.
      gated: whether the model switches latents on and off.
    """

    variational: ClassVar[bool] = False
    gated: ClassVar[bool] = False

    def __init__(self, encoder: Trunk, decoder: Decoder, *, latents: int):
        self.encoder = encoder
        self.decoder = decoder
        self.latents = latents

    def encode(self, x: Any) -> Float[Array, "n latents"]:
        """Codes ``[n, latents]`` of a batch of examples."""
        return self.encoder(as_inputs(x, self.decoder))

    def code(self, x: Any) -> Float[Array, "n latents"]:
        """The deterministic code of each example, ``[n, latents]``; here :meth:`encode`."""
        return self.encode(x)

    def decode(self, z: ArrayLike, x: Any = None) -> Float[Array, "..."]:
        """``E[x|z]``, ``[..., latents] -> [..., *example_shape]``; counts have the totals of ``x``."""
        x = None if x is None else as_examples(x, self.decoder.example_shape)
        return self.decoder.mean(jnp.asarray(z, jnp.float32), x)

    def reconstruct(self, x: Any) -> Float[Array, "n ..."]:
        """Mean reconstruction of each example."""
        return self.decode(self.code(x), x)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n ..."]:
        """Decoded standard-normal codes. An autoencoder has no prior: these need not look like data."""
        return self.decode(jax.random.normal(key, (n, self.latents), jnp.float32))

    def sample_like(self, x: Any, n: int, key: PRNGKeyArray) -> NoReturn:
        """Refused: an autoencoder has no prior to draw values from."""
        raise UserError("sample_like: an autoencoder has no prior to draw values from")

    def reconstruction(self, x: Any) -> Float[Array, " n"]:
        """``log p(x|z)`` of each example at its code, in nats."""
        x = as_examples(x, self.decoder.example_shape)
        return self.decoder.log_likelihood(self.encode(x), x)

    def bounds(self, x: Any, key: PRNGKeyArray) -> dict[str, Float[Array, " n"]]:
        """What is known of ``log p(x)`` of each example, ``[n]`` each, in nats: ``reconstruction`` alone."""
        del key
        return {"reconstruction": self.reconstruction(x)}

    def sampled_code(self, x: Any, key: PRNGKeyArray) -> tuple[Array, Array, Array]:
        """Posterior mean, gate probability and a hard sample of each latent; here the code, 1, the code."""
        del key
        code = self.encode(x)
        return code, jnp.ones_like(code), code

    def latent_kl(self, x: Any) -> None:
        """Nothing: there is no posterior."""

    def selections(self, x: Any) -> None:
        """Nothing: there are no pseudo-inputs."""

    def objective(self, x: Any, key: PRNGKeyArray, coefficients: Coefficients) -> tuple[Scalar, Metrics]:
        """Loss of a batch, to be minimised, and its parts (means over the batch, in nats)."""
        del key, coefficients
        reconstruction = jnp.mean(self.reconstruction(x))
        return -reconstruction, {"reconstruction": reconstruction}
