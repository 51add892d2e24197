"""Variational Sparse Coding: the objective of every setting, its gradients, and what users call."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from flax import nnx

from vsc_jax import losses
from vsc_jax.config.errors import UserError
from vsc_jax.spike_slab import SpikeSlab, blend_gates, sample_given_support


@partial(jax.jit, static_argnums=0)
def measure(graph, params, x, key, coefficients):
    """Loss and metrics."""
    return nnx.merge(graph, params).objective(x, key, coefficients)


@partial(jax.jit, static_argnums=0)
def differentiate(graph, params, x, key, coefficients):
    """Gradient of the loss."""
    return jax.grad(lambda params: measure(graph, params, x, key, coefficients)[0])(params)


def unweighted_kl(q, p):
    """The original report's divergence, in which a closed gate still pays for its slab."""
    slab = losses.gaussian_kl(q.mean, q.log_var, p.mean, p.log_var)
    return slab + losses.bernoulli_kl(q.gate_logit, p.gate_logit)


def entropy_gap(p):
    """log 2 less the entropy of a coin."""
    return jnp.log(2) + jax.scipy.special.xlogy(p, p) + jax.scipy.special.xlog1py(1 - p, -p)


# The loss


@pytest.mark.parametrize(("selection", "gate", "prior", "prior_slabs", "weigh"), [
    ("exact", "concrete", "pseudo", "pseudo", True),
    ("soft", "sigmoid", "components", "pseudo", True),
    ("paper", "straight_through", "pseudo", "standard", True),
    ("hard", "bernoulli", "pseudo", "pseudo", False),
    ("exact", "sigmoid", "fixed", "pseudo", True),
])  # fmt: skip
def test_loss_is_the_formula(selection, gate, prior, prior_slabs, weigh, vsc, coefficients, examples):
    model = vsc(selection=selection, gate=gate, prior=prior, prior_slabs=prior_slabs, weigh_slab_kl=weigh)
    if prior == "components":
        model.pseudo_inputs.offsets[...] = 0.1 * jax.random.normal(jax.random.key(5), (3, 4, 3), jnp.float32)
    graph, params = nnx.split(model)

    @jax.jit
    def by_hand(params, x, key, coefficients):
        model = nnx.merge(graph, params)
        q = model.encode(x).warm_up(coefficients.warm_up)
        if prior == "fixed":
            p = SpikeSlab(*(jnp.full((1, 3), value) for value in (0.0, 0.0, scipy.special.logit(0.2))))
        else:
            p = model.encode(model.pseudo_inputs())
            if prior == "components":
                moved = jnp.split(10 * model.pseudo_inputs.offsets[...], 3)
                p = SpikeSlab(*(field + by[0] for field, by in zip(p, moved, strict=True)))
            p = p.warm_up(coefficients.warm_up * (1 - coefficients.slab_blend))
            if prior_slabs == "standard":
                p = p._replace(mean=0 * p.mean, log_var=0 * p.log_var)
            p = blend_gates(p, coefficients.prior_blend, coefficients.prior_rate)
        z = q.sample(key, gate=gate, sharpness=coefficients.sharpness)
        logits = model.decoder.trunk(z)
        reconstruction = jnp.sum(losses.bernoulli_log_likelihood(logits, x.reshape(6, 12)), axis=-1)
        one_pair = losses.spike_slab_kl if weigh else unweighted_kl
        all_pairs = jax.vmap(jax.vmap(one_pair, in_axes=(None, 0)), in_axes=(0, None))
        component_kl = jnp.sum(all_pairs(q, p), axis=-1)
        mean = jnp.mean(q.gamma, axis=0)
        often = jax.lax.stop_gradient(jnp.maximum(mean - 0.75, 0) / 0.25)
        charge = often * jnp.mean(-jnp.log(1 - q.gamma), axis=0)
        usage = coefficients.usage_weight * jnp.sum(entropy_gap(jnp.maximum(mean, 0.5)) + charge)
        if prior == "fixed":
            loss = coefficients.kl_weight * component_kl[:, 0] - reconstruction
            return jnp.mean(loss) + usage
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
        loss = jnp.mean(coefficients.kl_weight * kl - reconstruction)
        loss = (
            loss
            + usage
            + coefficients.sparsity_weight * losses.sparsity_kl(mean_gamma, coefficients.alpha, 3)
        )
        if selection == "exact":
            loss = loss - jnp.mean(jnp.sum(weights * jnp.log(guess), axis=-1))
        return loss

    value, metrics = measure(graph, params, examples, jax.random.key(1), coefficients)
    np.testing.assert_allclose(value, by_hand(params, examples, jax.random.key(1), coefficients), rtol=1e-5)
    np.testing.assert_allclose(metrics["elbo"], metrics["reconstruction"] - metrics["kl"], rtol=1e-6)
    assert float(metrics["active_per_image"]) == pytest.approx((model.code(examples) != 0).sum() / 6)
    assert ("paper_objective" in metrics) == (selection == "paper")
    assert ("sparsity_kl" in metrics) == (prior != "fixed")
    assert ("classifier_cross_entropy" in metrics) == (prior != "fixed" and selection == "exact")


