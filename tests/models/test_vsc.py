"""Variational Sparse Coding: the objective of every setting, the true bound, densities by brute force."""

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
from vsc_jax.spike_slab import SpikeSlab, blend_gates

SELECTIONS = ("exact", "soft", "paper", "hard")


@partial(jax.jit, static_argnums=0)
def measure(graph, params, x, key, knobs):
    """Loss and metrics."""
    return nnx.merge(graph, params).objective(x, key, knobs)


@partial(jax.jit, static_argnums=0)
def differentiate(graph, params, x, key, knobs):
    """Gradient of the loss."""
    return jax.grad(lambda params: measure(graph, params, x, key, knobs)[0])(params)


@partial(jax.jit, static_argnums=(0, 2))
def call(graph, params, method, *args):
    return getattr(nnx.merge(graph, params), method)(*args)


def compiled(model, method, *args):
    """A method's result, the whole of it compiled."""
    return call(*nnx.split(model), method, *args)


def separate(model):
    """Posteriors that differ from one another and from the pseudo-inputs'."""
    head = model.encoder.layers[-1]
    head.kernel[...] = head.kernel[...] * 2.0
    return model


def as_numpy(q):
    return [np.asarray(field, np.float64) for field in q]


def log_density(q, z):
    """Log-density of a spike-and-slab by SciPy, summed over latents; all fields broadcast."""
    mean, log_var, gate_logit = q
    slab = np.log(scipy.special.expit(gate_logit)) + scipy.stats.norm.logpdf(z, mean, np.exp(0.5 * log_var))
    return np.where(z != 0, slab, np.log(scipy.special.expit(-gate_logit))).sum(axis=-1)


def all_pairs(q, p):
    """Every code beside every component, fields ``[batch, components, latents]``."""
    shape = (len(q.mean), len(p.mean), q.mean.shape[1])
    return (
        SpikeSlab(*(jnp.broadcast_to(jnp.expand_dims(field, axis), shape) for field in fields))
        for axis, fields in ((1, q), (0, p))
    )


# The loss


@pytest.mark.parametrize(
    ("selection", "gate", "prior", "weigh"),
    [
        ("exact", "concrete", "pseudo", True),
        ("soft", "sigmoid", "pseudo", True),
        ("paper", "straight_through", "pseudo", True),
        ("hard", "bernoulli", "pseudo", False),
        ("exact", "sigmoid", "fixed", True),
    ],
)
def test_loss_is_the_formula(selection, gate, prior, weigh, tiny, knobs, examples):
    model = separate(tiny("vsc", selection=selection, gate=gate, prior=prior, weigh_slab_kl=weigh))
    graph, params = nnx.split(model)

    @jax.jit
    def by_hand(params, x, key, knobs):
        model = nnx.merge(graph, params)
        q = model.encode(x).warm_up(knobs.warm_up)
        if prior == "fixed":
            p = SpikeSlab(*(jnp.full((1, 3), value) for value in (0.0, 0.0, scipy.special.logit(0.2))))
        else:
            p = model.encode(model.pseudo_inputs()).warm_up(knobs.warm_up)
            p = blend_gates(p, knobs.prior_blend, knobs.prior_rate)
        z = q.sample(key, gate=gate, sharpness=knobs.sharpness)
        logits = model.decoder.trunk(z)
        reconstruction = jnp.sum(losses.bernoulli_log_likelihood(logits, x.reshape(6, 12)), axis=-1)
        q, p = all_pairs(q, p)
        if weigh:
            component_kl = jnp.sum(losses.spike_slab_kl(q, p), axis=-1)
        else:
            slab = losses.gaussian_kl(q.mean, q.log_var, p.mean, p.log_var)
            component_kl = jnp.sum(slab + losses.bernoulli_kl(q.gate_logit, p.gate_logit), axis=-1)
        if prior == "fixed":
            loss = knobs.kl_weight * component_kl[:, 0] - reconstruction
            return jnp.mean(loss)
        guess = jax.nn.softmax(model.classifier(x))
        if selection == "exact":
            weights = jax.nn.softmax(-component_kl)
        elif selection == "soft":
            weights = guess
        elif selection == "hard":
            weights = jax.nn.one_hot(jnp.argmax(guess, axis=-1), 4)
        else:
            weights = jax.nn.sigmoid(60 * (guess - 0.5))
        kl = jnp.sum(weights * component_kl, axis=-1)
        if selection != "paper":
            kl = kl + jnp.sum(jnp.where(weights > 0, weights * jnp.log(4 * weights + 1e-30), 0), axis=-1)
        mean_gamma = jnp.mean(jnp.sum(weights * jnp.mean(model.components().gamma, axis=-1)[None], axis=-1))
        loss = jnp.mean(knobs.kl_weight * kl - reconstruction)
        loss = loss + knobs.sparsity_weight * losses.sparsity_kl(mean_gamma, knobs.alpha, 3)
        if selection == "exact":
            loss = loss - jnp.mean(jnp.sum(weights * jnp.log(guess), axis=-1))
        return loss

    value, metrics = measure(graph, params, examples, jax.random.key(1), knobs)
    np.testing.assert_allclose(value, by_hand(params, examples, jax.random.key(1), knobs), rtol=1e-5)
    np.testing.assert_allclose(metrics["elbo"], metrics["reconstruction"] - metrics["kl"], rtol=1e-6)
    assert ("paper_objective" in metrics) == (selection == "paper")
    assert ("sparsity_kl" in metrics) == (prior == "pseudo")
    assert ("classifier_cross_entropy" in metrics) == (prior == "pseudo" and selection == "exact")


