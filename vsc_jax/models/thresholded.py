"""Variational Sparse Coding by soft thresholds in place of gates (:mod:`vsc_jax.soft_threshold`)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.special import ndtri
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from vsc_jax.models.nets import Decoder, Trunk
from vsc_jax.models.objective import PACE, bounded_log_var
from vsc_jax.models.vsc import VSC
from vsc_jax.soft_threshold import SoftThreshold


class ThresholdedVSC(VSC):
    """A :class:`VSC` whose code is a soft-thresholded Gaussian; the prior is so of a standard normal.

    Every latent has a threshold, beyond which the prior lies at its rate. Where alpha is not given, the
    thresholds are learned with the bound; with ``active`` all but their common level are.

    Args:
      encoder: network ``[n, ...] -> [n, 2 * latents]``.
      decoder: network and likelihood.
      latents: number of latents J.
      learned_rate: whether the thresholds are learned.
      rate: ``alpha`` and ``active`` of :class:`VSC`.
    """

    def __init__(
        self, encoder: Trunk, decoder: Decoder, *, latents: int, learned_rate: bool = False, **rate: Any
    ):
        super().__init__(encoder, decoder, None, None, latents=latents, **rate)
        self.raw_thresholds = nnx.Param(jnp.zeros(latents, jnp.float32)) if learned_rate else None

    def components(self, alpha: ArrayLike | None = None) -> SoftThreshold:
        """The prior, a ``SoftThreshold`` of fields ``[1, latents]``."""
        zeros = jnp.zeros((1, self.latents), jnp.float32)
        return SoftThreshold(zeros, zeros, self.thresholds(alpha)[None])

    def thresholds(self, alpha: ArrayLike | None = None) -> Float[Array, " latents"]:
        """The threshold of each latent."""
        assert self.alpha is not None
        logit = self._rate_logit(self.alpha if alpha is None else alpha)
        own = jnp.zeros(self.latents, jnp.float32)
        if self.raw_thresholds is not None:
            own = PACE * self.raw_thresholds[...]
            own = own if self.active is None else own - jnp.mean(own)
        return -ndtri(0.5 * jax.nn.sigmoid(logit + own))

    def _amortized(self, inputs: Array, alpha: ArrayLike | None = None) -> SoftThreshold:
        assert self.encoder is not None
        location, log_var = jnp.split(self.encoder(inputs), 2, axis=-1)
        threshold = jnp.broadcast_to(self.thresholds(alpha), location.shape)
        return SoftThreshold(location, bounded_log_var(log_var), threshold)

    def _warmed(self, q: Any, warm_up: ArrayLike) -> Any:
        return q
