"""Posteriors found on each example's own bound: by coordinate ascent, or as a refinement of an encoder's.

For ``x = z D + noise`` of one variance the bound of a factorized spike-and-slab posterior is known in closed
form, and so are the gate, mean and variance of one latent that are best given all others: Titsias and
Lazaro-Gredilla, *Spike and slab variational inference*, NeurIPS 2011; Goodfellow, Courville and Bengio,
*Large-scale feature learning with spike-and-slab sparse coding*, ICML 2012.

With any other decoder gradient steps improve what the encoder gives: Kim, Wiseman, Miller, Sontag and Rush,
*Semi-Amortized Variational Autoencoders*, ICML 2018.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Shaped

from vsc_jax import losses
from vsc_jax.config.errors import UserError
from vsc_jax.models.inputs import as_examples, as_inputs
from vsc_jax.soft_threshold import SoftThreshold
from vsc_jax.spike_slab import Code, SpikeSlab

_ANNEALED = 0.7  # share of the sweeps in which the noise falls to what it is

_SAMPLES = 8  # of a step of refinement
_STEP_SIZE = 0.1  # Adam's, in the first step; it falls linearly
_SLOPE = 8.0  # of the gates, as at the end of training
_LEAST_NOISE = 1e-3  # that is taken off
_JUDGED = 8  # times _SAMPLES hard ones decide between start and end

_CHAINS = 8  # of filling, over which its result is the mean
_ROUNDS = 20  # of a chain, and steps of the refinement at its end
_OPEN = 30.0  # a gate logit whose gamma is 1 in float32

M = TypeVar("M", bound=nnx.Module)
_Fields = tuple[Array, Array, Array]  # mean, gate logit and code, [latents, n]

_product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def coordinate_ascent(
    x: Float[Array, "n features"],
    atoms: Float[Array, "latents features"],
    noise: Float[Array, "#n"] | Float[Array, ""],
    prior: SpikeSlab,
    sweeps: int | Array,
    observed: Bool[Array, "n features"] | None = None,
) -> SpikeSlab:
    """The spike-and-slab posterior of each example that coordinate ascent on its bound ends in.

    A sweep sets each latent to its best value given all others. The noise starts at the variance that the
    model gives to the data and falls geometrically to its own (deterministic annealing), so that latents are
    not switched on for what another explains better.

    Args:
      x: examples, the decoder's bias taken off.
      atoms: what each latent adds to an example when it is 1.
      noise: variance of every feature given the code, of all examples or of each.
      prior: fields ``[latents]``.
      sweeps: number of sweeps, at least 1; may be traced.
      observed: the values that count; all, if not given.

    Returns:
      Fields ``[n, latents]``. No gradients should be taken through it: those of the bound with the posterior
      held fixed are the bound's own where the posterior is at its best.
    """
    # Of one row for all examples, if all values of all are observed.
    seen = jnp.ones((x.shape[1], 1), x.dtype) if observed is None else observed.astype(x.dtype).T
    square = _product(jnp.square(atoms), seen)
    prior_mean, prior_var = prior.mean[:, None], jnp.exp(prior.log_var)[:, None]
    prior_logit = prior.gate_logit[:, None]
    prior_gate = jax.nn.sigmoid(prior_logit)
    variance = jnp.sum(prior_gate * (prior_var + jnp.square(prior_mean)) * square, axis=0)
    log_share = jnp.log(noise) - jnp.log(noise + variance / jnp.maximum(jnp.sum(seen, axis=0), 1))

    def of_latent(precision: Array, residual: Array, latent: tuple[Array, ...]) -> tuple[Array, _Fields]:
        atom, square, p_mean, p_var, p_logit, before = latent
        var = 1 / (precision * square + 1 / p_var)
        mean = var * (precision * (_product(atom, residual) + square * before) + p_mean / p_var)
        gain = 0.5 * (jnp.square(mean) / var - jnp.square(p_mean) / p_var)
        logit = p_logit + 0.5 * jnp.log(var / p_var) + gain
        code = jax.nn.sigmoid(logit) * mean
        return residual - seen * atom[:, None] * (code - before)[None], (mean, logit, code)

    def sweep(number: Array, state: tuple[Array, _Fields]) -> tuple[Array, _Fields]:
        residual, (_, _, code) = state
        done = number.astype(jnp.float32) / jnp.maximum(jnp.asarray(sweeps, jnp.float32) - 1, 1)
        left = jnp.maximum(0.0, 1 - done / _ANNEALED)
        precision = jnp.exp(left * log_share) / noise
        latents = (atoms, square, prior_mean, prior_var, prior_logit, code)
        return jax.lax.scan(partial(of_latent, precision), residual, latents)

    shape = (atoms.shape[0], x.shape[0])
    fields = (prior_mean, prior_logit, prior_gate * prior_mean)
    start = jax.tree.map(lambda field: jnp.broadcast_to(field, shape), fields)
    residual = (x.T - _product(atoms.T, start[2])) * seen
    _, (mean, logit, _) = jax.lax.fori_loop(0, sweeps, sweep, (residual, start))
    log_var = jnp.broadcast_to(-jnp.log(square / jnp.reshape(noise, (1, -1)) + 1 / prior_var), shape)
    return SpikeSlab(mean.T, log_var.T, logit.T)


def refined(model: M, steps: int) -> M:
    """The same model, which shares its parameters, but for the posteriors that it finds.

    Codes, bounds and reconstructions rest on better posteriors; the prior stays.

    Args:
      model: a :class:`vsc_jax.models.VSC`.
      steps: of :func:`refine`, or more sweeps of :func:`coordinate_ascent`; 0 is the model as it is.

    Raises:
      UserError: if the model has no gates, or ``steps`` is no whole number, 0 or more.
    """
    given: Any = model
    if not given.gated:
        raise UserError(
            f"refine: only a VSC has gates to refine, not a model of class {type(model).__name__}"
        )
    copy: Any = nnx.merge(*nnx.split(model))
    copy.refinement = check_steps(steps)
    return copy


def check_steps(steps: Any) -> int:
    """``steps`` of a refinement, if it is a whole number, 0 or more."""
    if isinstance(steps, bool) or not hasattr(steps, "__index__") or steps < 0:
        raise UserError(f"refine: expected a whole number of steps, 0 or more, got {steps!r}")
    return int(steps)


def refine(
    q: Code,
    prior: Code,
    log_likelihood: Callable[[Float[Array, "samples latents"]], Float[Array, " samples"]],
    steps: int,
) -> Code:
    """The posterior of one example after ``steps`` steps of Adam on the example's own bound.

    Each step draws new samples, by keys that are the same for every example; with one set of samples for all
    steps a posterior would learn these samples. The gates are relaxed. At the end hard samples decide whether
    the start was better.

    Args:
      q: where to start, fields ``[latents]``.
      prior: its components, fields ``[components, latents]``.
      log_likelihood: ``log p(x|z)`` of the example.
      steps: number of steps, at least 1.

    Returns:
      Fields ``[latents]``.
    """
    key, last = jax.random.split(jax.random.key(0))

    def bound(q: Code, key: PRNGKeyArray, **gate: Any) -> Float[Array, ""]:
        kl = losses.mixture_kl(losses.spike_slab_kl_matrix(jax.tree.map(lambda a: a[None], q), prior))[0]
        return jnp.mean(log_likelihood(q.sample(key, sample_shape=(_SAMPLES,), **gate))) - kl

    held = {"threshold": q.threshold} if isinstance(q, SoftThreshold) else {}  # it is the prior's
    adam = optax.scale_by_adam()

    def step(state: tuple[Code, Any], number: Array) -> tuple[tuple[Code, Any], None]:
        now, moments = state
        sampled = partial(bound, key=jax.random.fold_in(key, number), gate="concrete", sharpness=_SLOPE)
        direction, moments = adam.update(jax.grad(sampled)(now), moments)
        size = _STEP_SIZE * (1 - number.astype(jnp.float32) / steps)
        now = jax.tree.map(lambda a, d: a + size * d, now, direction)
        return (now._replace(**held), moments), None

    (end, _), _ = jax.lax.scan(step, (q, adam.init(q)), jnp.arange(steps))
    fresh = jax.random.split(last, _JUDGED)
    gains = jax.lax.map(lambda key: bound(end, key) - bound(q, jax.random.clone(key)), fresh)
    better = jnp.mean(gains) > 0
    return jax.tree.map(lambda new, old: jnp.where(better, new, old), end, q)


def refine_each(
    q: Code, prior: Code, log_likelihood: Callable[..., Array], steps: int, *rows: Shaped[Array, "n ..."]
) -> Code:
    """:func:`refine` of the posterior of every example.

    Args:
      q: fields ``[n, latents]``.
      prior: its components, fields ``[components, latents]``.
      log_likelihood: of codes ``[samples, latents]`` and as many copies of an example's entry of ``rows``.
      steps: number of steps, at least 1.
      rows: what is known of each example.
    """

    def of_row(q: Code, *row: Array) -> Code:
        def of_codes(z: Float[Array, "samples latents"]) -> Float[Array, " samples"]:
            return log_likelihood(z, *(jnp.broadcast_to(entry, (len(z), *entry.shape)) for entry in row))

        return refine(q, prior, of_codes, steps)

    return jax.vmap(of_row)(q, *rows)


def refined_posterior(model: Any, x: Float[Array, "n ..."], q: Code, steps: int) -> Code:
    """The posteriors ``q`` of a model's examples after ``steps`` steps on their own bounds."""
    return _refined(*nnx.split(model), x, q, steps)