def test_the_papers_objective_is_never_called_the_bound(tiny, knobs, examples):
    runs = {}
    for selection in ("exact", "paper"):
        graph, params = nnx.split(separate(tiny("vsc", selection=selection)))
        _, runs[selection] = measure(graph, params, examples, jax.random.key(1), knobs)
    for name in ("elbo", "kl", "selection_kl"):
        np.testing.assert_allclose(runs["paper"][name], runs["exact"][name], rtol=1e-5)
    assert float(runs["paper"]["paper_objective"]) != pytest.approx(float(runs["paper"]["elbo"]), abs=1e-3)


# Gradients


def gate_gradient(gradient):
    """Of the encoder's output biases: those of the mean, and those of the gate logits."""
    bias = np.asarray(gradient["encoder"]["layers"][1]["bias"][...])
    return bias[:3], bias[6:]


@pytest.mark.parametrize(("gate", "learns"), [("bernoulli", False), ("concrete", True)])
def test_gate_logits_learn_from_the_reconstruction_but_not_through_bernoulli_gates(
    gate, learns, tiny, knobs, examples
):
    graph, params = nnx.split(tiny("vsc", gate=gate, prior="fixed"))
    only_reconstruction = knobs._replace(kl_weight=np.float32(0))
    gradient = differentiate(graph, params, examples, jax.random.key(1), only_reconstruction)
    mean, logit = gate_gradient(gradient)
    assert np.all(mean != 0)
    assert np.all((logit != 0) == learns)


def test_under_exact_selection_the_classifier_learns_and_disturbs_nothing_else(tiny, knobs, examples):
    gradients = []
    for factor in (1.0, 5.0):
        model = separate(tiny("vsc"))
        last = model.classifier.network.layers[-1]
        last.kernel[...] = last.kernel[...] * factor
        graph, params = nnx.split(model)
        gradient = differentiate(graph, params, examples, jax.random.key(1), knobs)
        assert np.abs(gradient["classifier"]["network"]["layers"][1]["bias"][...]).max() > 1e-3
        gradients.append({name: part for name, part in gradient.items() if name != "classifier"})
    jax.tree.map(np.testing.assert_array_equal, *gradients)


@pytest.mark.parametrize("selection", ["soft", "paper", "hard"])
def test_learned_selections_train_the_classifier(selection, tiny, knobs, examples):
    model = separate(tiny("vsc", selection=selection))
    # One component at about one half, where the paper's sharpened weights are not saturated.
    model.classifier.network.layers[-1].bias[...] = jnp.array([1.1, 0.0, 0.0, 0.0])
    graph, params = nnx.split(model)
    gradient = differentiate(graph, params, examples, jax.random.key(1), knobs)
    assert np.abs(gradient["classifier"]["network"]["layers"][1]["bias"][...]).max() > 5e-3


def test_pseudo_inputs_learn(tiny, knobs, examples):
    graph, params = nnx.split(separate(tiny("vsc")))
    gradient = differentiate(graph, params, examples, jax.random.key(1), knobs)
    assert np.all(np.asarray(gradient["pseudo_inputs"]["raw"][...]) != 0)


