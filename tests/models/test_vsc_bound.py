"""The VSC's true bound and its densities, against closed forms, SciPy and brute force."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from flax import nnx

from vsc_jax import losses
from vsc_jax.models.vsc import exact_selection, hard_selection, paper_selection, soft_selection

SELECTIONS = ("exact", "soft", "paper", "hard")


@partial(jax.jit, static_argnums=(0, 2))
def call(graph, params, method, *args):
    return getattr(nnx.merge(graph, params), method)(*args)


def compiled(model, method, *args):
    """A method's result, the whole of it compiled."""
    return call(*nnx.split(model), method, *args)


def as_numpy(q):
    return [np.asarray(field, np.float64) for field in q]


def log_density(q, z):
    """Log-density of a spike-and-slab by SciPy, summed over latents; all fields broadcast."""
    mean, log_var, gate_logit = q
    slab = np.log(scipy.special.expit(gate_logit)) + scipy.stats.norm.logpdf(z, mean, np.exp(0.5 * log_var))
    return np.where(z != 0, slab, np.log(scipy.special.expit(-gate_logit))).sum(axis=-1)


# The true bound


def test_the_bound_with_exact_weights_is_the_highest(vsc, examples):
    model = vsc()
    kl = {how: np.asarray(compiled_selection(model, examples, how).kl) for how in SELECTIONS}
    assert np.all(kl["exact"] <= kl["soft"] + 1e-5)
    assert np.all(kl["exact"] <= kl["hard"] + 1e-5)
    assert np.max(kl["soft"] - kl["exact"]) > 0.01
    # The paper's, which pays nothing for its choice, can lie below that of every bound.
    component_kl, logits = jnp.array([[2.0, 30.0]]), jnp.array([[9.0, 0.0]])
    assert float(paper_selection(component_kl, logits).kl[0]) == pytest.approx(2.0, abs=1e-3)
    assert float(exact_selection(component_kl).kl[0]) == pytest.approx(2 + np.log(2), abs=1e-3)


def compiled_selection(model, x, how):
    graph, params = nnx.split(model)
    return jax.jit(lambda params, x: nnx.merge(graph, params).selection_terms(x, how))(params, x)


def test_selections_by_hand():
    component_kl = np.array([[1.0, 2.0, 4.0], [0.5, 0.5, 9.0]], np.float32)
    logits = np.array([[0.0, 1.0, -1.0], [2.0, 0.0, 0.0]], np.float32)
    softmax = scipy.special.softmax(logits.astype(np.float64), axis=1)
    expected = {
        exact_selection: scipy.special.softmax(-component_kl, axis=1),
        soft_selection: softmax,
        hard_selection: np.array([[0, 1, 0], [1, 0, 0]]),
        paper_selection: scipy.special.expit(60 * (softmax - 0.5)),
    }
    for select, weights in expected.items():
        args = (component_kl,) if select is exact_selection else (component_kl, logits)
        selection = jax.jit(select)(*args)
        np.testing.assert_allclose(selection.weights, weights, rtol=1e-4, atol=1e-12)
        normalised = weights / weights.sum(axis=1, keepdims=True)
        price = scipy.special.xlogy(normalised, 3 * normalised).sum(axis=1)
        np.testing.assert_allclose(selection.selection_kl, price, rtol=1e-4)
        paid = 0 if select is paper_selection else price
        np.testing.assert_allclose(selection.kl, (weights * component_kl).sum(axis=1) + paid, rtol=1e-4)


def test_terms_use_hard_gates_no_warm_up_and_exact_weights(vsc, examples):
    model = vsc(selection="paper")
    terms = compiled(model, "terms", examples, jax.random.key(3))
    q, p = compiled(model, "encode", examples), compiled(model, "components")
    z = np.asarray(jax.jit(lambda q: q.sample(jax.random.key(3)))(q))
    assert 0 < np.mean(z == 0) < 1
    mean = np.asarray(compiled(model, "decode", z), np.float64)
    expected = (examples * np.log(mean) + (1 - examples) * np.log1p(-mean)).sum(axis=(1, 2))
    np.testing.assert_allclose(terms.reconstruction, expected, rtol=1e-5)
    all_pairs = jax.jit(jax.vmap(jax.vmap(losses.spike_slab_kl, in_axes=(None, 0)), in_axes=(0, None)))
    kl = np.asarray(all_pairs(q, p)).sum(axis=-1)
    np.testing.assert_allclose(terms.kl, np.log(4) - scipy.special.logsumexp(-kl, axis=1), rtol=1e-4)
    assert np.all(np.asarray(terms.selection_kl) >= 0)
    assert np.all(np.asarray(terms.selection_kl) <= np.log(4))


