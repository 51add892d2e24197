"""The spike-and-slab: its samples, gate estimators, density, warm-up and blending.

Compiling a sampler takes half a second, so that tests share compiled functions and shapes, and keep
their own arithmetic in NumPy.
"""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from jaxtyping import TypeCheckError

from tests.spikes import random_spike_slab
from vsc_jax.spike_slab import (
    SpikeLaplace,
    SpikeSlab,
    blend_gates,
    is_on,
    log_prob,
    log_prob_matrix,
    sample,
    sample_gate,
    sample_given_support,
    warm_up,
)

GATES = ("sigmoid", "concrete", "straight_through", "bernoulli")
# The statistics of gates are those of 40,000 draws at each of these gate probabilities.
DRAWS = 40_000
GAMMA = np.array([0.02, 0.3, 0.5, 0.9])
GATE_LOGITS = np.tile(scipy.special.logit(GAMMA).astype(np.float32), (DRAWS, 1))

density = jax.jit(log_prob)
warmed_up = jax.jit(warm_up)
blended_gates = jax.jit(blend_gates)


@jax.jit
def by_mean_log_var_and_logit(q):
    """Gradient of the mean square of the samples."""
    return jax.grad(lambda q: jnp.sum(jnp.mean(jnp.square(sample(q, jax.random.key(1))), axis=0)))(q)


@jax.jit
def _hard_samples(q, key):
    def of(gate):
        return sample(q, jax.random.clone(key), gate=gate, sharpness=2.0, sample_shape=(100_000,))

    return {gate: of(gate) for gate in ("bernoulli", "straight_through")}


def hard_samples(q, seed, gate="bernoulli"):
    """100,000 samples of five latents, by either estimator that is hard."""
    return np.asarray(_hard_samples(q, jax.random.key(seed))[gate], np.float64)


@jax.jit
def _gates_and_gradients(logits, key, sharpness):
    def of(gate):
        def total(logits):
            gates = sample_gate(logits, jax.random.clone(key), gate=gate, sharpness=sharpness)
            return jnp.sum(gates), gates

        gradient, gates = jax.grad(total, has_aux=True)(logits)
        return gates, gradient

    return {gate: of(gate) for gate in GATES}


def gates_and_gradient(gate, sharpness, seed):
    """Gates at ``GATE_LOGITS`` and the derivative of each by its own logit; same noise for a seed."""
    result = _gates_and_gradients(GATE_LOGITS, jax.random.key(seed), sharpness)[gate]
    return [np.asarray(array, np.float64) for array in result]


# Every combination of extreme means, log-variances and logits.
EXTREMES = SpikeSlab(
    *np.float32(
        list(
            itertools.product((-100, 0, 1), (-30, -3, 0, 5, 20), (-1e4, -100, -20, -1e-3, 0, 3, 20, 100, 1e4))
        )
    ).T
)


def test_gamma_and_std_hand_values():
    q = SpikeSlab(np.zeros(3), np.log([1.0, 4.0, 0.25]), np.array([0.0, np.log(3.0), -1e4]))
    np.testing.assert_allclose(q.gamma, [0.5, 0.75, 0.0], rtol=1e-6)
    np.testing.assert_allclose(q.std, [1.0, 2.0, 0.5], rtol=1e-6)


def test_methods_are_the_functions():
    q = random_spike_slab(1, (4, 3))

    @jax.jit
    def both(q, key):
        options = {"gate": "concrete", "sharpness": 2.0, "sample_shape": (2,)}
        methods = q.sample(key, **options), q.log_prob(0.3), q.warm_up(0.3)
        return methods, (sample(q, jax.random.clone(key), **options), log_prob(q, 0.3), warm_up(q, 0.3))

    methods, functions = both(q, jax.random.key(0))
    chex.assert_trees_all_equal(methods, functions)
    assert methods[0].shape == (2, 4, 3)


