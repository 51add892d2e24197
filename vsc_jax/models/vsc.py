"""Variational Sparse Coding: spike-and-slab posterior, pseudo-input or fixed spike-and-slab prior.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax import losses
from vsc_jax.config.choices import Gate
from vsc_jax.losses.kl import slab_kl
from vsc_jax.models.inference import (
    check_steps,
    denoised,
    deviation_of,
    fill,
    hard_code,
    refine_each,
    refined_posterior,
)
from vsc_jax.models.inputs import NOISY_SHARE, as_examples, as_inputs, noisy_inputs
from vsc_jax.models.nets import Classifier, Components, Decoder, PseudoInputs, Trunk
from vsc_jax.models.objective import PACE, Coefficients, Metrics, Scalar, Terms, bounded_log_var, noise_kl
from vsc_jax.soft_threshold import SoftThreshold
from vsc_jax.spike_slab import SpikeSlab, blend_gates, log_prob_matrix, sample_given_support

PAPER_SELECTION_SLOPE = 60.0
Posterior = SpikeSlab | SoftThreshold
# How far the rate's logit may go for a number that was asked for: a rate of 1 has no finite loss.
_REACH = (-60.0, 10.0)
_DENOISING_STEPS = 20


class Selection(NamedTuple):
    """How the components of the prior are weighted for each example.

    Attributes:
      weights: ``[batch, components]``, as they multiply the divergences; ``paper`` weights need not
        sum to one.
      kl: the divergence that training uses, ``[batch]``, in nats.
      selection_kl: ``KL(w || uniform)``, ``[batch]``, in nats.
    """

    weights: Float[Array, "batch components"]
    kl: Float[Array, " batch"]
    selection_kl: Float[Array, " batch"]


def exact_selection(component_kl: Float[Array, "batch components"]) -> Selection:
    """The weights of the tightest bound, proportional to ``exp(-KL_u)``."""
    log_weights = losses.exact_selection(component_kl)
    return Selection(jnp.exp(log_weights), losses.mixture_kl(component_kl), losses.selection_kl(log_weights))


def soft_selection(
    component_kl: Float[Array, "batch components"], logits: Float[Array, "batch components"]
) -> Selection:
    """The classifier's softmax as q(u|x); a true bound."""
    log_weights = jax.nn.log_softmax(logits)
    weights = jnp.exp(log_weights)
    selection_kl = losses.selection_kl(log_weights)
    return Selection(weights, jnp.sum(weights * component_kl, axis=-1) + selection_kl, selection_kl)


def hard_selection(
    component_kl: Float[Array, "batch components"], logits: Float[Array, "batch components"]
) -> Selection:
    """The classifier's first choice alone, with the softmax's gradient; a true bound."""
    soft = jax.nn.softmax(logits)
    hard = jax.nn.one_hot(jnp.argmax(logits, axis=-1), logits.shape[-1], dtype=logits.dtype)
    weights = hard + (soft - jax.lax.stop_gradient(soft))
    selection_kl = jnp.full(logits.shape[0], math.log(logits.shape[-1]), logits.dtype)
    return Selection(weights, jnp.sum(weights * component_kl, axis=-1) + selection_kl, selection_kl)


def paper_selection(
    component_kl: Float[Array, "batch components"], logits: Float[Array, "batch components"]
) -> Selection:
    """The paper's: outputs of unit sum, sharpened by ``S(60 (w - 1/2))``, no price for the choice.

    Its ``kl`` is up to ``log U`` below that of a bound.
    """
    weights = jax.nn.sigmoid(PAPER_SELECTION_SLOPE * (jax.nn.softmax(logits) - 0.5))
    log_weights = jax.nn.log_softmax(jnp.log(weights))
    return Selection(weights, jnp.sum(weights * component_kl, axis=-1), losses.selection_kl(log_weights))


_LEARNED_SELECTIONS: dict[str, Callable[[Array, Array], Selection]] = {
    "soft": soft_selection,
    "hard": hard_selection,
    "paper": paper_selection,
}