# The true bound


def test_the_bound_with_exact_weights_is_the_highest(tiny, examples):
    model = separate(tiny("vsc"))
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


def test_terms_use_hard_gates_no_warm_up_and_exact_weights(tiny, examples):
    model = separate(tiny("vsc", selection="paper"))
    terms = compiled(model, "terms", examples, jax.random.key(3))
    q, p = compiled(model, "encode", examples), compiled(model, "components")
    z = np.asarray(jax.jit(lambda q: q.sample(jax.random.key(3)))(q))
    assert 0 < np.mean(z == 0) < 1
    mean = np.asarray(compiled(model, "decode", z), np.float64)
    expected = (examples * np.log(mean) + (1 - examples) * np.log1p(-mean)).sum(axis=(1, 2))
    np.testing.assert_allclose(terms.reconstruction, expected, rtol=1e-5)
    q, p = all_pairs(q, p)
    kl = np.asarray(jax.jit(losses.spike_slab_kl)(q, p)).sum(axis=-1)
    np.testing.assert_allclose(terms.kl, np.log(4) - scipy.special.logsumexp(-kl, axis=1), rtol=1e-4)
    assert np.all(np.asarray(terms.selection_kl) >= 0)
    assert np.all(np.asarray(terms.selection_kl) <= np.log(4))


def test_fixed_prior_costs_the_closed_form(tiny, examples):
    model = separate(tiny("vsc", prior="fixed", alpha=0.3))
    terms = compiled(model, "terms", examples, jax.random.key(0))
    mean, log_var, gate_logit = as_numpy(compiled(model, "encode", examples))
    gamma = scipy.special.expit(gate_logit)
    slab = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var)
    gates = gamma * np.log(gamma / 0.3) + (1 - gamma) * np.log((1 - gamma) / 0.7)
    np.testing.assert_allclose(terms.kl, (gamma * slab + gates).sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(terms.selection_kl, np.zeros(6), atol=1e-6)


# Densities by brute force


@pytest.mark.parametrize("prior", ["pseudo", "fixed"])
def test_importance_weights_are_the_log_densities(prior, tiny, examples):
    model = separate(tiny("vsc", prior=prior))
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


def test_importance_weights_average_to_the_evidence_and_the_bound_lies_below(tiny, examples):
    # Two latents: log p(x) by all four gate patterns and a quadrature over the slabs that are on.
    model = separate(tiny("vsc", latents=2))
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


# What users call


@pytest.mark.parametrize("prior", ["pseudo", "fixed"])
def test_code_is_the_mean_where_the_gate_is_open_and_exactly_zero_elsewhere(prior, tiny, examples):
    model = separate(tiny("vsc", prior=prior, initial_gate_logit=0.0))
    q = compiled(model, "encode", examples)
    code = np.asarray(compiled(model, "code", examples))
    np.testing.assert_array_equal(code, np.where(np.asarray(q.gate_logit) > 0, q.mean, 0))
    assert 0 < np.mean(code == 0) < 1


def test_initial_gate_logit_is_where_gates_start(tiny, examples):
    gammas = [
        np.asarray(compiled(tiny("vsc", initial_gate_logit=logit), "encode", examples).gate_logit)
        for logit in (0.0, 3.0)
    ]
    np.testing.assert_allclose(gammas[1] - gammas[0], np.full((6, 3), 3.0), atol=1e-5)


def test_samples_of_the_prior_use_every_component_with_hard_gates(tiny):
    # Components whose gates are one of four patterns; the decoder passes the code through.
    model = tiny("vsc", likelihood="gaussian", hidden=(), shape=(3,))
    logits = np.array([[9, -9, -9], [-9, 9, -9], [-9, -9, 9], [-9, -9, -9]], np.float32) * 9
    means = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 3], [0, 0, 0]], np.float32)
    model.components = lambda alpha=None: SpikeSlab(means, np.full((4, 3), -30, np.float32), logits)
    model.decode = lambda z: z
    draws = np.asarray(model.sample(jax.random.key(0), 400))
    share = [np.mean(np.all(np.abs(draws - mean) < 1e-5, axis=1)) for mean in means]
    assert sum(share) == 1
    assert min(share) > 0.18