def test_fixed_prior_costs_the_closed_form(vsc, examples):
    model = vsc(prior="fixed", alpha=0.3)
    terms = compiled(model, "terms", examples, jax.random.key(0))
    mean, log_var, gate_logit = as_numpy(compiled(model, "encode", examples))
    gamma = scipy.special.expit(gate_logit)
    slab = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var)
    gates = gamma * np.log(gamma / 0.3) + (1 - gamma) * np.log((1 - gamma) / 0.7)
    np.testing.assert_allclose(terms.kl, (gamma * slab + gates).sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(terms.selection_kl, np.zeros(6), atol=1e-6)


# Densities by brute force


@pytest.mark.parametrize("prior", ["pseudo", "fixed"])
def test_importance_weights_are_the_log_densities(prior, vsc, examples):
    model = vsc(prior=prior)
    graph, params = nnx.split(model)

    @jax.jit
    def sample(params, x, key):
        model = nnx.merge(graph, params)
        q = model.encode(x)
        return model.log_importance_weights(x, key, 50), q, model.components()

    weights, q, p = sample(params, examples, jax.random.key(4))
    z = np.asarray(jax.jit(lambda q: q.sample(jax.random.key(4), sample_shape=(50,)))(q))
    q, p = as_numpy(q), as_numpy(p)
    assert {tuple(pattern) for pattern in (z[:, 0] != 0)} >= {(True, True, True), (True, False, True)}
    mean = np.asarray(compiled(model, "decode", z), np.float64)
    log_likelihood = (examples * np.log(mean) + (1 - examples) * np.log1p(-mean)).sum(axis=(2, 3))
    log_prior = scipy.special.logsumexp(log_density(p, z[:, :, None].astype(np.float64)), axis=-1) - np.log(
        len(p[0])
    )
    expected = log_likelihood + log_prior - log_density(q, z.astype(np.float64))
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-3)


def test_importance_weights_average_to_the_evidence_and_the_bound_lies_below(vsc, examples):
    # Two latents: log p(x) by all four gate patterns and a quadrature over the slabs that are on.
    model = vsc(latents=2)
    graph, params = nnx.split(model)
    p = as_numpy(compiled(model, "components"))

    @jax.jit
    def likelihood(params, x, z):
        z = jnp.broadcast_to(z[:, None], (len(z), 6, 2))
        return nnx.merge(graph, params).decoder.log_likelihood(z, x)

    nodes, node_weights = np.polynomial.legendre.leggauss(120)
    grid, widths = 12 * nodes, 12 * node_weights
    evidence = []
    for pattern in itertools.product((0, 1), repeat=2):
        axes = [grid if on else np.zeros(1) for on in pattern]
        z = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        cells = [widths if on else np.ones(1) for on in pattern]
        cell = np.prod(np.stack(np.meshgrid(*cells, indexing="ij"), axis=-1).reshape(-1, 2), axis=-1)
        log_likelihood = np.asarray(likelihood(params, examples, z.astype(np.float32)), np.float64)
        log_prior = scipy.special.logsumexp(log_density(p, z[:, None]), axis=-1) - np.log(4)
        evidence.append(scipy.special.logsumexp((log_prior + np.log(cell))[:, None] + log_likelihood, axis=0))
    evidence = scipy.special.logsumexp(evidence, axis=0)

    @jax.jit
    def estimates(params, x, key):
        model = nnx.merge(graph, params)
        weights = model.log_importance_weights(x, jax.random.fold_in(key, 0), 20_000)
        terms = model.terms(jnp.repeat(x, 2000, axis=0), jax.random.fold_in(key, 1))
        bound = jnp.mean((terms.reconstruction - terms.kl).reshape(6, 2000), axis=1)
        return losses.importance_weighted_bound(weights), bound

    importance_weighted, bound = estimates(params, examples, jax.random.key(5))
    np.testing.assert_allclose(importance_weighted, evidence, atol=0.02)
    assert np.all(np.asarray(bound) < evidence)
    assert np.all(np.asarray(bound) > evidence - 3)
