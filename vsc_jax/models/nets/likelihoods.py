"""The likelihoods p(x|z): one class each, and its name in :data:`LIKELIHOODS`."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.config.choices import Likelihood, Scale
from vsc_jax.losses import bernoulli_log_likelihood, gaussian_log_likelihood
from vsc_jax.models.nets.decoder import Decoder

_PACE = 10.0  # of a learned logarithm, which has units to go where weights have hundredths


class Bernoulli(Decoder):
    """Black or white, or grey in [0, 1]; the trunk's output are logits."""

    likelihood = "bernoulli"
    support = (0.0, 1.0)
    values = "values in [0, 1]"
    scalings: ClassVar[tuple[Scale, ...]] = ("unit",)

    def expected(self, output: Float[Array, "*batch pixels"]) -> Float[Array, "*batch pixels"]:
        """The probability of 1."""
        return jax.nn.sigmoid(output)

    def log_prob(
        self, output: Float[Array, "*batch pixels"], x: Float[Array, "*batch pixels"]
    ) -> Float[Array, "*batch pixels"]:
        """Of each value, in nats."""
        return bernoulli_log_likelihood(output, x)


class Gaussian(Decoder):
    """Real numbers; the trunk's output are means, and each dimension has one learned variance.

    ``log_var = min_log_var + softplus(10 raw)`` never falls below ``min_log_var``; Adam moves it ten times as
    fast as a weight.
    """

    likelihood = "gaussian"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # Starts at a variance of one, or a little above a floor that is close to it or higher.
        start = math.log(math.expm1(max(-self.min_log_var, 0.1))) / _PACE
        self.raw_log_var = nnx.Param(jnp.full(self.pixels, start, jnp.float32))

    @property
    def log_var(self) -> Float[Array, " pixels"]:
        """Learned log-variance of every dimension."""
        return self.min_log_var + jax.nn.softplus(_PACE * self.raw_log_var[...])

    def expected(self, output: Float[Array, "*batch pixels"]) -> Float[Array, "*batch pixels"]:
        """The output itself."""
        return output

    def log_prob(
        self, output: Float[Array, "*batch pixels"], x: Float[Array, "*batch pixels"]
    ) -> Float[Array, "*batch pixels"]:
        """Of each value, in nats."""
        return gaussian_log_likelihood(output, jnp.broadcast_to(self.log_var, output.shape), x)


LIKELIHOODS: dict[Likelihood, type[Decoder]] = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
}
"""Every likelihood by its name."""
