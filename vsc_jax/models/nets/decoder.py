"""The decoder p(x|z): a trunk and the likelihood that reads its output."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Shaped

from vsc_jax.losses import bernoulli_log_likelihood, gaussian_log_likelihood
from vsc_jax.models.nets.dictionary import Dictionary
from vsc_jax.models.nets.networks import MLP, ConvDecoder, SignalDecoder
from vsc_jax.models.scaling import Scaling

_PACE = 10.0  # of the learned log-variance, which has units to go where weights have hundredths


class Decoder(nnx.Module):
    """Distribution of an example given its code.

    Bernoulli: the trunk's output are logits. Gaussian: they are means, and one variance for every
    dimension is learned, ``log_var = min_log_var + softplus(10 raw)``, so that it never falls below
    ``min_log_var``; Adam moves it ten times as fast as a weight. The distribution is about scaled data
    where there is a scaling.

    Args:
      trunk: network ``[n, latents] -> [n, pixels]``.
      example_shape: shape of one example.
      likelihood: ``bernoulli`` or ``gaussian``.
      min_log_var: floor of the learned log-variance.
      scaling: how the model sees its data; None as they are.
    """

    def __init__(
        self,
        trunk: MLP | ConvDecoder | SignalDecoder | Dictionary,
        example_shape: tuple[int, ...],
        likelihood: str,
        min_log_var: float,
        scaling: Scaling | None = None,
    ):
        self.trunk = trunk
        self.example_shape = example_shape
        self.likelihood = likelihood
        self.min_log_var = min_log_var
        self.scaling = scaling
        if likelihood == "gaussian":
            # Starts at a variance of one, or a little above a floor that is close to it or higher.
            start = math.log(math.expm1(max(-min_log_var, 0.1))) / _PACE
            self.raw_log_var = nnx.Param(jnp.full(math.prod(example_shape), start, jnp.float32))

    @property
    def log_var(self) -> Float[Array, " pixels"]:
        """Learned log-variance of every dimension; Gaussian likelihood only."""
        return self.min_log_var + jax.nn.softplus(_PACE * self.raw_log_var[...])

    def scaled(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        """Examples as the networks see them."""
        return x if self.scaling is None else self.scaling.apply(x)

    def mean(self, z: Float[Array, "*batch latents"]) -> Float[Array, "..."]:
        """``E[x|z]``, the scaling undone: ``[..., latents] -> [..., *example_shape]``."""
        output = self.trunk(z.reshape(-1, z.shape[-1]))
        mean = jax.nn.sigmoid(output) if self.likelihood == "bernoulli" else output
        mean = mean.reshape(*z.shape[:-1], *self.example_shape)
        return mean if self.scaling is None else self.scaling.undo(mean)

    def log_likelihood(
        self, z: Float[Array, "*samples batch latents"], x: Shaped[Array, "batch ..."]
    ) -> Float[Array, "*samples batch"]:
        """``log p(x|z)`` summed over the example, in nats: one value for every code.

        Args:
          z: codes ``[..., batch, latents]``; any number of leading sample axes.
          x: examples ``[batch, *example_shape]``, floats.

        Raises:
          TypeError: if ``x`` are whole numbers; a model's own methods know what they stand for.
        """
        if jnp.issubdtype(x.dtype, jnp.integer):
            raise TypeError(f"x: expected floats (pixels from 0 to 255 are divided by 255), got {x.dtype}")
        pixels = math.prod(self.example_shape)
        output = self.trunk(z.reshape(-1, z.shape[-1])).reshape(*z.shape[:-1], pixels)
        x = jnp.broadcast_to(self.scaled(x).reshape(x.shape[0], pixels), output.shape)
        if self.likelihood == "bernoulli":
            return jnp.sum(bernoulli_log_likelihood(output, x), axis=-1)
        log_var = jnp.broadcast_to(self.log_var, output.shape)
        return jnp.sum(gaussian_log_likelihood(output, log_var, x), axis=-1)