def test_options_of_sampling_go_by_name_and_the_slope_is_one_if_not_given():
    q = random_spike_slab(1, (4, 3))

    @jax.jit
    def samples(q, **slope):
        key, options = jax.random.key(0), {"gate": "concrete", **slope}
        gates = sample_gate(q.gate_logit, jax.random.clone(key), **options)
        return q.sample(jax.random.clone(key), **options), sample(q, key, **options), gates

    chex.assert_trees_all_equal(samples(q), samples(q, sharpness=1.0))
    for function, first in ((sample, q), (sample_gate, q.gate_logit), (SpikeSlab.sample, q)):
        with pytest.raises(TypeError, match="positional"):
            function(first, jax.random.key(0), "concrete")


@pytest.mark.parametrize("function", [
    lambda q: sample(q, jax.random.key(0)), lambda q: log_prob(q, 0.0), lambda q: warm_up(q, 0.5),
    lambda q: blend_gates(q, 0.5, 0.1),
])  # fmt: skip
def test_fields_of_different_shapes_and_integer_means_are_an_error(function):
    with pytest.raises(AssertionError, match="shape"):
        function(SpikeSlab(np.zeros(3), np.zeros(3), np.zeros(1)))
    with pytest.raises(AssertionError, match="float"):
        function(SpikeSlab(np.zeros(3, int), np.zeros(3), np.zeros(3)))


@pytest.mark.parametrize("gate", ["bernoulli", "straight_through"])
def test_hard_samples_have_the_moments_of_the_distribution(gate):
    q, n = random_spike_slab(2, (5,)), 100_000
    z = hard_samples(q, 3, gate)
    gamma, mean, variance = scipy.special.expit(q.gate_logit), q.mean, np.exp(q.log_var)
    first, second = gamma * mean, gamma * (variance + mean**2)
    fourth = gamma * (mean**4 + 6 * mean**2 * variance + 3 * variance**2)
    assert np.all(np.abs(z.mean(0) - first) < 4.5 * np.sqrt((second - first**2) / n))
    assert np.all(np.abs((z**2).mean(0) - second) < 4.5 * np.sqrt((fourth - second**2) / n))


def test_gate_patterns_occur_with_the_product_of_their_probabilities():
    q, n = random_spike_slab(5, (5,)), 100_000
    on = hard_samples(q, 6) != 0
    counts = np.bincount(on @ (1 << np.arange(5)), minlength=32)
    patterns = np.array([[(code >> j) & 1 for j in range(5)] for code in range(32)])
    gamma = scipy.special.expit(q.gate_logit)
    probabilities = np.prod(np.where(patterns, gamma, 1 - gamma), axis=1)
    assert scipy.stats.chisquare(counts, n * probabilities / probabilities.sum()).pvalue > 1e-3


def test_slab_of_an_open_gate_is_gaussian():
    mean, std = np.array([1.5, 0.0, -2.0, 0.0, 0.0]), np.array([2.0, 1.0, 0.1, 1.0, 1.0])
    q = SpikeSlab(mean, 2 * np.log(std), np.array([1e4, 1e4, 1e4, 0.0, 1e4]))
    z = hard_samples(q, 4)
    for j in (0, 1, 2):
        assert scipy.stats.kstest(z[:, j], scipy.stats.norm(mean[j], std[j]).cdf).pvalue > 1e-3
    # Gate and slab have noise of their own: a slab behind a gate that is on is no different.
    assert scipy.stats.kstest(z[z[:, 3] != 0, 3], "norm").pvalue > 1e-3


@pytest.mark.parametrize("gate", ["bernoulli", "straight_through"])
def test_hard_samples_are_exactly_zero_where_the_gate_is_off(gate):
    q = SpikeSlab(np.full(5, 5.0), np.full(5, -4.0), np.array([0.5, 0.5, -1e4, 1e4, 0.5]))
    z = hard_samples(q, 7, gate)
    assert np.all((z == 0) | (z > 4))
    assert 0.6 < np.count_nonzero(z[:, 0]) / 100_000 < 0.65
    assert np.count_nonzero(z[:, 2]) == 0
    assert np.count_nonzero(z[:, 3]) == 100_000


def test_samples_are_independent_over_both_sample_shape_and_distributions():
    q, n = SpikeSlab(np.zeros(5), np.zeros(5), np.full(5, 1e4)), 100_000
    z = hard_samples(q, 8)
    assert np.all(np.abs(np.corrcoef(z.T)[np.triu_indices(5, 1)]) < 4.5 / np.sqrt(n))
    assert abs(np.corrcoef(z[:-1, 0], z[1:, 0])[0, 1]) < 4.5 / np.sqrt(n)


