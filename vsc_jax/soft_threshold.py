"""A Gaussian that a soft threshold makes sparse: values shrink to zero in place of jumping there.

``z = sign(s) max(|s| - threshold, 0)`` of ``s ~ N(location, exp(log_var))`` has a point mass at zero and a
density elsewhere, as a spike-and-slab has, but ``z`` is continuous in ``s``: it has a gradient without any
relaxation. After Fallah and Rozell, *Variational Sparse Coding with Learned Thresholding*, ICML 2022, who
shift the threshold to the mean; a Laplace distribution then is a spike-and-slab with Laplace slabs.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray


class Tails(NamedTuple):
    """``E[1; on]``, ``E[s - location; on]`` and ``E[(s - location) ** 2; on]`` of a Gaussian s."""

    probability: Float[Array, "*shape"]
    first: Float[Array, "*shape"]
    second: Float[Array, "*shape"]


class SoftThreshold(NamedTuple):
    """Independent soft-thresholded Gaussians, with what is read of a ``SpikeSlab``.

    Attributes:
      location: means of the Gaussians, ``[..., latents]``.
      log_var: logarithms of their variances, ``[..., latents]``.
      threshold: what is taken off their magnitude, positive, ``[..., latents]``.
    """

    location: Float[Array, "*shape"]
    log_var: Float[Array, "*shape"]
    threshold: Float[Array, "*shape"]

    @property
    def mean(self) -> Float[Array, "*shape"]:
        """The soft-thresholded location: 0 for a latent that is off, and continuous."""
        return soft_threshold(self.location, self.threshold)

    @property
    def std(self) -> Float[Array, "*shape"]:
        """Standard deviation of each Gaussian."""
        return jnp.exp(0.5 * self.log_var)

    @property
    def log_gates(self) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        """Log-probabilities that each latent is on, ``|s| > threshold``, and that it is off."""
        magnitude = jnp.abs(self.location)
        near = log_ndtr((self.threshold - magnitude) / self.std)
        far = log_ndtr(-(self.threshold + magnitude) / self.std)
        on = jnp.logaddexp(log_ndtr((magnitude - self.threshold) / self.std), far)
        return on, near + jnp.log1p(-jnp.exp(far - near))

    @property
    def gate_logit(self) -> Float[Array, "*shape"]:
        """Logit of the probability that each latent is on."""
        on, off = self.log_gates
        return on - off

    @property
    def gamma(self) -> Float[Array, "*shape"]:
        """Probability that each latent is on."""
        return jnp.exp(self.log_gates[0])

    @property
    def tails(self) -> Tails:
        """Moments of the Gaussians beyond their thresholds, in closed form."""
        upper, lower = (
            (self.threshold - self.location) / self.std,
            (self.threshold + self.location) / self.std,
        )
        above, below = (jax.scipy.special.ndtr(-edge) for edge in (upper, lower))
        at_upper, at_lower = (
            jnp.exp(-0.5 * jnp.square(edge)) / math.sqrt(2 * math.pi) for edge in (upper, lower)
        )
        probability = above + below
        first = self.std * (at_upper - at_lower)
        second = jnp.exp(self.log_var) * (probability + upper * at_upper + lower * at_lower)
        return Tails(probability, first, second)

    def sample(
        self, key: PRNGKeyArray, *, sample_shape: tuple[int, ...] = (), **_gate: Any
    ) -> Float[Array, "..."]:
        """Draws ``[*sample_shape, ..., latents]``, exactly 0 where off; their gradients are exact."""
        shape = (*sample_shape, *self.location.shape)
        location, std, threshold = (
            jnp.broadcast_to(field, shape) for field in (self.location, self.std, self.threshold)
        )
        noise = jax.random.normal(key, shape, self.location.dtype)
        return soft_threshold(location + std * noise, threshold)

    def sample_slab(self, key: PRNGKeyArray) -> Float[Array, "*shape"]:
        """Draws given that each latent is on, ``[..., latents]``."""
        side, depth = jax.random.split(key)
        shape, (on, _) = self.location.shape, self.log_gates
        above = log_ndtr((self.location - self.threshold) / self.std)
        sign = jnp.where(jnp.log(jax.random.uniform(side, shape)) < above - on, 1.0, -1.0)
        sign = sign.astype(self.location.dtype)
        edge = (self.threshold - sign * self.location) / self.std
        beyond = jax.random.truncated_normal(depth, edge, jnp.inf, shape, self.location.dtype)
        return sign * self.std * jnp.maximum(beyond - edge, 0)

    def log_prob(self, z: ArrayLike) -> Float[Array, "..."]:
        """Log-density of each latent with respect to a mass at 0 and Lebesgue measure elsewhere, in nats."""
        z = jnp.asarray(z, self.location.dtype)
        _, off = self.log_gates
        shape = jnp.broadcast_shapes(z.shape, off.shape)
        z, location, log_var, threshold, off = (jnp.broadcast_to(a, shape) for a in (z, *self, off))
        base = jnp.where(z != 0, z + jnp.sign(z) * threshold - location, 0) * jnp.exp(-0.5 * log_var)
        on = -0.5 * (jnp.square(base) + log_var + math.log(2 * math.pi))
        return jnp.where(z != 0, on, off)


def soft_threshold(s: Float[Array, "*shape"], threshold: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """``sign(s) max(|s| - threshold, 0)``."""
    return jnp.sign(s) * jnp.maximum(jnp.abs(s) - threshold, 0)