class VSC(nnx.Module):
    """Variational Sparse Coding.

    With pseudo-inputs the prior is the equal mixture of their posteriors, or of spike-and-slabs that have
    their gates and standard-normal slabs; without, it is one spike-and-slab of rate alpha with
    standard-normal slabs. Each is a set of components (:meth:`components`), the last of size one.

    Args:
      encoder: network ``[n, ...] -> [n, 3 * latents]``.
      decoder: network and likelihood.
      pseudo_inputs: U learned examples, or U learned components, or None for the fixed prior.
      classifier: selects among the pseudo-inputs; None for the fixed prior.
      latents: number of latents J.
      alpha: rate of the fixed prior.
      active: number of latents to be on in an example, on average: alpha, or the sparsity term's target, is
        moved in training until it is so. None leaves them as they are.
      learned_rate: whether the rate of the fixed prior is learned with the bound, if ``active`` is None.
      gate: estimator of the gates in training.
      family: of the code, :class:`SpikeSlab` or ``SpikeLaplace``.
      prior_slabs: ``pseudo`` or ``standard``: the slabs of the pseudo-inputs' components.
      selection: ``exact``, ``soft``, ``hard`` or ``paper``.
      initial_gate_logit: added to the encoder's gate outputs.
      weigh_slab_kl: whether the slab's divergence is weighted by gamma, as it should be.
      noise: that posteriors learn to stand (:func:`vsc_jax.models.inputs.noisy_inputs`).
    """

    variational: ClassVar[bool] = True
    gated: ClassVar[bool] = True
    refinement = 0  # steps by which posteriors are improved

    def __init__(
        self,
        encoder: Trunk | None,
        decoder: Decoder,
        pseudo_inputs: PseudoInputs | Components | None,
        classifier: Classifier | None,
        *,
        latents: int,
        alpha: float,
        active: float | None = None,
        learned_rate: bool = False,
        gate: Gate = "concrete",
        family: type[SpikeSlab] = SpikeSlab,
        prior_slabs: str = "pseudo",
        selection: str = "exact",
        initial_gate_logit: float = 1.0,
        weigh_slab_kl: bool = True,
        noise: float = 0.0,
    ):
        self.encoder = encoder
        self.decoder = decoder
        self.pseudo_inputs = pseudo_inputs
        self.classifier = classifier
        self.latents = latents
        # Pseudo-inputs make do without: models of all rates are then of one structure, compiled once.
        self.alpha = alpha if pseudo_inputs is None else None
        self.active = active
        moved = learned_rate or active is not None
        self.raw_rate = nnx.Param(jnp.float32(0)) if moved else None
        self.gate: Gate = gate
        self.family = family
        self.prior_slabs = prior_slabs
        self.selection = selection
        self.initial_gate_logit = initial_gate_logit
        self.weigh_slab_kl = weigh_slab_kl
        self.noise = noise

    def encode(self, x: Any, *, refine: int | None = None) -> Posterior:
        """Posterior q(z|x), fields ``[n, latents]``.

        Args:
          x: examples ``[n, *example_shape]``.
          refine: steps by which the encoder's posterior is improved on each example's own bound
            (:func:`vsc_jax.models.inference.refine`); if not given, as many as :func:`refined` said, or none.

        Raises:
          UserError: if ``refine`` is no whole number, 0 or more.
        """
        return self._infer(x, self.refinement if refine is None else check_steps(refine))

    def _infer(self, x: Any, steps: int) -> Any:
        q = self._amortized(as_inputs(x, self.decoder))
        return refined_posterior(self, as_examples(x, self.decoder.example_shape), q, steps) if steps else q

    def _amortized(self, inputs: Array, alpha: ArrayLike | None = None) -> Any:
        assert self.encoder is not None
        mean, log_var, gate_logit = jnp.split(self.encoder(inputs), 3, axis=-1)
        return self.family(mean, bounded_log_var(log_var), gate_logit + self.initial_gate_logit)

    def code(self, x: Any) -> Float[Array, "n latents"]:
        """The deterministic sparse code of each example: its mean where gamma > 1/2, else exactly 0."""
        return hard_code(self.encode(x))

    def decode(self, z: ArrayLike, x: Any = None) -> Float[Array, "..."]:
        """``E[x|z]``, ``[..., latents] -> [..., *example_shape]``; counts have the totals of ``x``."""
        x = None if x is None else as_examples(x, self.decoder.example_shape)
        return self.decoder.mean(jnp.asarray(z, jnp.float32), x)

    def reconstruct(self, x: Any) -> Float[Array, "n ..."]:
        """Mean reconstruction of each example from its deterministic sparse code."""
        return self.decode(self.code(x), x)

    def denoise(self, x: Any, noise: Any = "auto") -> Float[Array, "n ..."]:
        """What noisy examples are without their noise: ``E[x|z]`` at codes found under that noise.

        The posterior is improved by 20 steps (:func:`vsc_jax.models.inference.refine`) on the bound in which
        a noisy value is Gaussian about ``E[x|z]``.

        Args:
          x: noisy examples ``[n, *example_shape]``; what is beyond the range of the data is cut off.
          noise: standard deviation of the noise, in the units in which the model sees the data; ``auto``
            takes for each example the root mean square of what the encoder's code leaves over.

        Raises:
          UserError: if ``noise`` is neither ``auto`` nor a number above 0, or a value is missing.
        """
        x = jnp.clip(as_examples(x, self.decoder.example_shape), *self.decoder.limits)
        as_inputs(x, self.decoder)
        return denoised(*nnx.split(self), x, jnp.full(len(x), deviation_of(noise), x.dtype))

    def fill(self, x: Any) -> Float[Array, "n ..."]:
        """Examples with what is missing put in: its mean, given what is there.

        The mean is over posteriors from several starts (:func:`vsc_jax.models.inference.filled`).

        Args:
          x: examples ``[n, *example_shape]`` with NaN where a value is missing.
        """
        return fill(self, x)

    def under_noise(self, x: Array, q: Posterior, noise: Float[Array, " n"]) -> Posterior:
        """The posteriors of examples with Gaussian noise of these deviations, from ``q`` on."""
        scaled = self.decoder.scaled

        def log_likelihood(z: Array, x: Array, noise: Array) -> Array:
            left = scaled(self.decode(z, x)) - scaled(x)
            return -0.5 * jnp.sum(jnp.square(left), axis=tuple(range(1, left.ndim))) / jnp.square(noise)

        return refine_each(q, self.components(), log_likelihood, _DENOISING_STEPS, x, noise)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n ..."]:
        """``E[x|z]`` for ``n`` draws of z from the prior, gates hard."""
        component_key, code_key = jax.random.split(key)
        prior = self.components()
        chosen = jax.random.randint(component_key, (n,), 0, prior.mean.shape[0], jnp.int32)
        return self.decode(jax.tree.map(lambda field: field[chosen], prior).sample(code_key))

    def sample_like(self, x: Any, n: int, key: PRNGKeyArray) -> Float[Array, "examples n ..."]:
        """``E[x|z]`` of ``n`` new codes for each example: the latents that it has on, new values.

        On is gamma > 1/2, as in :meth:`code`; the values are drawn from the prior given that pattern.

        Args:
          x: examples ``[examples, *example_shape]``.
          n: draws for each.
          key: a JAX random key.

        Returns:
          ``[examples, n, *example_shape]``.
        """
        return self.decode(sample_given_support(self.components(), self.encode(x).gate_logit > 0, key, n))

    def components(self, alpha: ArrayLike | None = None) -> Posterior:
        """The components of the prior, fields ``[components, latents]``.

        Args:
          alpha: rate of the fixed prior in place of the model's own; ignored with pseudo-inputs.
        """
        if self.pseudo_inputs is not None:
            components = self._amortized(as_inputs(self.pseudo_inputs(), self.decoder))
            if isinstance(self.pseudo_inputs, Components):
                components = self.pseudo_inputs.moved(components)
            if self.prior_slabs == "pseudo":
                return components
            zeros = jnp.zeros_like(components.mean)
            return self.family(zeros, zeros, components.gate_logit)
        assert self.alpha is not None
        zeros = jnp.zeros((1, self.latents), jnp.float32)
        logit = self._rate_logit(self.alpha if alpha is None else alpha)
        return self.family(zeros, zeros, jnp.broadcast_to(logit, zeros.shape))

    def _rate_logit(self, alpha: ArrayLike) -> Scalar:
        rate = jnp.asarray(alpha, jnp.float32)
        logit = jnp.log(rate) - jnp.log1p(-rate)
        if self.raw_rate is None:
            return logit
        moved = PACE * self.raw_rate[...]
        # The bound does not decide about a number that was asked for.
        return logit + (moved if self.active is None else jax.lax.stop_gradient(moved))

    def pull(self, on: Scalar, reach: tuple[float, float] = _REACH) -> Scalar:
        """A term of value 0 whose gradient moves the rate until ``on`` latents are the ``active`` ones.

        Its logit stays within ``reach`` of where it started.
        """
        if self.active is None:
            return jnp.float32(0)
        assert self.raw_rate is not None
        rate = self.raw_rate[...]
        off = PACE * self.latents * jnp.log((on + 0.01) / self.active)  # of the size of the bound's gradient
        moved = PACE * rate
        off = jnp.clip(off, jnp.where(moved > reach[1], 0, -jnp.inf), jnp.where(moved < reach[0], 0, jnp.inf))
        return (rate - jax.lax.stop_gradient(rate)) * jax.lax.stop_gradient(off)

    def select(self, x: Any, component_kl: Float[Array, "n components"], how: str | None = None) -> Selection:
        """Weights of the prior's components for each example.

        Args:
          x: examples ``[n, *example_shape]``.
          component_kl: divergence of each posterior to each component.
          how: a selection in place of the model's own.
        """
        how = how or self.selection
        if how == "exact" or self.classifier is None:
            return exact_selection(component_kl)
        return _LEARNED_SELECTIONS[how](component_kl, self.classifier(as_inputs(x, self.decoder)))

    def terms(self, x: Any, key: PRNGKeyArray) -> Terms:
        """Parts of the true bound of each example: hard gates, exact selection; in nats."""
        x = as_examples(x, self.decoder.example_shape)
        q = self.encode(x)
        selection = exact_selection(losses.spike_slab_kl_matrix(q, self.components()))
        reconstruction = self.decoder.log_likelihood(q.sample(key), x)
        return Terms(reconstruction, selection.kl, selection.selection_kl)

    def selection_terms(self, x: Any, how: str) -> Selection:
        """Weights and divergences of each example under one of the four selections; in nats."""
        return self.select(x, losses.spike_slab_kl_matrix(self.encode(x), self.components()), how)

    def bounds(self, x: Any, key: PRNGKeyArray) -> dict[str, Float[Array, " n"]]:
        """The true bound and its parts for each example, ``[n]`` each, in nats.

        ``elbo`` takes the exact weights of the prior's components; ``selection_kl`` is a part of ``kl``. With
        a classifier also the bound with its weights as ``elbo_classifier`` and the paper's objective, which
        is no bound, as ``paper_objective``.
        """
        terms = self.terms(x, key)
        reconstruction = terms.reconstruction
        named = {
            "elbo": reconstruction - terms.kl,
            "reconstruction": reconstruction,
            "kl": terms.kl,
            "selection_kl": terms.selection_kl,
        }
        if self.classifier is not None:
            named["elbo_classifier"] = reconstruction - self.selection_terms(x, "soft").kl
            named["paper_objective"] = reconstruction - self.selection_terms(x, "paper").kl
        return named

    def sampled_code(self, x: Any, key: PRNGKeyArray) -> tuple[Array, Array, Array]:
        """Slab mean, gate probability and a hard sample of each latent, ``[n, latents]`` each."""
        q = self.encode(x)
        return q.mean, q.gamma, q.sample(key)

    def selections(self, x: Any) -> tuple[Array, Array, Array, dict[str, Array]] | None:
        """How each example weighs the pseudo-inputs; None for the fixed prior.

        Returns:
          Exact weights ``[n, components]``; the first choice ``[n]`` of the model's own selection; that of
          the classifier; and by selection the divergence ``[n]`` of a true bound with its weights, in nats.
        """
        if self.classifier is None:
            return None
        component_kl = losses.spike_slab_kl_matrix(self.encode(x), self.components())
        selections = {how: self.select(x, component_kl, how) for how in ("exact", "soft", "hard", "paper")}
        kl = {}
        for how, selection in selections.items():
            # The paper's weights need not sum to one; a bound's do.
            weights = selection.weights / jnp.sum(selection.weights, axis=-1, keepdims=True)
            kl[how] = jnp.sum(weights * component_kl, axis=-1) + selection.selection_kl
        own = jnp.argmax(selections[self.selection].weights, axis=-1)
        classifier = jnp.argmax(selections["hard"].weights, axis=-1)
        return selections["exact"].weights, own, classifier, kl

    def latent_kl(self, x: Any) -> Float[Array, "n latents"]:
        """Divergence of each latent from the nearest component of the prior, in nats."""
        q, prior = self.encode(x), self.components()
        nearest = jnp.argmin(losses.spike_slab_kl_matrix(q, prior), axis=-1)
        return losses.spike_slab_kl(q, jax.tree.map(lambda field: field[nearest], prior))

    def log_importance_weights(
        self, x: Any, key: PRNGKeyArray, samples: int, q: Posterior | None = None
    ) -> Float[Array, "samples n"]:
        """``log p(x|z) + log p(z) - log q(z|x)`` of hard posterior samples, in nats.

        Densities are with respect to the mixed measure (mass at 0, Lebesgue elsewhere), and the prior
        is the exact mixture. ``q`` is the posterior of the examples, where it is known.
        """
        x = as_examples(x, self.decoder.example_shape)
        q = self.encode(x) if q is None else q
        z = q.sample(key, sample_shape=(samples,))
        flat = z.reshape(-1, self.latents)
        log_prior = losses.mixture_log_prob(log_prob_matrix(self.components(), flat)).reshape(z.shape[:-1])
        log_posterior = jnp.sum(q.log_prob(z), axis=-1)
        return self.decoder.log_likelihood(z, x) + log_prior - log_posterior

    def objective(self, x: Any, key: PRNGKeyArray, coefficients: Coefficients) -> tuple[Scalar, Metrics]:
        """Loss of a batch, to be minimised, and its parts (means over the batch, in nats)."""
        inputs = as_inputs(x, self.decoder)
        x = as_examples(x, self.decoder.example_shape)
        posterior = self._amortized(inputs, coefficients.alpha)
        prior: Any = self.components(coefficients.alpha)
        q = self._warmed(posterior, coefficients.warm_up)
        p = prior
        if self.pseudo_inputs is not None:
            p = prior.warm_up(coefficients.warm_up * (1 - coefficients.slab_blend))
            p = blend_gates(p, coefficients.prior_blend, coefficients.prior_rate)
        z = q.sample(key, gate=self.gate, sharpness=coefficients.sharpness)
        component_kl = self._component_kl(q, p)
        selection = self.select(x, component_kl)
        reconstruction = jnp.mean(self.decoder.log_likelihood(z, x))
        loss = coefficients.kl_weight * jnp.mean(selection.kl) - reconstruction
        # The paper's selection gives no bound; what is called one is that of the best weights.
        bound = exact_selection(component_kl) if self.selection == "paper" else selection
        kl = jnp.mean(bound.kl)
        metrics = {
            "elbo": reconstruction - kl,
            "reconstruction": reconstruction,
            "kl": kl,
            "selection_kl": jnp.mean(bound.selection_kl),
            "active_per_image": jnp.mean(jnp.sum(posterior.gate_logit > 0, axis=-1), dtype=jnp.float32),
        }
        metrics["usage_penalty"] = jnp.sum(losses.usage_penalty(posterior.gate_logit))
        loss = loss + coefficients.usage_weight * metrics["usage_penalty"]
        if self.noise:
            # The sample's key stays what it is without noise.
            noise_key = jax.random.fold_in(jax.random.clone(key), 1)
            noisy = noisy_inputs(inputs, self.decoder, noise_key, self.noise)
            seen = self._amortized(noisy, coefficients.alpha)
            metrics["noise_kl"] = noise_kl(losses.spike_slab_kl, posterior, seen)
            loss = loss + NOISY_SHARE * coefficients.kl_weight * metrics["noise_kl"]
        loss = loss + jnp.minimum(coefficients.sparsity_weight, 1) * self.pull(metrics["active_per_image"])
        if self.selection == "paper" and self.classifier is not None:
            metrics["paper_objective"] = reconstruction - jnp.mean(selection.kl)
        if self.pseudo_inputs is not None:
            gamma = jnp.mean(prior.gamma, axis=-1)
            selected = jnp.matmul(selection.weights, gamma, precision=jax.lax.Precision.HIGHEST)
            mean_gamma = jnp.clip(jnp.mean(selected), 0, 1)
            target = jax.nn.sigmoid(self._rate_logit(coefficients.alpha))
            metrics["sparsity_kl"] = losses.sparsity_kl(mean_gamma, target, self.latents)
            loss = loss + coefficients.sparsity_weight * metrics["sparsity_kl"]
        if self.classifier is not None and self.selection == "exact":
            # The classifier learns the exact weights and gives the rest of the model no gradient.
            target = jax.lax.stop_gradient(selection.weights)
            log_guess = jax.nn.log_softmax(self.classifier(as_inputs(x, self.decoder)))
            metrics["classifier_cross_entropy"] = -jnp.mean(jnp.sum(target * log_guess, axis=-1))
            loss = loss + metrics["classifier_cross_entropy"]
        return loss, metrics

    def _warmed(self, q: Any, warm_up: ArrayLike) -> Any:
        return q.warm_up(warm_up)

    def _component_kl(self, q: Any, p: Any) -> Float[Array, "n components"]:
        if self.weigh_slab_kl:
            return losses.spike_slab_kl_matrix(q, p)
        q, p = jax.tree.map(lambda a: a[:, None], q), jax.tree.map(lambda a: a[None], p)
        return jnp.sum(slab_kl(q, p) + losses.bernoulli_kl(q.gate_logit, p.gate_logit), axis=-1)
