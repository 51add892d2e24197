"""Models that scale their data: they take and give data as they are, and see them scaled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import ModelConfig
from vsc_jax.models import build
from vsc_jax.models.scaling import fit

CENTRE, SPREAD = np.array([0.0, 300, -5]), np.array([1.0, 100, 0.1])
X = np.random.default_rng(0).normal(CENTRE, SPREAD, (40, 3)).astype(np.float32)
SCALING = fit("standardize", X)


@pytest.fixture(scope="module")
def scaled():
    config = ModelConfig(
        latents=3, hidden=(8,), prior="pseudo", pseudo_inputs=4, noise=0.0, likelihood="gaussian"
    )
    return build(config, (3,), jax.random.key(0), examples=X, scaling=SCALING)


@pytest.fixture(scope="module")
def plain(scaled):
    """The same weights for data that are scaled already."""
    model = nnx.clone(scaled)
    model.decoder.scaling = model.pseudo_inputs.scaling = None
    return model


def test_codes_and_likelihoods_are_those_of_scaled_data(scaled, plain):
    inputs = SCALING.apply(X)
    seen, expected = scaled.encode(X), plain.encode(inputs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), seen, expected)
    z = seen.mean
    ours = scaled.decoder.log_likelihood(z, jnp.asarray(X))
    np.testing.assert_allclose(ours, plain.decoder.log_likelihood(z, jnp.asarray(inputs)), rtol=1e-4)
    prior, plain_prior = scaled.components(), plain.components()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), prior, plain_prior)


def test_what_a_model_makes_is_data(scaled, plain):
    z = np.asarray(plain.code(SCALING.apply(X)))
    np.testing.assert_allclose(scaled.decode(z), SCALING.undo(np.asarray(plain.decode(z))), rtol=1e-5)
    pseudo_inputs = np.asarray(scaled.pseudo_inputs())
    found = np.abs(pseudo_inputs[:, None] - X[None]).max(axis=-1).min(axis=-1)
    np.testing.assert_allclose(found, 0, atol=1e-3)  # they start at training examples


def test_the_loss_is_that_of_scaled_data(scaled, plain, coefficients):
    key = jax.random.key(1)
    loss, metrics = scaled.objective(jnp.asarray(X), jax.random.clone(key), coefficients)
    expected, _ = plain.objective(jnp.asarray(SCALING.apply(X)), key, coefficients)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    assert np.isfinite(metrics["elbo"])


def test_unit_scaling_bounds_what_a_bernoulli_model_sees():
    scaling = fit("unit", X)
    config = ModelConfig(kind="vae", latents=2, hidden=(4,))
    model = build(config, (3,), jax.random.key(0), examples=X, scaling=scaling)
    made = np.asarray(model.decode(100 * np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)))
    assert (made >= X.min(axis=0) - 1e-3).all()
    assert (made <= X.max(axis=0) + 1e-3).all()