def test_pathwise_gradients_of_the_slab_match_the_moments():
    """Of E[z^2]: 2 gamma mean by the mean, and gamma var by the log-variance."""
    q = random_spike_slab(10, (3,))
    wide = jax.tree.map(lambda a: np.broadcast_to(a, (100_000, 3)), q)
    by_mean, by_log_var, by_logit = (np.sum(a, axis=0) for a in by_mean_log_var_and_logit(wide))
    gamma = scipy.special.expit(q.gate_logit)
    np.testing.assert_allclose(by_mean, 2 * gamma * q.mean, atol=0.03)
    np.testing.assert_allclose(by_log_var, gamma * np.exp(q.log_var), rtol=0.03)
    np.testing.assert_array_equal(by_logit, np.zeros(3))


@pytest.mark.parametrize("sharpness", [0.7, 20.0])
def test_gate_exceeds_one_half_with_probability_gamma_for_all_estimators_alike(sharpness):
    hard, *others = (gates_and_gradient(gate, sharpness, 13)[0] > 0.5 for gate in GATES[::-1])
    assert np.all(np.abs(hard.mean(axis=0) - GAMMA) < 4.5 * np.sqrt(GAMMA * (1 - GAMMA) / DRAWS))
    for other in others:
        assert np.mean(hard == other) > 0.9999


def test_relaxed_gates_are_the_papers_and_binary_concrete():
    """The noise recovered from S(c (eta - 1 + gamma)) must be uniform, from S(c (logit + noise)) logistic."""
    paper, concrete = (gates_and_gradient(gate, 0.7, 16)[0] for gate in ("sigmoid", "concrete"))
    eta = scipy.special.logit(paper) / 0.7 + 1 - GAMMA
    noise = scipy.special.logit(concrete) / 0.7 - scipy.special.logit(GAMMA)
    for j in range(4):
        assert scipy.stats.kstest(eta[:, j], "uniform").pvalue > 1e-3
        assert scipy.stats.kstest(noise[:, j], "logistic").pvalue > 1e-3


def test_hard_gates_are_exactly_zero_or_one_and_bernoulli_passes_no_gradient():
    for gate in ("straight_through", "bernoulli"):
        gates, gradient = gates_and_gradient(gate, 3.0, 18)
        assert set(np.unique(gates)) == {0.0, 1.0}
    np.testing.assert_array_equal(gradient, np.zeros((DRAWS, 4)))


@pytest.mark.parametrize("gate", ["sigmoid", "concrete", "straight_through"])
def test_relaxed_gradients_by_hand(gate):
    """At the relaxed gate g: c g (1 - g), for the sigmoid times gamma (1 - gamma); always positive."""
    c, relaxed = 3.0, "concrete" if gate == "straight_through" else gate
    g, _ = gates_and_gradient(relaxed, c, 22)
    inner = GAMMA * (1 - GAMMA) if gate == "sigmoid" else 1.0
    _, gradient = gates_and_gradient(gate, c, 22)
    np.testing.assert_allclose(gradient, c * g * (1 - g) * inner, rtol=1e-4, atol=1e-6)
    assert np.all(gradient.mean(axis=0) > 0.005)


def test_an_unknown_gate_is_an_error():
    # The shape checker of the tests refuses it first; the function under it says the same to a user.
    with pytest.raises(TypeCheckError, match="gumbel"):
        sample_gate(np.zeros(3), jax.random.key(27), gate="gumbel")
    with pytest.raises(ValueError, match="sigmoid, concrete, straight_through or bernoulli, not 'gumbel'"):
        sample_gate.__wrapped__(np.zeros(3), jax.random.key(27), gate="gumbel")