def test_the_papers_objective_is_never_called_the_bound(vsc, coefficients, examples):
    runs = {}
    for selection in ("exact", "paper"):
        graph, params = nnx.split(vsc(selection=selection))
        _, runs[selection] = measure(graph, params, examples, jax.random.key(1), coefficients)
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
    gate, learns, tiny, coefficients, examples
):
    graph, params = nnx.split(tiny("vsc", gate=gate, prior="fixed"))
    only_reconstruction = coefficients._replace(kl_weight=np.float32(0), usage_weight=np.float32(0))
    gradient = differentiate(graph, params, examples, jax.random.key(1), only_reconstruction)
    mean, logit = gate_gradient(gradient)
    assert np.all(mean != 0)
    assert np.all((logit != 0) == learns)


def test_under_exact_selection_the_classifier_learns_and_disturbs_nothing_else(vsc, coefficients, examples):
    gradients = []
    for factor in (1.0, 5.0):
        model = vsc()
        last = model.classifier.network.layers[-1]
        last.kernel[...] = last.kernel[...] * factor
        graph, params = nnx.split(model)
        gradient = differentiate(graph, params, examples, jax.random.key(1), coefficients)
        assert np.abs(gradient["classifier"]["network"]["layers"][1]["bias"][...]).max() > 1e-3
        gradients.append({name: part for name, part in gradient.items() if name != "classifier"})
    jax.tree.map(np.testing.assert_array_equal, *gradients)


@pytest.mark.parametrize("selection", ["soft", "paper", "hard"])
def test_learned_selections_train_the_classifier(selection, vsc, coefficients, examples):
    model = vsc(selection=selection)
    # One component at about one half, where the paper's sharpened weights are not saturated.
    model.classifier.network.layers[-1].bias[...] = jnp.array([1.1, 0.0, 0.0, 0.0])
    graph, params = nnx.split(model)
    gradient = differentiate(graph, params, examples, jax.random.key(1), coefficients)
    assert np.abs(gradient["classifier"]["network"]["layers"][1]["bias"][...]).max() > 5e-3


def test_pseudo_inputs_learn(vsc, coefficients, examples):
    graph, params = nnx.split(vsc())
    gradient = differentiate(graph, params, examples, jax.random.key(1), coefficients)
    assert np.all(np.asarray(gradient["pseudo_inputs"]["raw"][...]) != 0)


def test_components_start_at_codes_of_examples_and_learn_while_the_examples_stay(vsc, coefficients, examples):
    model = vsc(prior="components", pseudo_inputs=6)
    order = np.argsort(np.asarray(model.pseudo_inputs()).reshape(6, -1)[:, 0])
    shown = examples[np.argsort(examples.reshape(6, -1)[:, 0])]
    np.testing.assert_array_equal(model.pseudo_inputs()[order], shown)
    for component, code in zip(model.components(), model.encode(shown), strict=True):
        np.testing.assert_allclose(component[order], code, atol=1e-6)
    graph, params = nnx.split(model)
    gradient = differentiate(graph, params, examples, jax.random.key(1), coefficients)["pseudo_inputs"]
    assert np.all(np.asarray(gradient["offsets"][...]) != 0)
    np.testing.assert_array_equal(gradient["raw"][...], np.zeros((6, 4, 3), np.float32))


# What users call


@pytest.mark.parametrize("prior", ["pseudo", "fixed"])
def test_code_is_the_mean_where_the_gate_is_open_and_exactly_zero_elsewhere(prior, vsc, examples):
    model = vsc(prior=prior, initial_gate_logit=0.0)
    q = jax.jit(model.encode)(examples)
    code = np.asarray(jax.jit(model.code)(examples))
    np.testing.assert_array_equal(code, np.where(np.asarray(q.gate_logit) > 0, q.mean, 0))
    assert 0 < np.mean(code == 0) < 1


def test_initial_gate_logit_is_where_gates_start(tiny, examples):
    gammas = [
        np.asarray(jax.jit(tiny("vsc", initial_gate_logit=logit).encode)(examples).gate_logit)
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


def test_samples_like_an_example_keep_its_latents_and_take_values_from_the_prior(vsc, examples):
    model = vsc(latents=8)
    drawn = jax.jit(lambda x, key: model.sample_like(x, 5, key))(examples, jax.random.key(1))
    assert drawn.shape == (6, 5, 4, 3)
    on = model.code(examples) != 0
    assert 0 < np.asarray(on).sum(axis=1).min() < 8
    codes = sample_given_support(model.components(), on, jax.random.key(1), 5)
    np.testing.assert_allclose(drawn, model.decode(codes), atol=1e-6)


def test_without_gates_there_is_nothing_to_keep_and_without_a_prior_nothing_to_draw(tiny, examples):
    vae = tiny("vae")
    drawn = vae.sample_like(examples, 2, jax.random.key(0))
    codes = jax.random.normal(jax.random.key(0), (6, 2, 3))
    np.testing.assert_allclose(drawn, vae.decode(codes), atol=1e-6)
    with pytest.raises(UserError, match="^sample_like: an autoencoder has no prior to draw values from$"):
        tiny("ae").sample_like(examples, 2, jax.random.key(0))