@partial(jax.jit, static_argnames=("graph", "steps"))
def _refined(graph: nnx.GraphDef, params: Any, x: Array, q: Code, steps: int) -> Code:
    model = nnx.merge(graph, params)
    return refine_each(q, model.components(), model.decoder.log_likelihood, steps, x)


def hard_code(q: Code) -> Float[Array, "*batch latents"]:
    """The deterministic sparse code of a posterior: its mean where gamma > 1/2, else exactly 0."""
    return jnp.where(q.gate_logit > 0, q.mean, 0)


def deviation_of(noise: Any) -> float:
    """A deviation of noise as a number, NaN for ``auto``; :class:`UserError` for what is neither."""
    if noise == "auto":
        return math.nan
    deviation = float(noise) if hasattr(noise, "__float__") else math.nan
    if not 0 < deviation < math.inf:
        raise UserError(f"noise: expected auto or a number above 0, got {noise!r}")
    return deviation


@partial(jax.jit, static_argnames="graph")
def denoised(graph: nnx.GraphDef, params: Any, x: Array, noise: Float[Array, " n"]) -> Float[Array, "n ..."]:
    """``denoise`` of a VSC that is split, with a deviation for each example; NaN: find it."""
    model = nnx.merge(graph, params)
    q, decoder = model.encode(x), model.decoder
    left = decoder.scaled(model.decode(hard_code(q), x)) - decoder.scaled(x)
    own = jnp.sqrt(jnp.mean(jnp.square(left), axis=tuple(range(1, x.ndim))))
    noise = jnp.maximum(jnp.where(jnp.isnan(noise), own, noise), _LEAST_NOISE)
    return model.decode(hard_code(model.under_noise(x, q, noise)), x)