def test_rare_gates_keep_their_rate_in_bfloat16():
    """A bfloat16 uniform has 128 values: drawn in it, gates of gamma = 0.002 were never on."""
    n, gamma = 200_000, np.array([0.002, 0.998])
    logits = jnp.asarray(np.tile(scipy.special.logit(gamma), (n, 1)), jnp.bfloat16)
    rounded = scipy.special.expit(np.asarray(logits[0], np.float64))
    rate = np.mean(np.asarray(jax.jit(sample_gate)(logits, jax.random.key(28)), np.float64), axis=0)
    assert np.all(np.abs(rate - rounded) < 4.5 * np.sqrt(gamma * (1 - gamma) / n))


def test_slab_noise_has_tails_in_bfloat16():
    q = SpikeSlab(*(np.full(100_000, value, jnp.bfloat16) for value in (0.0, 0.0, 1e4)))
    z = np.abs(np.asarray(jax.jit(sample)(q, jax.random.key(29)), np.float32))
    assert z.max() > 3.5
    assert np.mean(z > 2.576) == pytest.approx(0.01, abs=0.0015)


def test_log_prob_matches_scipy_at_samples_of_any_rank(x64):
    q, z = random_spike_slab(30, (4, 3)), np.random.default_rng(31).normal(size=(7, 4, 3))
    z[0, 0, 0] = 0
    np.testing.assert_allclose(density(q, z).sum(-1), density_by_scipy(q, z), rtol=1e-12)


@pytest.mark.parametrize(
    ("mean", "log_var", "gate_logit"), [(0.0, 0.0, 0.0), (2.0, -3.0, -2.0), (-1.0, 1.5, 3.0)]
)
@pytest.mark.parametrize("family", [SpikeSlab, SpikeLaplace])
def test_mass_at_zero_and_density_elsewhere_sum_to_one(x64, family, mean, log_var, gate_logit):
    q = family(np.asarray(mean), np.asarray(log_var), np.asarray(gate_logit))

    def slab(z):
        return float(np.exp(density(q, z)))

    # Two pieces, because z = 0 itself is the spike.
    ends = sorted({-60, -1e-12, 1e-12, 60, mean - 1e-9})
    pieces = [scipy.integrate.quad(slab, *piece, epsabs=1e-9)[0] for piece in itertools.pairwise(ends)]
    assert sum(pieces) == pytest.approx(scipy.special.expit(gate_logit), abs=1e-7)
    assert sum(pieces) + slab(0.0) == pytest.approx(1, abs=1e-7)


def test_laplace_slabs_have_the_moments_and_the_density_of_scipy(x64):
    q = SpikeLaplace(*random_spike_slab(36, (4,)))
    slab = scipy.stats.laplace(q.mean, np.exp(0.5 * q.log_var) / np.sqrt(2))
    z = np.random.default_rng(37).normal(size=(7, 4))
    expected = scipy.special.log_expit(q.gate_logit) + slab.logpdf(z)
    np.testing.assert_allclose(log_prob(q, z), expected, rtol=1e-12)
    drawn = np.asarray(sample(q, jax.random.key(38), sample_shape=(50_000,)))
    for latent in range(4):
        on = drawn[drawn[:, latent] != 0, latent]
        assert len(on) / 50_000 == pytest.approx(scipy.special.expit(q.gate_logit[latent]), abs=0.01)
        assert scipy.stats.kstest(on, lambda z, j=latent: slab.cdf(z[:, None])[:, j]).pvalue > 1e-3
    warmed = warm_up(q, 0.3)
    assert type(warmed) is SpikeLaplace
    np.testing.assert_allclose(np.exp(warmed.log_var), 0.3 * np.exp(q.log_var) + 0.7)


def test_density_ratio_of_samples_averages_to_one():
    """E_q[p(z) / q(z)] = 1 holds only if both are densities of one measure, spike included."""
    q, p, n = random_spike_slab(32, (5,)), random_spike_slab(33, (5,)), 100_000
    q = q._replace(log_var=p.log_var + 0.5)
    z = hard_samples(q, 34)
    ratio = np.exp(np.asarray(density(p, z), np.float64).sum(-1) - np.asarray(density(q, z)).sum(-1))
    assert ratio.std() / np.sqrt(n) < 0.02
    assert abs(ratio.mean() - 1) < 4.5 * ratio.std() / np.sqrt(n)


