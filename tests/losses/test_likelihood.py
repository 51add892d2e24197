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


COUNTS = np.array([0, 1, 2, 7, 8, 9, 100, 1e4, 1e5])
LOG_MEANS = np.array([-20, -3, 0, 2, 4.6, 11.5])
REALS = np.array([-1e10, -4, 0, 1e-3, 3, 1e30])


def negative_binomial(log_mean, log_dispersion, x):
    """The formula itself: SciPy's takes the probability r / (r + mean), which rounds small means away."""
    gammaln, r = scipy.special.gammaln, np.exp(-log_dispersion)
    log_total = np.logaddexp(np.log(r), log_mean)
    off = -r * np.log1p(np.exp(log_mean) / r)
    return gammaln(x + r) - gammaln(r) - gammaln(x + 1) + off + x * (log_mean - log_total)


ORACLES = {
    "poisson": (
        losses.poisson_log_likelihood,
        lambda log_rate, x: scipy.stats.poisson(np.exp(log_rate)).logpmf(x),
        np.meshgrid(LOG_MEANS, COUNTS),
    ),
    "negative_binomial": (
        losses.negative_binomial_log_likelihood,
        negative_binomial,
        np.meshgrid(LOG_MEANS, [-13, -5, -1, 0, 4], COUNTS),
    ),
    "student_t": (
        losses.student_t_log_likelihood,
        lambda m, log_s, log_v, x: scipy.stats.t(np.exp(log_v), m, np.exp(log_s)).logpdf(x),
        np.meshgrid([0, 3], [-8, 0, 5], [-2, 0, 1, 2.7, 2.8, 5, 10, 20], REALS),
    ),
}


@pytest.mark.parametrize("name", ORACLES)
def test_counts_and_heavy_tails_match_scipy_also_in_float32(name):
    loss, oracle, arguments = ORACLES[name]
    # The oracle is given what float32 makes of the arguments.
    arguments = [np.float32(values).ravel() for values in arguments]
    expected = oracle(*(values.astype(np.float64) for values in arguments))
    np.testing.assert_allclose(jax.jit(loss)(*arguments), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ORACLES)
def test_counts_and_heavy_tails_match_scipy_in_float64(name, x64):
    loss, oracle, arguments = ORACLES[name]
    arguments = [np.float64(values).ravel() for values in arguments]
    # Series that end give up to 1e-9; the oracles' differences of large numbers as much.
    np.testing.assert_allclose(jax.jit(loss)(*arguments), oracle(*arguments), rtol=1e-6, atol=1e-6)


def test_the_negative_binomial_is_scipys_and_the_poisson_in_the_limit(x64):
    mean, dispersion = np.exp(RNG.normal(2, 1, 50)), np.exp(RNG.normal(0, 1, 50))
    x = RNG.poisson(mean)
    value = losses.negative_binomial_log_likelihood(np.log(mean), np.log(dispersion), np.float64(x))
    expected = scipy.stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean)).logpmf(x)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    limit = losses.negative_binomial_log_likelihood(np.log(mean), -20.0, np.float64(x))
    np.testing.assert_allclose(limit, scipy.stats.poisson(mean).logpmf(x), rtol=1e-5)


@pytest.mark.parametrize(("name", "ends"), [
    ("poisson", ([-1e4, 80], [0, 1, 1e6])),
    ("negative_binomial", ([-1e4, -80, 0, 80], [-80, -40, 0, 40, 80], [0, 1, 1e6])),
    ("student_t", ([-1e30, 0, 1e30], [-20, 0, 20], [-20, 0, 40], [-1e30, 0, 1e-30, 1e30])),
])  # fmt: skip
def test_values_and_gradients_are_finite_at_extreme_arguments(name, ends):
    arguments = [np.float32(values).ravel() for values in np.meshgrid(*ends)]
    which = tuple(range(len(arguments) - 1 + (name == "student_t")))
    loss = ORACLES[name][0]
    gradients = jax.jit(jax.grad(lambda *a: loss(*a).sum(), argnums=which))(*arguments)
    for values in (jax.jit(loss)(*arguments), *gradients):
        assert np.isfinite(values).all()


def test_the_gradient_of_a_count_is_the_residual():
    log_rate, x = (np.float32(v).ravel() for v in np.meshgrid([-5, 0, 3, 8], [0, 1, 5, 1e4]))
    gradient = jax.grad(lambda rate: losses.poisson_log_likelihood(rate, x).sum())(log_rate)
    np.testing.assert_allclose(gradient, x - np.exp(log_rate), rtol=1e-4, atol=1e-4)


def test_categorical_is_a_softmax_of_each_group():
    logits, groups = np.float32(RNG.normal(0, 3, (4, 6))), np.array([0, 0, 0, 1, 1, 2])
    logits[0] = [1e4, -1e4, 0, 200, 300, -1e4]
    x = np.float32([1, 0, 0, 0, 1, 1])
    value, gradient = jax.jit(
        jax.value_and_grad(lambda logits, x: losses.categorical_log_likelihood(logits, x, groups).sum())
    )(logits, np.tile(x, (4, 1)))
    softmax = [scipy.special.log_softmax(np.float64(part), axis=1) for part in np.split(logits, [3, 5], 1)]
    together = np.concatenate(softmax, axis=1)
    np.testing.assert_allclose(value, (together * x).sum(), rtol=1e-5)
    np.testing.assert_allclose(gradient, x - np.exp(together), atol=1e-5)


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