@partial(jax.jit, static_argnames="graph")
def filled(
    graph: nnx.GraphDef, params: Any, x: Float[Array, "n ..."], observed: Bool[Array, "n ..."]
) -> Float[Array, "n ..."]:
    """``fill`` of a variational model that is split.

    Each of several chains starts from a draw of the prior, and puts in what a posterior sample of the example
    as it is says of the values that are missing, again and again (Rezende, Mohamed and Wierstra, *Stochastic
    Backpropagation and Approximate Inference in Deep Generative Models*, ICML 2014). Then the posterior is
    refined on the bound of the observed values. Where these do not decide, the chains differ, and their mean
    lies between them.
    """
    model = nnx.merge(graph, params)
    draw_key, round_key, last_key = jax.random.split(jax.random.key(0), 3)

    def of_chain(given: tuple[Array, PRNGKeyArray, PRNGKeyArray]) -> Float[Array, "n ..."]:
        drawn, round_key, last_key = given

        def put_in(now: Array, key: PRNGKeyArray) -> tuple[Array, None]:
            return jnp.where(observed, x, model.decode(model.encode(now).sample(key), now)), None

        start = jnp.where(observed, x, drawn[None])
        now, _ = jax.lax.scan(put_in, start, jax.random.split(round_key, _ROUNDS))
        q = refine_each(*_gated(model, now), model.decoder.log_likelihood, _ROUNDS, now, observed)
        z = q.sample(last_key, sample_shape=(_SAMPLES,))
        return jnp.mean(model.decode(z, now), axis=0)

    keys = (jax.random.split(key, _CHAINS) for key in (round_key, last_key))
    chains = jax.lax.map(of_chain, (model.sample(draw_key, _CHAINS), *keys))
    return jnp.where(observed, x, jnp.mean(chains, axis=0))


def _gated(model: Any, x: Float[Array, "n ..."]) -> tuple[Any, Any]:
    """Posteriors and components of the prior; those of a VAE with gates that are open."""
    q = model.encode(x)
    if model.gated:
        return q, model.components()
    open_, zeros = jnp.full_like(q.mean, _OPEN), jnp.zeros_like(q.mean[:1])
    return SpikeSlab(q.mean, q.log_var, open_), SpikeSlab(zeros, zeros, open_[:1])


def fill(model: Any, x: Any) -> Float[Array, "n ..."]:
    """:func:`filled` of examples with NaN, after a look at the values that are there."""
    x = as_examples(x, model.decoder.example_shape)
    observed = ~jnp.isnan(x)
    x = jnp.where(observed, x, 0)
    as_inputs(x, model.decoder)
    return filled(*nnx.split(model), x, observed)
