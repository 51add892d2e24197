"""Log-likelihoods against hand values, SciPy and quadrature, and at extreme arguments."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from jax.test_util import check_grads

from vsc_jax import losses

bernoulli_log_likelihood = jax.jit(losses.bernoulli_log_likelihood)
gaussian_log_likelihood = jax.jit(losses.gaussian_log_likelihood)

LOGITS = (-1e4, -100.0, -20.0, -1e-3, 0.0, 3.0, 20.0, 100.0, 1e4)


def all_pairs(*axes):
    return [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]


def assert_finite_in_value_and_gradient(f, *args):
    def total(*args):
        values = f(*args)
        return sum(jnp.sum(leaf.astype(jnp.float32)) for leaf in jax.tree.leaves(values)), values

    by_argument = jax.grad(total, argnums=tuple(range(len(args))), has_aux=True)
    for leaf in jax.tree.leaves(jax.jit(by_argument)(*args)):
        assert np.isfinite(np.asarray(leaf, np.float64)).all()


# Bernoulli


def test_bernoulli_hand_values():
    logits = np.log([1.0, 3.0, 3.0])
    np.testing.assert_allclose(
        bernoulli_log_likelihood(logits, np.array([1.0, 1.0, 0.0])), np.log([0.5, 0.75, 0.25]), rtol=1e-6
    )


def test_bernoulli_matches_scipy(x64):
    rng = np.random.default_rng(0)
    logits, x = rng.normal(0, 3, 100), rng.random(100) < 0.5
    expected = scipy.stats.bernoulli(scipy.special.expit(logits)).logpmf(x)
    np.testing.assert_allclose(bernoulli_log_likelihood(logits, x), expected, rtol=1e-9, atol=1e-12)


def test_bernoulli_probabilities_sum_to_one(x64):
    logits = np.linspace(-30, 30, 61)
    both = sum(np.exp(bernoulli_log_likelihood(logits, x)) for x in (0.0, 1.0))
    np.testing.assert_allclose(both, np.ones(61), rtol=1e-12)


def test_grey_values_give_minus_the_cross_entropy(x64):
    rng = np.random.default_rng(1)
    logits, x = rng.normal(0, 3, 100), rng.uniform(size=100)
    expected = x * scipy.special.log_expit(logits) + (1 - x) * scipy.special.log_expit(-logits)
    np.testing.assert_allclose(bernoulli_log_likelihood(logits, x), expected, rtol=1e-12)


def test_bernoulli_gradient_is_the_residual():
    logits, x = (jnp.asarray(a, jnp.float32) for a in all_pairs(LOGITS, [0.0, 0.3, 1.0]))
    total = lambda *arguments: bernoulli_log_likelihood(*arguments).sum()  # noqa: E731
    by_logits, by_x = jax.jit(jax.grad(total, argnums=(0, 1)))(logits, x)
    residual = np.asarray(x, np.float64) - scipy.special.expit(np.asarray(logits, np.float64))
    np.testing.assert_allclose(by_logits, residual, atol=1e-6)
    np.testing.assert_allclose(by_x, logits)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_bernoulli_is_finite_at_extreme_logits(dtype):
    arguments = (jnp.asarray(a, dtype) for a in all_pairs(LOGITS, [0.0, 0.3, 1.0]))
    assert_finite_in_value_and_gradient(bernoulli_log_likelihood, *arguments)


def test_bernoulli_hand_values_at_extreme_logits():
    logits, x = np.array([1e4, -1e4, 1e4, -1e4]), np.array([1.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(bernoulli_log_likelihood(logits, x), [0.0, 0.0, -1e4, -1e4])


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_small_losses_of_confident_pixels_are_not_rounded_to_zero(dtype, rtol):
    logits = jnp.array([8.0, -8.0, 16.0], dtype)
    expected = scipy.special.log_expit([8.0, 8.0, 16.0])
    value = bernoulli_log_likelihood(logits, np.array([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(np.asarray(value, np.float64), expected, rtol=rtol)


def test_pixels_may_be_bools_and_the_logits_decide_the_dtype():
    for ones in (np.ones((2, 3), bool), 1):
        value = bernoulli_log_likelihood(jnp.zeros((2, 3), jnp.bfloat16), ones)
        assert value.dtype == jnp.bfloat16
        np.testing.assert_allclose(np.asarray(value, np.float32), np.log(0.5), rtol=1e-2)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_whole_numbers_may_be_pixels_up_to_255_and_are_refused(dtype):
    with pytest.raises(
        TypeError, match=f"got {dtype}; divide pixels from 0 to 255 by 255, and give black and white"
    ):
        bernoulli_log_likelihood(np.ones(3, np.float32), np.array([0, 128, 255], dtype))


# Gaussian


def test_gaussian_hand_values():
    value = gaussian_log_likelihood(np.zeros(2), np.log([1.0, 4.0]), np.array([1.0, 4.0]))
    expected = [-0.5 * np.log(2 * np.pi) - 0.5, -0.5 * np.log(2 * np.pi) - np.log(2) - 2]
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_gaussian_matches_scipy(x64):
    rng = np.random.default_rng(2)
    mean, log_var, x = rng.normal(size=(3, 100))
    expected = scipy.stats.norm(mean, np.exp(0.5 * log_var)).logpdf(x)
    np.testing.assert_allclose(gaussian_log_likelihood(mean, log_var, x), expected, rtol=1e-12)


def test_gaussian_density_integrates_to_one(x64):
    for mean, log_var in [(0.0, 0.0), (3.0, -4.0), (-2.0, 3.0)]:
        std = np.exp(0.5 * log_var)
        grid = np.linspace(mean - 10 * std, mean + 10 * std, 4001)
        mass = scipy.integrate.trapezoid(np.exp(gaussian_log_likelihood(mean, log_var, grid)), grid)
        assert mass == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gaussian_is_finite_at_extreme_variances(dtype):
    grid = all_pairs([-100.0, 0.0, 1.0], [-30.0, -3.0, 0.0, 20.0], [-1.0, 0.0, 255.0])
    assert_finite_in_value_and_gradient(gaussian_log_likelihood, *(jnp.asarray(a, dtype) for a in grid))


# Both


def test_gradients_match_finite_differences(x64):
    def both(a, b, x):
        return bernoulli_log_likelihood(a, x), gaussian_log_likelihood(a, b, x)

    arguments = tuple(np.random.default_rng(3).uniform(0.1, 0.9, size=(3, 2, 3)))
    check_grads(jax.jit(both), arguments, order=1, modes=["rev"])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_dtypes_are_preserved(x64, dtype):
    a = jnp.full((2, 3), 0.5, dtype)
    wide = np.full((2, 3), 0.25)
    results = jax.eval_shape(
        lambda a: [
            losses.bernoulli_log_likelihood(a, a),
            losses.bernoulli_log_likelihood(a, wide),
            losses.bernoulli_log_likelihood(a, 1),
            losses.gaussian_log_likelihood(a, a, a),
            losses.gaussian_log_likelihood(a, -2.0, wide),
            losses.gaussian_log_likelihood(0, 0.0, a),
        ],
        a,
    )
    assert [result.dtype.name for result in results] == [dtype] * 6


def test_python_numbers_are_accepted():
    assert float(losses.bernoulli_log_likelihood(0, 1)) == pytest.approx(np.log(0.5))
    assert float(losses.gaussian_log_likelihood(0, 0, 1)) == pytest.approx(-0.5 * np.log(2 * np.pi) - 0.5)
    assert losses.bernoulli_log_likelihood(0, 1).dtype == jnp.float32


class TestVariants(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_same_values_under_vmap_with_and_without_jit(self):
        def both(a, b, x):
            return losses.bernoulli_log_likelihood(a, x), losses.gaussian_log_likelihood(a, b, x)

        arguments = np.random.default_rng(4).uniform(size=(3, 4, 3))
        together = self.variant(jax.vmap(both))(*arguments)
        chex.assert_trees_all_close(together, jax.jit(both)(*arguments), rtol=1e-6)
