"""Log-likelihoods against hand values and SciPy, and at extreme arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from vsc_jax import losses

bernoulli_log_likelihood = jax.jit(losses.bernoulli_log_likelihood)
gaussian_log_likelihood = jax.jit(losses.gaussian_log_likelihood)
RNG = np.random.default_rng(0)


def test_bernoulli_hand_values_also_at_extreme_logits():
    logits, x = np.log([1.0, 3.0, 3.0]), np.array([1.0, 1.0, 0.0])
    np.testing.assert_allclose(bernoulli_log_likelihood(logits, x), np.log([0.5, 0.75, 0.25]), rtol=1e-6)
    logits, x = np.array([1e4, -1e4, 1e4, -1e4]), np.array([1.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(bernoulli_log_likelihood(logits, x), [0.0, 0.0, -1e4, -1e4])


def test_bernoulli_matches_scipy_and_grey_values_give_minus_the_cross_entropy(x64):
    logits, on, grey = RNG.normal(0, 3, 100), RNG.random(100) < 0.5, RNG.random(100)
    expected = scipy.stats.bernoulli(scipy.special.expit(logits)).logpmf(on)
    np.testing.assert_allclose(bernoulli_log_likelihood(logits, on), expected, rtol=1e-9, atol=1e-12)
    expected = grey * scipy.special.log_expit(logits) + (1 - grey) * scipy.special.log_expit(-logits)
    np.testing.assert_allclose(bernoulli_log_likelihood(logits, grey), expected, rtol=1e-12)


def test_bernoulli_gradient_is_the_residual():
    logits, x = (
        np.float32(axis).ravel()
        for axis in np.meshgrid([-1e4, -100, -20, -1e-3, 0, 3, 20, 100, 1e4], [0, 0.3, 1])
    )
    by_logits, by_x = jax.jit(jax.grad(lambda *a: bernoulli_log_likelihood(*a).sum(), argnums=(0, 1)))(
        logits, x
    )
    np.testing.assert_allclose(by_logits, x - scipy.special.expit(np.float64(logits)), atol=1e-6)
    np.testing.assert_allclose(by_x, logits)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_small_losses_of_confident_pixels_are_not_rounded_to_zero(dtype, rtol):
    value = bernoulli_log_likelihood(jnp.array([8.0, -8.0, 16.0], dtype), np.array([1.0, 0.0, 1.0]))
    expected = scipy.special.log_expit([8.0, 8.0, 16.0])
    np.testing.assert_allclose(np.asarray(value, np.float64), expected, rtol=rtol)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_whole_numbers_may_be_pixels_up_to_255_and_are_refused(dtype):
    message = f"got {dtype}; divide pixels from 0 to 255 by 255, and give black and white"
    with pytest.raises(TypeError, match=message):
        bernoulli_log_likelihood(np.ones(3, np.float32), np.array([0, 128, 255], dtype))


def test_gaussian_hand_values():
    value = gaussian_log_likelihood(np.zeros(2), np.log([1.0, 4.0]), np.array([1.0, 4.0]))
    expected = np.array([-0.5, -np.log(2) - 2]) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_gaussian_matches_scipy(x64):
    mean, log_var, x = RNG.normal(size=(3, 100))
    expected = scipy.stats.norm(mean, np.exp(0.5 * log_var)).logpdf(x)
    np.testing.assert_allclose(gaussian_log_likelihood(mean, log_var, x), expected, rtol=1e-12)


def test_python_numbers_and_bools_take_the_dtype_of_the_first_floating_array():
    assert float(losses.bernoulli_log_likelihood(0, 1)) == pytest.approx(np.log(0.5))
    assert float(losses.gaussian_log_likelihood(0, 0, 1)) == pytest.approx(-0.5 * np.log(2 * np.pi) - 0.5)
    assert losses.bernoulli_log_likelihood(0, 1).dtype == jnp.float32
    low = jnp.zeros((2, 3), jnp.bfloat16)
    for x in (np.ones((2, 3), bool), 1):
        value = losses.bernoulli_log_likelihood(low, x)
        np.testing.assert_allclose(np.asarray(value, np.float32), np.log(0.5), rtol=1e-2)
        assert value.dtype == jnp.bfloat16
    assert losses.gaussian_log_likelihood(low, -2.0, np.full((2, 3), 0.25)).dtype == jnp.bfloat16
    assert losses.gaussian_log_likelihood(0, 0.0, low).dtype == jnp.bfloat16
