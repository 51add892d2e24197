"""Divergences against Monte Carlo, enumeration of gate patterns, quadrature, NumPyro and SciPy."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.integrate
import scipy.special

from tests.spikes import gradients, random_spike_slab
from vsc_jax import losses
from vsc_jax.soft_threshold import SoftThreshold
from vsc_jax.spike_slab import SpikeLaplace, SpikeSlab, log_prob, sample

# Compiled as a whole, which is several times faster than compiling every operation.
gaussian_kl = jax.jit(losses.gaussian_kl)
bernoulli_kl = jax.jit(losses.bernoulli_kl)
spike_slab_kl = jax.jit(losses.spike_slab_kl)
spike_slab_kl_matrix = jax.jit(losses.spike_slab_kl_matrix)
sparsity_kl = jax.jit(losses.sparsity_kl, static_argnums=2)
density = jax.jit(log_prob)


@jax.jit
def sum_of_pairs(q, p):
    """What the matrix must equal, by the elementwise divergence, which broadcasts."""
    q, p = (jax.tree.map(lambda a, axis=axis: jnp.expand_dims(a, axis), r) for r, axis in ((q, 1), (p, 0)))
    return jnp.sum(spike_slab_kl(q, p), axis=-1)


def gaussian_kl_by_hand(q_mean, q_var, p_mean, p_var):
    return 0.5 * (np.log(p_var / q_var) + (q_var + (q_mean - p_mean) ** 2) / p_var - 1)


def test_gaussian_matches_numpyro(x64):
    q_mean, q_log_var, p_mean, p_log_var = np.random.default_rng(0).normal(size=(4, 50))
    normals = dist.Normal(q_mean, np.exp(q_log_var / 2)), dist.Normal(p_mean, np.exp(p_log_var / 2))
    expected = dist.kl_divergence(*normals)
    np.testing.assert_allclose(gaussian_kl(q_mean, q_log_var, p_mean, p_log_var), expected, rtol=1e-10)


def test_gaussian_is_accurate_for_nearly_equal_variances():
    """The textbook form loses all digits here: the divergence is the square of the difference / 4."""
    assert float(losses.gaussian_kl(0.0, 1.3e-3, 0.0, 0.0)) == pytest.approx(1.3e-3**2 / 4, rel=2e-3)


def test_bernoulli_matches_scipy(x64):
    q, p = np.random.default_rng(1).normal(0, 3, size=(2, 100))
    expected = scipy.special.rel_entr(scipy.special.expit(q), scipy.special.expit(p))
    expected += scipy.special.rel_entr(scipy.special.expit(-q), scipy.special.expit(-p))
    np.testing.assert_allclose(bernoulli_kl(q, p), expected, rtol=1e-9, atol=1e-14)


def test_bernoulli_hand_values_where_a_sigmoid_rounds_to_zero_or_one():
    q, p = np.array([1e4, -1e4, 1e4, 1e4, 0.0]), np.array([-1e4, 1e4, 1e4, 9e3, 1e4])
    np.testing.assert_allclose(bernoulli_kl(q, p), [1e4, 1e4, 0, 0, 5e3 - np.log(2)], rtol=1e-6)


def test_bernoulli_is_accurate_for_rare_gates():
    """Between two gates almost never on, about p - q + q log(q / p): computed in float64."""
    gamma, gamma_p = np.exp(-16.0), np.exp(-15.0)
    expected = gamma_p - gamma + gamma * np.log(gamma / gamma_p)
    assert float(bernoulli_kl(-16.0, -15.0)) == pytest.approx(expected, rel=1e-3)


def test_spike_slab_matches_the_paper_written_through_gamma(x64):
    """Eq. 6 as printed, which is safe for moderate gates in float64."""
    q, p = random_spike_slab(3, (7, 5)), random_spike_slab(4, (7, 5))
    gamma, gamma_p = scipy.special.expit(q.gate_logit), scipy.special.expit(p.gate_logit)
    var, var_p = np.exp(q.log_var), np.exp(p.log_var)
    expected = gamma * gaussian_kl_by_hand(q.mean, var, p.mean, var_p)
    expected += (1 - gamma) * np.log((1 - gamma) / (1 - gamma_p)) + gamma * np.log(gamma / gamma_p)
    np.testing.assert_allclose(spike_slab_kl(q, p), expected, rtol=1e-10)


@pytest.mark.parametrize("latents", [1, 4, 6])
def test_spike_slab_matches_the_enumeration_of_all_gate_patterns(x64, latents):
    """KL of the code = E over patterns of log-odds of the pattern plus KL of the slabs that are on."""
    q, p = random_spike_slab(5, (latents,)), random_spike_slab(6, (latents,))
    gamma, gamma_p = scipy.special.expit(q.gate_logit), scipy.special.expit(p.gate_logit)
    slabs = gaussian_kl_by_hand(q.mean, np.exp(q.log_var), p.mean, np.exp(p.log_var))
    total = mass = 0.0
    for pattern in itertools.product([False, True], repeat=latents):
        on = np.array(pattern)
        probability = np.prod(np.where(on, gamma, 1 - gamma))
        probability_p = np.prod(np.where(on, gamma_p, 1 - gamma_p))
        total += probability * (np.log(probability / probability_p) + slabs[on].sum())
        mass += probability
    assert mass == pytest.approx(1)
    assert float(spike_slab_kl(q, p).sum()) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("family", [SpikeSlab, SpikeLaplace])
def test_spike_slab_matches_quadrature(x64, family):
    q, p = family(*random_spike_slab(7, (5,))), family(*random_spike_slab(8, (5,)))
    grid = np.linspace(-25, 25, 200_000)  # an even number of points: none of them is the spike
    log_q, log_p = (np.asarray(density(r, grid[:, None])) for r in (q, p))
    slab = scipy.integrate.trapezoid(np.exp(log_q) * (log_q - log_p), grid, axis=0)
    spike_q, spike_p = (np.asarray(density(r, 0.0)) for r in (q, p))
    expected = slab + np.exp(spike_q) * (spike_q - spike_p)
    np.testing.assert_allclose(spike_slab_kl(q, p), expected, rtol=1e-6)


def test_laplace_matches_the_textbook_and_has_its_open_and_closed_limits(x64):
    q_mean, q_log_scale, p_mean, p_log_scale = np.random.default_rng(1).normal(size=(4, 50))
    (scale, p_scale), distance = np.exp([q_log_scale, p_log_scale]), np.abs(q_mean - p_mean)
    expected = np.log(p_scale / scale) + distance / p_scale + scale / p_scale * np.exp(-distance / scale) - 1
    np.testing.assert_allclose(
        losses.laplace_kl(q_mean, q_log_scale, p_mean, p_log_scale), expected, rtol=1e-9
    )
    for logit, weight in ((40.0, 1), (-40.0, 0)):  # a scale is the deviation by the root of 2
        q, p = (
            SpikeLaplace(mean, 2 * log_scale + np.log(2), np.full(50, logit))
            for mean, log_scale in ((q_mean, q_log_scale), (p_mean, p_log_scale))
        )
        np.testing.assert_allclose(spike_slab_kl(q, p), weight * expected, rtol=1e-8, atol=1e-14)


def test_families_do_not_mix_and_all_have_a_matrix():
    q, p = random_spike_slab(1, (6, 3)), random_spike_slab(2, (4, 3))
    for family in (SpikeLaplace, SoftThreshold):
        threshold = np.full(3, 0.7)  # of the soft one
        a, b = (family(*d[:2], d[2] if family is SpikeLaplace else 0 * d[2] + threshold) for d in (q, p))
        np.testing.assert_allclose(spike_slab_kl_matrix(a, b), sum_of_pairs(a, b), rtol=1e-5)
        with pytest.raises(TypeError, match=f"of one family, got SpikeSlab and {family.__name__}"):
            spike_slab_kl_matrix(q, b)


def test_spike_slab_matches_monte_carlo_in_value_and_gradient():
    """Value E_q[log q - log p]; gradients by the score: E_q[(log q - log p) d log q], -E_q[d log p]."""
    n = 200_000
    q, p = random_spike_slab(9, (4,)), random_spike_slab(10, (4,))
    z = jax.jit(lambda q, key: sample(q, key, sample_shape=(n,)))(q, jax.random.key(11))

    @jax.jit
    def terms(q, p, z):
        wide_q, wide_p = (jax.tree.map(lambda a: jnp.broadcast_to(a, z.shape), r) for r in (q, p))
        log_ratio = log_prob(q, z) - log_prob(p, z)
        score_q = jax.grad(lambda r: log_prob(r, z).sum())(wide_q)
        score_p = jax.grad(lambda r: log_prob(r, z).sum())(wide_p)
        centred = log_ratio - log_ratio.mean(axis=0, keepdims=True)
        by_q = jax.tree.map(lambda score: centred * score, score_q)
        return log_ratio, (by_q, jax.tree.map(lambda score: -score, score_p))

    value, by_fields = terms(q, p, z)
    expected = jax.jit(lambda q, p: (spike_slab_kl(q, p), gradients(spike_slab_kl, q, p)))(q, p)
    for drawn, exact in zip(jax.tree.leaves((value, by_fields)), jax.tree.leaves(expected), strict=True):
        drawn, exact = np.asarray(drawn, np.float64), np.asarray(exact, np.float64)
        error = drawn.std(axis=0) / np.sqrt(n)
        assert np.all(error < 0.03)
        assert np.all(np.abs(drawn.mean(axis=0) - exact) < 4.5 * error)


@pytest.mark.parametrize("logit", [30.0, 1e4])
def test_open_gates_give_the_gaussian_divergence_and_closed_ones_cost_nothing_for_their_slabs(logit):
    q, p = random_spike_slab(12, (5,)), random_spike_slab(13, (5,))
    expected = gaussian_kl(q.mean, q.log_var, p.mean, p.log_var)
    opened = (r._replace(gate_logit=np.full(5, logit)) for r in (q, p))
    np.testing.assert_allclose(spike_slab_kl(*opened), expected, rtol=1e-6)
    # Of a closed gate there remains -log(1 - gamma_p).
    closed = SpikeSlab(np.full(5, 50.0), np.full(5, -20.0), np.full(5, -logit))
    np.testing.assert_allclose(spike_slab_kl(closed, p), np.log1p(np.exp(p.gate_logit)), rtol=1e-6)


def test_it_is_never_negative_and_zero_with_a_stationary_point_for_equal_arguments():
    q = np.array(list(itertools.product((-100, 1), (-30, 20), (-1e4, -20, 0, 1e4))), np.float32).T
    pairs = np.asarray(spike_slab_kl(SpikeSlab(*q[:, :, None]), SpikeSlab(*q[:, None])))
    assert pairs.min() >= 0
    np.testing.assert_array_equal(np.diagonal(pairs), np.zeros(16))
    q = random_spike_slab(14, (50,))
    for by_field in jax.tree.leaves(gradients(spike_slab_kl, q, q)):
        np.testing.assert_allclose(by_field, np.zeros(50), atol=1e-6)


def test_spike_slab_is_never_negative_close_to_equality():
    """In float32, where rounding could push a divergence below zero."""
    q = random_spike_slab(15, (10_000,))
    p = jax.tree.map(lambda a: a + 1e-3 * np.sin(100 * a), q)
    values = np.asarray(spike_slab_kl(q, p))
    assert values.min() > -5e-7
    assert values.max() < 1e-4


@pytest.mark.parametrize("function", [spike_slab_kl, spike_slab_kl_matrix])
def test_fields_of_different_shapes_are_an_error(function):
    good, bad = (
        random_spike_slab(18, (2, 3)),
        SpikeSlab(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 1))),
    )
    for arguments in ((good, bad), (bad, good)):
        with pytest.raises(AssertionError, match="shape"):
            function(*arguments)


def test_matrix_is_the_sum_over_latents_in_value_and_gradient(x64):
    q, p = random_spike_slab(19, (5, 4)), random_spike_slab(20, (3, 4))
    weights = np.random.default_rng(21).normal(size=(5, 3))

    @jax.jit
    def both(q, p):
        of_pairs, of_matrix = (
            jax.value_and_grad(lambda q, p, f=f: jnp.sum(weights * f(q, p)), argnums=(0, 1))(q, p)
            for f in (sum_of_pairs, spike_slab_kl_matrix)
        )
        return (of_pairs, sum_of_pairs(q, p)), (of_matrix, spike_slab_kl_matrix(q, p))

    expected, result = both(q, p)
    assert result[1].shape == (5, 3)
    chex.assert_trees_all_close(result, expected, rtol=1e-9, atol=1e-12)


def test_matrix_in_float32_rounds_as_its_docstring_says():
    """Slabs a tenth as wide as their means are spread, 60 latents: about 1e-3 nats."""
    rng = np.random.default_rng(22)
    means = rng.normal(0, 3, (50, 60))
    p = SpikeSlab(means, np.full((50, 60), 2 * np.log(0.3)), rng.normal(0, 3, (50, 60)))
    q = p._replace(mean=means + 0.1)
    expected = 0.5 * np.sum(scipy.special.expit(p.gate_logit), axis=1) / 9
    np.testing.assert_allclose(np.diagonal(spike_slab_kl_matrix(q, p)), expected, atol=2e-3)


def test_matrix_does_not_depend_on_the_origin():
    """Slabs far from zero: without centring, float32 would be off by hundreds of nats."""
    q, p = random_spike_slab(23, (5, 4)), random_spike_slab(24, (3, 4))
    shifted_q, shifted_p = (r._replace(mean=r.mean + 1000.0) for r in (q, p))
    near, far = spike_slab_kl_matrix(q, p), spike_slab_kl_matrix(shifted_q, shifted_p)
    np.testing.assert_allclose(far, near, rtol=2e-3)


def test_matrix_is_exact_for_saturated_gates():
    """Open against open costs nothing and open against closed 1e4, without a rounding error of 1e4."""
    logits = np.array([[1e4] * 20, [-1e4] * 20])
    q = SpikeSlab(np.zeros((2, 20)), np.zeros((2, 20)), logits)
    np.testing.assert_allclose(spike_slab_kl_matrix(q, q), [[0, 2e5], [2e5, 0]], atol=1e-5)


def test_matrix_in_bfloat16_is_computed_in_float32():
    q, p = (
        SpikeSlab(*(a.astype(jnp.bfloat16) for a in random_spike_slab(seed, (4, 60)))) for seed in (25, 26)
    )
    wide = [SpikeSlab(*(a.astype(jnp.float32) for a in r)) for r in (q, p)]
    result = spike_slab_kl_matrix(q, p)
    assert result.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(result, np.float32), sum_of_pairs(*wide), rtol=2**-8)


def test_matrix_wants_matrices_of_equal_width():
    with pytest.raises(AssertionError, match="rank"):
        spike_slab_kl_matrix(random_spike_slab(27, (3,)), random_spike_slab(28, (2, 3)))
    with pytest.raises(AssertionError, match="shape"):
        spike_slab_kl_matrix(random_spike_slab(27, (2, 4)), random_spike_slab(28, (2, 3)))


def test_sparsity_hand_values_and_its_pull_back_from_both_ends():
    mean_gamma = np.array([0.1, 0.5, 0.0, 1.0])
    expected = 60 * np.array([0, 0.5 * np.log(5) + 0.5 * np.log(5 / 9), -np.log(0.9), -np.log(0.1)])
    np.testing.assert_allclose(sparsity_kl(mean_gamma, 0.1, 60), expected, rtol=1e-5, atol=1e-5)
    (by_mean_gamma,) = gradients(lambda m: sparsity_kl(m, 0.1, 60), mean_gamma)
    assert by_mean_gamma[2] < -60
    assert by_mean_gamma[3] > 60


def test_sparsity_matches_scipy_and_its_gradient_is_the_difference_of_logits(x64):
    mean_gamma, alpha = np.random.default_rng(29).uniform(0.01, 0.99, size=(2, 100))
    expected = scipy.special.rel_entr(mean_gamma, alpha) + scipy.special.rel_entr(1 - mean_gamma, 1 - alpha)
    np.testing.assert_allclose(sparsity_kl(mean_gamma, alpha, 7), 7 * expected, rtol=1e-9, atol=1e-12)
    (by_mean_gamma,) = gradients(lambda m: sparsity_kl(m, alpha, 7), mean_gamma)
    expected = 7 * (scipy.special.logit(mean_gamma) - scipy.special.logit(alpha))
    np.testing.assert_allclose(by_mean_gamma, expected, rtol=1e-9, atol=1e-9)


def test_usage_costs_latents_that_are_mostly_on_a_divergence_and_a_charge(x64):
    logits = np.array([[-2.0, -1, 1.5, 30.0], [1.0, 2.5, 2.5, 40.0]])
    gamma = scipy.special.expit(logits)
    mean = gamma.mean(axis=0)
    often = np.clip(4 * mean - 3, 0, None)
    entropy = -scipy.special.xlogy(mean, mean) - scipy.special.xlog1py(1 - mean, -mean)
    expected = (np.log(2) - entropy) * (mean > 0.5) + often * np.logaddexp(0, logits).mean(axis=0)
    assert list(expected > 0) == [False, True, True, True]
    assert list(often > 0) == [False, False, True, True]
    np.testing.assert_allclose(losses.usage_penalty(logits), expected, rtol=1e-9, atol=1e-12)
    (by_logit,) = gradients(losses.usage_penalty, logits)
    divergence = scipy.special.logit(mean) * gamma * (1 - gamma) * (mean > 0.5)
    np.testing.assert_allclose(
        by_logit[:, :3], (divergence + often * gamma)[:, :3] / 2, rtol=1e-9, atol=1e-12
    )
    assert by_logit[0, 3] == pytest.approx(0.5)  # where a gate is open for all


def test_python_numbers_take_the_dtype_of_the_first_floating_array():
    low, wide = jnp.full((2, 3), 0.5, jnp.bfloat16), np.full((2, 3), 0.25)
    for arguments in ((low, low, 0, 0.0), (0.0, 0, low, low), (low, wide, wide, wide)):
        assert losses.gaussian_kl(*arguments).dtype == jnp.bfloat16
    assert losses.sparsity_kl(low, 0.1, 60).dtype == jnp.bfloat16
