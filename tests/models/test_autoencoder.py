"""The plain autoencoder: its loss is the reconstruction alone."""

import jax
import numpy as np


def test_loss_is_minus_the_log_likelihood_at_the_code(tiny, coefficients, examples):
    model = tiny("ae")
    loss, metrics = jax.jit(model.objective)(examples, jax.random.key(0), coefficients)
    code = jax.jit(model.encode)(examples)
    assert code.shape == (6, 3)
    mean = np.asarray(jax.jit(model.decode)(code), np.float64)
    expected = (examples * np.log(mean) + (1 - examples) * np.log1p(-mean)).sum(axis=(1, 2)).mean()
    np.testing.assert_allclose(loss, -expected, rtol=1e-5)
    assert metrics.keys() == {"reconstruction"}
    np.testing.assert_allclose(metrics["reconstruction"], expected, rtol=1e-5)


def test_code_is_what_encode_gives(tiny, examples):
    model = tiny("ae")
    np.testing.assert_array_equal(jax.jit(model.code)(examples), jax.jit(model.encode)(examples))