def test_log_prob_of_a_latent_that_is_off_depends_on_its_gate_alone():
    q = random_spike_slab(37, (5,))
    by_field = jax.jit(jax.grad(lambda q: jnp.sum(log_prob(q, 0.0))))(q)
    np.testing.assert_array_equal(by_field[0], np.zeros(5))
    np.testing.assert_array_equal(by_field[1], np.zeros(5))
    np.testing.assert_allclose(by_field[2], -scipy.special.expit(q.gate_logit), rtol=1e-5)
    assert is_on(jnp.array([0.0, -0.0, 1e-30, -2.0])).tolist() == [False, False, True, True]


def test_warm_up_at_one_is_the_distribution_itself_to_the_last_bit():
    for q in (EXTREMES, random_spike_slab(47, (500,))):
        chex.assert_trees_all_equal(warmed_up(q, 1.0), jax.tree.map(np.float32, q))


def test_warm_up_mixes_means_and_variances_linearly_behind_the_same_gates():
    q = random_spike_slab(39, (4, 3))
    for lam in (0.0, 0.25):
        warm = warmed_up(q, lam)
        np.testing.assert_allclose(warm.mean, lam * q.mean, rtol=1e-6)
        np.testing.assert_allclose(np.exp(warm.log_var), lam * np.exp(q.log_var) + 1 - lam, rtol=1e-6)
        np.testing.assert_array_equal(warm.gate_logit, np.float32(q.gate_logit))


