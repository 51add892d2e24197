"""The decoder's likelihoods: sums over the example, sample axes, the floor of the variance."""

import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from flax import nnx

from vsc_jax.config.choices import Likelihood
from vsc_jax.config.errors import UserError
from vsc_jax.models.nets import LIKELIHOODS, MLP
from vsc_jax.models.nets.likelihoods import one_hot_groups

LATENTS, SHAPE = 3, (4, 2)
FLOOR = -6.0


def decoder(likelihood, shape=SHAPE):
    trunk = MLP(LATENTS, (16, int(np.prod(shape))), rngs=nnx.Rngs(0))
    return LIKELIHOODS[likelihood](trunk, shape, FLOOR)


def codes(*batch):
    return jnp.asarray(np.random.default_rng(1).standard_normal((*batch, LATENTS), np.float32))


def examples(n):
    return jnp.asarray(np.random.default_rng(2).random((n, *SHAPE), np.float32))


def test_bernoulli_mean_is_a_probability_in_the_examples_shape():
    module = decoder("bernoulli")
    mean = module.mean(10 * codes(5))
    assert mean.shape == (5, *SHAPE)
    np.testing.assert_allclose(mean.reshape(5, -1), jax.nn.sigmoid(module.trunk(10 * codes(5))), rtol=1e-6)
    assert float(mean.min()) >= 0
    assert float(mean.max()) <= 1


def test_bernoulli_log_likelihood_is_minus_cross_entropy_summed_over_the_example():
    module, x = decoder("bernoulli"), np.asarray(examples(5))
    mean = np.asarray(module.mean(codes(5)), np.float64)
    expected = (x * np.log(mean) + (1 - x) * np.log(1 - mean)).sum(axis=(1, 2))
    np.testing.assert_allclose(module.log_likelihood(codes(5), jnp.asarray(x)), expected, rtol=1e-5)


def test_gaussian_log_likelihood_is_the_density_of_scipy():
    module, x = decoder("gaussian"), np.asarray(examples(5))
    module.raw_log_var[...] = jnp.linspace(2.0, 8.0, 8)
    sd = np.exp(0.5 * np.asarray(module.log_var, np.float64)).reshape(SHAPE)
    mean = np.asarray(module.mean(codes(5)), np.float64)
    expected = scipy.stats.norm.logpdf(x, mean, sd[None]).sum(axis=(1, 2))
    np.testing.assert_allclose(module.log_likelihood(codes(5), jnp.asarray(x)), expected, rtol=1e-5)


def test_gaussian_variance_starts_at_one_and_never_falls_below_its_floor():
    module = decoder("gaussian")
    np.testing.assert_allclose(module.log_var, np.zeros(8), atol=1e-5)
    module.raw_log_var[...] = jnp.full(8, -1e4)
    np.testing.assert_array_equal(module.log_var, np.full(8, FLOOR, np.float32))


COUNTS = ("poisson", "negative_binomial")


def counts(n):
    return jnp.asarray(np.random.default_rng(3).poisson(2.0, (n, *SHAPE)), jnp.float32)


def of(likelihood, n):
    if likelihood == "categorical":
        return jnp.asarray(np.eye(4, dtype="f")[np.arange(2 * n) % 4].reshape(n, *SHAPE))
    return counts(n) if likelihood in COUNTS else examples(n)


def test_every_choice_is_a_likelihood_that_says_its_name():
    assert [*LIKELIHOODS] == [*typing.get_args(Likelihood)]
    assert all(kind.likelihood == name for name, kind in LIKELIHOODS.items())


def test_student_t_log_likelihood_is_the_density_of_scipy():
    module, x = decoder("student_t"), np.asarray(examples(5))
    module.raw_log_df[...] = jnp.linspace(-1.0, 1.0, 8)
    scale = np.exp(0.5 * np.asarray(module.log_var, np.float64)).reshape(SHAPE)
    df = np.exp(np.asarray(module.log_df, np.float64)).reshape(SHAPE)
    assert df.min() >= 1
    expected = scipy.stats.t.logpdf(x, df[None], np.asarray(module.mean(codes(5))), scale[None])
    np.testing.assert_allclose(
        module.log_likelihood(codes(5), jnp.asarray(x)), expected.sum(axis=(1, 2)), rtol=1e-5
    )


