"""Variational Sparse Coding with a linear decoder and no encoder: sparse coding proper.

The model of Olshausen and Field (Nature 1996) and of S3C (Goodfellow, Courville and Bengio, ICML 2012): one
spike-and-slab prior, whose rate and slab means are learned, and a Gaussian likelihood. Its bound is known in
closed form, so that training draws no samples.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from vsc_jax import losses
from vsc_jax.models.inference import check_steps, coordinate_ascent
from vsc_jax.models.inputs import as_examples, as_inputs
from vsc_jax.models.nets.dictionary import Dictionary
from vsc_jax.models.nets.likelihoods import Gaussian
from vsc_jax.models.objective import PACE, Coefficients, Metrics, Scalar, Terms
from vsc_jax.models.vsc import VSC, Posterior
from vsc_jax.spike_slab import SpikeSlab

# While atoms are not learned yet, a posterior that is found too well explains the data with the wrong ones.
_FIRST_SWEEPS, _LAST_SWEEPS = 5, 20  # of training
_SWEEPS = 30
_SEARCHED = (0.5, 0.7)  # progress of training within which the sweeps grow in number
_ASKED = (0.5, 0.7)  # and within which the number of active latents comes to be the one that was asked for
# Of the rate's logit: where that is not enough, more makes dense codes, whichever way it goes.
_REACH = (-3.0, 3.0)


class LinearVSC(VSC):
    """A :class:`VSC` whose posterior is found by coordinate ascent (:mod:`vsc_jax.models.inference`).

    Args:
      decoder: a Gaussian likelihood on a :class:`Dictionary`.
      weights: one over each feature's deviation, by which it is multiplied where a code is looked for.
      latents: number of latents J.
      rate: ``alpha``, ``active`` and ``learned_rate`` of :class:`VSC`.
    """

    decoder: Gaussian

    def __init__(self, decoder: Gaussian, weights: Float[Array, " features"], *, latents: int, **rate: Any):
        super().__init__(None, decoder, None, None, latents=latents, **rate)
        decoder.start_at(-2 * jnp.log(weights))  # all of the data: much more, and no latent pays for itself
        self.weights = nnx.Param(weights)  # no gradient reaches it
        self.raw_mean = nnx.Param(jnp.zeros(latents, jnp.float32))

    @property
    def dictionary(self) -> Dictionary:
        """The decoder's atoms and bias."""
        trunk = self.decoder.trunk
        assert isinstance(trunk, Dictionary)
        return trunk

    def components(self, alpha: ArrayLike | None = None) -> SpikeSlab:
        """The prior, fields ``[1, latents]``: learned slab means; variance 1, if atoms are not normalized."""
        prior = super().components(alpha)
        mean, log_var = self.raw_mean[...][None], prior.log_var
        if self.dictionary.unit_norm:
            norms = self.dictionary.norms[None]
            mean, log_var = mean * norms, 2 * jnp.log(norms)
        return SpikeSlab(mean, log_var, prior.gate_logit)

    def encode(
        self, x: Any, *, refine: int | None = None, observed: Bool[Array, "n ..."] | None = None
    ) -> SpikeSlab:
        """Posterior q(z|x), fields ``[n, latents]``.

        Args:
          x: examples ``[n, *example_shape]``.
          refine: sweeps of coordinate ascent beyond the usual ones.
          observed: which values are known, shape of ``x``; the posterior is that given these alone, exactly,
            whatever the others are. All, if not given.

        Raises:
          UserError: if ``refine`` is no whole number, 0 or more.
        """
        steps = self.refinement if refine is None else check_steps(refine)
        if observed is None:
            return self._infer(x, steps)
        x = as_inputs(jnp.where(observed, x, 0), self.decoder)
        return self._posterior(x, self.components(), _SWEEPS + steps, observed.reshape(x.shape[0], -1))

    def _infer(self, x: Any, steps: int) -> SpikeSlab:
        return self._posterior(as_inputs(x, self.decoder), self.components(), _SWEEPS + steps)

    def fill(self, x: Any) -> Float[Array, "n ..."]:
        """Examples with what is missing put in: its mean under the posterior given what is there.

        Args:
          x: examples ``[n, *example_shape]`` with NaN where a value is missing.
        """
        x = as_examples(x, self.decoder.example_shape)
        observed = ~jnp.isnan(x)
        q = self.encode(x, observed=observed)
        return jnp.where(observed, x, self.decode(q.gamma * q.mean))

    def under_noise(self, x: Array, q: Posterior, noise: Float[Array, " n"]) -> SpikeSlab:
        """The posteriors of examples with Gaussian noise of these deviations beside the model's own."""
        sweeps = _SWEEPS + self.refinement
        return self._posterior(as_inputs(x, self.decoder), self.components(), sweeps, added=noise)

    def _posterior(
        self,
        x: Array,
        prior: SpikeSlab,
        sweeps: int | Array,
        observed: Array | None = None,
        added: Array | float = 0.0,
    ) -> SpikeSlab:
        x = x.reshape(x.shape[0], -1) - self.dictionary.bias[None]
        weights = jax.lax.stop_gradient(self.weights[...])
        # One variance for all features: those that are predicted well would else take over the code.
        noise = jnp.mean(jnp.exp(self.decoder.log_var) * jnp.square(weights))
        noise = noise + jnp.square(added) * jnp.mean(jnp.square(weights))
        prior = SpikeSlab(*(field[0] for field in prior))
        atoms = self.dictionary.atoms * weights[None]
        return coordinate_ascent(x * weights[None], atoms, noise, prior, sweeps, observed)

    def terms(self, x: Any, key: PRNGKeyArray) -> Terms:
        """Parts of the bound of each example, in nats; exact, so that ``key`` is not used."""
        del key
        q = self._infer(x, self.refinement)
        return self._terms(as_inputs(x, self.decoder), q, self.components())

    def _terms(self, x: Array, q: SpikeSlab, prior: SpikeSlab) -> Terms:
        kl = jnp.sum(losses.spike_slab_kl(q, prior), axis=-1)
        return Terms(self._expected_log_likelihood(x.reshape(x.shape[0], -1), q), kl, jnp.zeros_like(kl))

    def _expected_log_likelihood(self, x: Float[Array, "n features"], q: SpikeSlab) -> Float[Array, " n"]:
        log_var = jnp.broadcast_to(self.decoder.log_var, x.shape)
        mean = self.dictionary(q.gamma * q.mean)
        at_mean = jnp.sum(losses.gaussian_log_likelihood(mean, log_var, x), axis=-1)
        variance = q.gamma * (jnp.exp(q.log_var) + (1 - q.gamma) * jnp.square(q.mean))
        precision = jnp.exp(-self.decoder.log_var)
        weight = jnp.sum(jnp.square(self.dictionary.atoms) * precision[None], axis=1)
        return at_mean - 0.5 * jnp.matmul(variance, weight, precision=jax.lax.Precision.HIGHEST)

    def objective(self, x: Any, key: PRNGKeyArray, coefficients: Coefficients) -> tuple[Scalar, Metrics]:
        """Loss of a batch, to be minimized, and its parts (means over the batch, in nats)."""
        del key
        x = self.decoder.scaled(as_examples(x, self.decoder.example_shape))
        prior = self.components(coefficients.alpha)
        grown = _share(coefficients.progress, _SEARCHED)
        sweeps = jnp.round(_FIRST_SWEEPS + grown * (_LAST_SWEEPS - _FIRST_SWEEPS)).astype(jnp.int32)
        q = jax.lax.stop_gradient(self._posterior(x, prior, sweeps))
        # A number that is asked for from the start makes dense codes of atoms that are not learned yet.
        pulled = _share(coefficients.progress, _ASKED)
        if self.active is not None and self.raw_rate is not None:
            learned = PACE * (1 - pulled) * (self.raw_rate[...] - jax.lax.stop_gradient(self.raw_rate[...]))
            prior = prior._replace(gate_logit=prior.gate_logit + learned)
        terms = self._terms(x, q, prior)
        reconstruction, kl = jnp.mean(terms.reconstruction), jnp.mean(terms.kl)
        active = jnp.mean(jnp.sum(q.gate_logit > 0, axis=-1), dtype=jnp.float32)
        metrics = {
            "elbo": reconstruction - kl,
            "reconstruction": reconstruction,
            "kl": kl,
            "selection_kl": jnp.mean(terms.selection_kl),
            "active_per_image": active,
        }
        return kl - reconstruction + pulled * self.pull(active, _REACH), metrics


def _share(progress: ArrayLike, part: tuple[float, float]) -> Scalar:
    """How much of a part of training is done."""
    begin, end = part
    return jnp.clip((jnp.asarray(progress, jnp.float32) - begin) / (end - begin), 0, 1)