@pytest.mark.parametrize("log_var", [-1000.0, -89.0, -20.0, 0.0, 3.0, 80.0])
@pytest.mark.parametrize("lam", [0.0, 1e-6, 0.5, 1.0])
def test_warm_up_of_slabs_of_any_width(lam, log_var):
    """Value and derivatives against double precision; a slope beyond exp(44) is cut off."""

    def warmed(log_var, lam):
        return warm_up(SpikeSlab(jnp.ones(()), log_var, jnp.zeros(())), lam).log_var

    value, slopes = jax.value_and_grad(warmed, argnums=(0, 1))(jnp.float32(log_var), jnp.float32(lam))
    lam = np.float64(np.float32(lam))
    with np.errstate(divide="ignore"):
        expected = np.logaddexp(np.log(lam) + log_var, np.log1p(-lam))
    np.testing.assert_allclose(
        [value, slopes[0]], [expected, lam * np.exp(log_var - expected)], rtol=1e-5, atol=2e-7
    )
    by_lam = np.exp(log_var - expected) - np.exp(np.minimum(-expected, 100))
    np.testing.assert_allclose(
        slopes[1], np.clip(by_lam, -np.exp(44.3614), np.exp(44.3614)), rtol=2e-5, atol=3e-7
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_warm_up_of_very_narrow_slabs_is_finite(x64, dtype):
    q = SpikeSlab(*(jnp.full(3, value, dtype) for value in (1.0, -2000.0, 0.0)))
    lam = jnp.array([0, 1e-30, 0.5, 1], dtype)
    total = lambda *a: jnp.sum(jax.vmap(warm_up, (None, 0))(*a).log_var.astype(jnp.float32))  # noqa: E731
    for slope in jax.tree.leaves(jax.value_and_grad(total, argnums=(0, 1))(q, lam)):
        assert np.isfinite(np.asarray(slope, np.float64)).all()
    assert warm_up(q, 1.0).log_var.dtype == dtype
    np.testing.assert_array_equal(np.asarray(warm_up(q, 1.0).log_var, np.float64), -2000.0)


def test_blending_by_nothing_changes_nothing_and_by_everything_gives_the_rate():
    nothing, everything = (blended_gates(EXTREMES, epsilon, 0.15) for epsilon in (0.0, 1.0))
    np.testing.assert_allclose(nothing.gate_logit, EXTREMES.gate_logit, rtol=1e-6, atol=1e-6)
    chex.assert_trees_all_equal(nothing[:2], EXTREMES[:2])
    np.testing.assert_allclose(everything.gate_logit, np.log(0.15 / 0.85), rtol=1e-6)


def test_blending_mixes_gate_probabilities_linearly():
    p = random_spike_slab(41, (50,))
    gamma = scipy.special.expit(np.asarray(blended_gates(p, 0.3, 0.05).gate_logit, np.float64))
    np.testing.assert_allclose(gamma, 0.7 * scipy.special.expit(p.gate_logit) + 0.3 * 0.05, rtol=1e-5)


def test_blending_weight_is_a_schedule_without_a_gradient():
    p = random_spike_slab(43, (4,))
    by_epsilon = jax.jit(jax.vmap(jax.grad(lambda e: jnp.sum(blend_gates(p, e, 0.1).gate_logit))))
    np.testing.assert_array_equal(by_epsilon(jnp.array([0.0, 0.5, 1.0])), np.zeros(3))


def density_by_scipy(p, z):
    """Log-densities summed over latents, in double precision."""
    mean, log_var, gate_logit, z = (np.asarray(a, np.float64) for a in (*p, z))
    slab = scipy.stats.norm.logpdf(z, mean, np.exp(log_var / 2))
    on, off = (scipy.special.log_expit(sign * gate_logit) for sign in (1, -1))
    return np.where(z != 0, on + slab, off).sum(-1)


def test_the_density_matrix_is_that_of_every_code_under_every_component():
    rng = np.random.default_rng(5)
    p = SpikeSlab(*rng.normal(size=(3, 4, 6)).astype(np.float32) * np.float32(2))
    z = rng.normal(size=(7, 6)).astype(np.float32) * (rng.random((7, 6)) < 0.6)
    np.testing.assert_allclose(log_prob_matrix(p, z), density_by_scipy(p, z[:, None]), rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize(("spread", "std"), [(0.1, 0.1), (0.3, 0.1), (0.01, 0.01)])
def test_the_density_matrix_of_narrow_slabs_far_from_zero_is_right(spread, std):
    """Float32 against float64, for the component that a code was drawn from."""
    rng = np.random.default_rng(6)
    mean = rng.normal(3, spread, (16, 60)).astype(np.float32)
    p = SpikeSlab(mean, np.full_like(mean, 2 * np.log(std)), rng.normal(0, 2, (16, 60)).astype(np.float32))
    z = (mean + std * rng.normal(size=mean.shape) * (rng.random(mean.shape) < 0.6)).astype(np.float32)
    z[rng.random(z.shape) < 0.4] = 0
    np.testing.assert_allclose(np.diagonal(log_prob_matrix(p, z)), density_by_scipy(p, z), atol=1e-4)


def test_the_support_is_kept_and_the_values_are_drawn_from_the_slab():
    support = np.array([[True, False, True], [False, True, False]])
    prior = SpikeSlab(jnp.array([[3.0, -2, 0]]), jnp.log(jnp.array([[0.25, 1.0, 4.0]])), jnp.zeros((1, 3)))
    z = np.asarray(sample_given_support(prior, support, jax.random.key(0), 4000))
    assert z.shape == (2, 4000, 3)
    np.testing.assert_array_equal(z != 0, np.broadcast_to(support[:, None], z.shape))
    np.testing.assert_allclose(z[0, :, [0, 2]].mean(axis=1), [3, 0], atol=0.15)
    np.testing.assert_allclose(z[0, :, [0, 2]].std(axis=1), [0.5, 2], rtol=0.05)


def test_components_are_chosen_by_the_probability_of_the_support():
    gamma = np.array([[0.9, 0.1], [0.3, 0.2]], np.float32)
    means = jnp.array([[10.0, 0], [-10, 0]])
    prior = SpikeSlab(means, jnp.full((2, 2), -9.0), scipy.special.logit(gamma))
    z = sample_given_support(prior, np.array([[True, False]]), jax.random.key(1), 20_000)
    weights = gamma[:, 0] * (1 - gamma[:, 1])
    np.testing.assert_allclose((z[0, :, 0] > 0).mean(), weights[0] / weights.sum(), atol=0.01)


def test_conditional_samples_at_extreme_logits_are_finite():
    prior = SpikeSlab(jnp.ones((2, 2)), jnp.zeros((2, 2)), jnp.array([[1e4, -1e4], [-1e4, 1e4]]))
    z = sample_given_support(prior, np.array([[True, True], [False, True]]), jax.random.key(0), 3)
    assert np.isfinite(z).all()