@pytest.mark.parametrize("likelihood", COUNTS)
def test_rates_of_counts_are_shares_of_the_total_of_each_example(likelihood):
    module, x = decoder(likelihood), counts(5)
    module.start(np.asarray(counts(300)))
    np.testing.assert_allclose(jnp.exp(module.offset).sum(), counts(300).sum() / 300, rtol=1e-2)
    rates = np.asarray(module.mean(codes(5), x), np.float64)
    np.testing.assert_allclose(rates.sum(axis=(1, 2)), x.sum(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(
        module.mean(codes(5)).sum(axis=(1, 2)), jnp.exp(module.offset).sum(), rtol=1e-5
    )
    log_prob = scipy.stats.poisson(rates).logpmf
    if likelihood == "negative_binomial":
        module.raw_log_dispersion[...] = jnp.full(8, -0.1)  # ten times slower than what it stands for
        r = np.exp(1.0)
        log_prob = scipy.stats.nbinom(r, r / (r + rates)).logpmf
    np.testing.assert_allclose(module.log_likelihood(codes(5), x), log_prob(x).sum(axis=(1, 2)), rtol=1e-4)


def test_an_encoder_sees_counts_without_their_total_and_nothing_where_there_are_none():
    module, x = decoder("poisson"), counts(3).at[0].set(0)
    np.testing.assert_allclose(module.inputs(10 * x), module.inputs(x), rtol=1e-5)
    np.testing.assert_array_equal(module.inputs(x)[0], np.zeros(SHAPE))
    assert np.isfinite(module.log_likelihood(codes(3), x)).all()


@pytest.mark.parametrize(("row", "message"), [
    ([1, 0, 0, 0, 0], "got none in row 1, columns 2 to 4"),
    ([1, 1, 0, 0, 1], "got more in row 1, columns 0 to 1"),
    ([1, 0, 0, 0, 1], None),
])  # fmt: skip
def test_groups_of_one_hot_columns_end_where_every_row_has_had_its_one(row, message):
    x = np.array([[0, 1, 0, 1, 0], [1, 0, 1, 0, 0], [1, 0, 0, 0, 1]], np.float32)
    x[1] = row
    if message is None:
        np.testing.assert_array_equal(one_hot_groups(x), [0, 0, 1, 1, 1])
        return
    with pytest.raises(UserError, match=message):
        one_hot_groups(x)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_sample_axes_are_samples_of_the_same_examples(likelihood):
    module, x = decoder(likelihood), of(likelihood, 5)
    z = codes(2, 3, 5)
    together = module.log_likelihood(z, x)
    assert together.shape == (2, 3, 5)
    np.testing.assert_allclose(together[1, 2], module.log_likelihood(z[1, 2], x), rtol=1e-5)
    np.testing.assert_allclose(module.mean(z, x)[1, 2], module.mean(z[1, 2], x), rtol=1e-5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_gradient_reaches_every_parameter(likelihood):
    graph, params = nnx.split(decoder(likelihood))
    x, z = of(likelihood, 32), codes(32)
    gradient = jax.jit(jax.grad(lambda params: jnp.sum(nnx.merge(graph, params).log_likelihood(z, x))))(
        params
    )
    own = {"gaussian": {"raw_log_var"}, "student_t": {"raw_log_var", "raw_log_df"}, "poisson": {"log_mean"}}
    own["categorical"] = {"raw_groups"}
    own["negative_binomial"] = {"log_mean", "raw_log_dispersion"}
    assert set(gradient) == own.get(likelihood, set()) | {"trunk"}
    for constant in ("log_mean", "raw_groups"):
        gradient.pop(constant, None)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert float(np.mean(np.asarray(leaf) != 0)) > 0.9, jax.tree_util.keystr(path)


@pytest.mark.parametrize("floor", [-30.0, -6.0, -1e-6, 0.0, 20.0])
def test_the_variance_starts_at_one_or_a_little_above_its_floor(floor):
    decoder = LIKELIHOODS["gaussian"](MLP(2, (3,), rngs=nnx.Rngs(0)), (3,), floor)
    np.testing.assert_allclose(decoder.log_var, max(0.0, floor + 0.1), rtol=1e-5, atol=1e-5)
