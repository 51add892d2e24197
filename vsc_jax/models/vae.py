"""The Gaussian variational autoencoder, with beta-VAE and beta-TCVAE as weights of its objective.

Kingma and Welling, ICLR 2014; Higgins et al., ICLR 2017 (beta); Chen et al., NeurIPS 2018 (TC).
"""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.losses import gaussian_kl, gaussian_log_likelihood, total_correlation
from vsc_jax.models.inference import fill
from vsc_jax.models.inputs import NOISY_SHARE, as_examples, as_inputs, noisy_inputs
from vsc_jax.models.nets import Decoder, Trunk
from vsc_jax.models.objective import Coefficients, Metrics, Scalar, Terms, bounded_log_var, noise_kl


class Gaussian(NamedTuple):
    """Independent Gaussians; ``mean`` and ``log_var`` are ``[..., latents]``."""

    mean: Float[Array, "*batch latents"]
    log_var: Float[Array, "*batch latents"]

    def sample(self, key: PRNGKeyArray, *, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Reparameterised draws ``[*sample_shape, ..., latents]``."""
        shape = (*sample_shape, *self.mean.shape)
        noise = jax.random.normal(key, shape, self.mean.dtype)
        mean, log_var = (jnp.broadcast_to(field, shape) for field in self)
        return mean + jnp.exp(0.5 * log_var) * noise


class VAE(nnx.Module):
    """Variational autoencoder with a standard-normal prior.

    Args:
      encoder: network ``[n, ...] -> [n, 2 * latents]``.
      decoder: network and likelihood.
      latents: number of latents J.
      dataset_size: number of training examples, for the total-correlation estimate.
      use_tc: whether the objective holds the total-correlation term.
      noise: that posteriors learn to stand (:func:`vsc_jax.models.inputs.noisy_inputs`).
    """

    variational: ClassVar[bool] = True
    gated: ClassVar[bool] = False

    def __init__(
        self,
        encoder: Trunk,
        decoder: Decoder,
        *,
        latents: int,
        dataset_size: int = 1,
        use_tc: bool = False,
        noise: float = 0.0,
    ):
        self.encoder = encoder
        self.decoder = decoder
        self.latents = latents
        self.dataset_size = dataset_size
        self.use_tc = use_tc
        self.noise = noise

    def encode(self, x: Any) -> Gaussian:
        """Posterior q(z|x), fields ``[n, latents]``."""
        return self._encode(as_inputs(x, self.decoder))

    def _encode(self, inputs: Array) -> Gaussian:
        mean, log_var = jnp.split(self.encoder(inputs), 2, axis=-1)
        return Gaussian(mean, bounded_log_var(log_var))

    def code(self, x: Any) -> Float[Array, "n latents"]:
        """The deterministic code of each example, ``[n, latents]``: the posterior mean."""
        return self.encode(x).mean

    def decode(self, z: ArrayLike, x: Any = None) -> Float[Array, "..."]:
        """``E[x|z]``, ``[..., latents] -> [..., *example_shape]``; counts have the totals of ``x``."""
        x = None if x is None else as_examples(x, self.decoder.example_shape)
        return self.decoder.mean(jnp.asarray(z, jnp.float32), x)

    def reconstruct(self, x: Any) -> Float[Array, "n ..."]:
        """Mean reconstruction of each example from its posterior mean."""
        return self.decode(self.code(x), x)

    def fill(self, x: Any) -> Float[Array, "n ..."]:
        """Examples with what is missing put in: its mean, given what is there.

        The mean is over posteriors from several starts (:func:`vsc_jax.models.inference.filled`).

        Args:
          x: examples ``[n, *example_shape]`` with NaN where a value is missing.
        """
        return fill(self, x)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n ..."]:
        """``E[x|z]`` for ``n`` draws of z from the prior."""
        return self.decode(jax.random.normal(key, (n, self.latents), jnp.float32))

    def sample_like(self, x: Any, n: int, key: PRNGKeyArray) -> Float[Array, "examples n ..."]:
        """``E[x|z]`` of ``n`` draws from the prior for each example: every latent is on, so nothing is kept.

        Returns:
          ``[examples, n, *example_shape]``, as the VSC's that keeps which latents are on.
        """
        examples = as_inputs(x, self.decoder).shape[0]
        return self.decode(jax.random.normal(key, (examples, n, self.latents), jnp.float32))

    def terms(self, x: Any, key: PRNGKeyArray) -> Terms:
        """Parts of the bound of each example, from one posterior sample; in nats."""
        x = as_examples(x, self.decoder.example_shape)
        return self._terms(x, self.encode(x), key)[0]

    def _terms(self, x: Array, q: Gaussian, key: PRNGKeyArray) -> tuple[Terms, Array]:
        z = q.sample(key)
        kl = jnp.sum(gaussian_kl(*q, jnp.zeros_like(q.mean), jnp.zeros_like(q.mean)), axis=-1)
        return Terms(self.decoder.log_likelihood(z, x), kl, jnp.zeros_like(kl)), z

    def bounds(self, x: Any, key: PRNGKeyArray) -> dict[str, Float[Array, " n"]]:
        """``elbo``, ``reconstruction`` and ``kl`` of each example, ``[n]`` each, in nats."""
        terms = self.terms(x, key)
        elbo = terms.reconstruction - terms.kl
        return {"elbo": elbo, "reconstruction": terms.reconstruction, "kl": terms.kl}

    def sampled_code(self, x: Any, key: PRNGKeyArray) -> tuple[Array, Array, Array]:
        """Posterior mean, gate probability (1) and a sample of each latent, ``[n, latents]`` each."""
        q = self.encode(x)
        return q.mean, jnp.ones_like(q.mean), q.sample(key)

    def selections(self, x: Any) -> None:
        """Nothing: there are no pseudo-inputs."""

    def latent_kl(self, x: Any) -> Float[Array, "n latents"]:
        """Divergence of each latent from the prior, in nats."""
        q = self.encode(x)
        return gaussian_kl(*q, jnp.zeros_like(q.mean), jnp.zeros_like(q.mean))

    def log_importance_weights(
        self, x: Any, key: PRNGKeyArray, samples: int, q: Gaussian | None = None
    ) -> Float[Array, "samples n"]:
        """``log p(x|z) + log p(z) - log q(z|x)`` of samples of the posterior, or of ``q``, in nats."""
        x = as_examples(x, self.decoder.example_shape)
        q = self.encode(x) if q is None else q
        z = q.sample(key, sample_shape=(samples,))
        zero = jnp.zeros_like(z)
        mean, log_var = (jnp.broadcast_to(field, z.shape) for field in q)
        log_ratio = gaussian_log_likelihood(zero, zero, z) - gaussian_log_likelihood(mean, log_var, z)
        return self.decoder.log_likelihood(z, x) + jnp.sum(log_ratio, axis=-1)

    def objective(self, x: Any, key: PRNGKeyArray, coefficients: Coefficients) -> tuple[Scalar, Metrics]:
        """Loss of a batch, to be minimised, and its parts (means over the batch, in nats)."""
        inputs = as_inputs(x, self.decoder)
        q = self._encode(inputs)
        x = as_examples(x, self.decoder.example_shape)
        terms, z = self._terms(x, q, key)
        reconstruction, kl = jnp.mean(terms.reconstruction), jnp.mean(terms.kl)
        loss = coefficients.kl_weight * kl - reconstruction
        metrics = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
        if self.noise:
            # The sample's key stays what it is without noise.
            noise_key = jax.random.fold_in(jax.random.clone(key), 1)
            noisy = noisy_inputs(inputs, self.decoder, noise_key, self.noise)
            metrics["noise_kl"] = noise_kl(lambda q, p: gaussian_kl(*q, *p), q, self._encode(noisy))
            loss = loss + NOISY_SHARE * coefficients.kl_weight * metrics["noise_kl"]
        if self.use_tc:
            metrics["total_correlation"] = jnp.mean(total_correlation(z, *q, self.dataset_size))
            loss = loss + coefficients.tc_weight * metrics["total_correlation"]
        return loss, metrics
