"""The Gaussian VAE: closed forms, beta, total correlation, importance weights."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from flax import nnx

from vsc_jax import losses


@partial(jax.jit, static_argnums=0)
def measure(graph, params, x, key, coefficients):
    """Loss, metrics, posterior and the posterior sample that the objective draws."""
    model = nnx.merge(graph, params)
    q = model.encode(x)
    again = jax.random.wrap_key_data(jax.random.key_data(key))
    return *model.objective(x, key, coefficients), q, q.sample(again)


def test_loss_is_beta_kl_minus_reconstruction(tiny, coefficients, examples):
    graph, params = nnx.split(tiny("vae"))
    loss, metrics, q, z = measure(graph, params, examples, jax.random.key(0), coefficients)
    mean, log_var = (np.asarray(field, np.float64) for field in q)
    kl = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum(axis=1).mean()
    logits = jax.jit(nnx.merge(graph, params).decoder.trunk)(z)
    p = np.asarray(jax.nn.sigmoid(logits), np.float64).reshape(examples.shape)
    reconstruction = (examples * np.log(p) + (1 - examples) * np.log1p(-p)).sum(axis=(1, 2)).mean()
    np.testing.assert_allclose(metrics["kl"], kl, rtol=1e-5)
    np.testing.assert_allclose(metrics["reconstruction"], reconstruction, rtol=1e-5)
    np.testing.assert_allclose(metrics["elbo"], reconstruction - kl, rtol=1e-5)
    np.testing.assert_allclose(loss, 0.7 * kl - reconstruction, rtol=1e-5)


def test_total_correlation_is_one_more_term(tiny, coefficients, examples):
    graph, params = nnx.split(tiny("vae", tc_weight=1.3, dataset_size=500))
    loss, metrics, q, z = measure(graph, params, examples, jax.random.key(0), coefficients)
    expected = np.mean(jax.jit(losses.total_correlation, static_argnums=3)(z, *q, 500))
    np.testing.assert_allclose(metrics["total_correlation"], expected, rtol=1e-5)
    np.testing.assert_allclose(
        loss, 0.7 * metrics["kl"] - metrics["reconstruction"] + 1.3 * expected, rtol=1e-5
    )
    assert (
        "total_correlation"
        not in measure(*nnx.split(tiny("vae")), examples, jax.random.key(0), coefficients)[1]
    )


def test_terms_are_those_of_the_objective_at_beta_one(tiny, coefficients, examples):
    model = tiny("vae", beta=7.0)
    terms = jax.jit(model.terms)(examples, jax.random.key(0))
    _, metrics, _, _ = measure(*nnx.split(model), examples, jax.random.key(0), coefficients)
    np.testing.assert_allclose(np.mean(terms.reconstruction), metrics["reconstruction"], rtol=1e-5)
    np.testing.assert_allclose(np.mean(terms.kl), metrics["kl"], rtol=1e-5)
    np.testing.assert_array_equal(terms.selection_kl, np.zeros(6))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_importance_weights_are_the_log_densities(likelihood, tiny, examples):
    graph, params = nnx.split(tiny("vae", likelihood=likelihood))

    @jax.jit
    def sample(params, x):
        model = nnx.merge(graph, params)
        q = model.encode(x)
        z = q.sample(jax.random.key(2), sample_shape=(7,))
        likelihood = model.decoder.log_likelihood(z, x)
        return model.log_importance_weights(x, jax.random.key(2), 7), likelihood, q, z

    weights, log_likelihood, (mean, log_var), z = sample(params, examples)
    log_prior = scipy.stats.norm.logpdf(z).sum(axis=-1)
    log_posterior = scipy.stats.norm.logpdf(z, mean, np.exp(0.5 * np.asarray(log_var))).sum(axis=-1)
    assert weights.shape == (7, 6)
    np.testing.assert_allclose(weights, log_likelihood + log_prior - log_posterior, rtol=1e-5)


def test_code_is_the_posterior_mean_and_reconstruction_its_decoding(tiny, examples):
    model = tiny("vae")
    code = jax.jit(model.code)(examples)
    np.testing.assert_array_equal(code, jax.jit(lambda x: model.encode(x).mean)(examples))
    np.testing.assert_allclose(jax.jit(model.reconstruct)(examples), jax.jit(model.decode)(code), rtol=1e-5)


def test_posterior_samples_have_the_stated_moments(tiny, examples):
    model = tiny("vae")
    q = jax.jit(model.encode)(examples)
    draws = np.asarray(jax.jit(lambda q: q.sample(jax.random.key(0), sample_shape=(20_000,)))(q))
    np.testing.assert_allclose(draws.mean(axis=0), q.mean, atol=0.05)
    np.testing.assert_allclose(draws.var(axis=0), np.exp(q.log_var), rtol=0.06)


def test_prior_samples_are_decoded_standard_normals(tiny):
    model = tiny("vae", likelihood="gaussian", hidden=(), shape=(3,))
    model.decoder.trunk.layers[0].kernel[...] = jnp.eye(3)
    draws = np.asarray(jax.jit(model.sample, static_argnums=1)(jax.random.key(0), 20_000))
    np.testing.assert_allclose(np.cov(draws.T), np.eye(3), atol=0.05)
