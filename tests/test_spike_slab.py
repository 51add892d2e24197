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
from jax.test_util import check_grads
from jaxtyping import TypeCheckError

from vsc_jax.spike_slab import (
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
LOGITS = (-1e4, -100.0, -20.0, -1e-3, 0.0, 3.0, 20.0, 100.0, 1e4)
LOG_VARS = (-30.0, -3.0, 0.0, 5.0, 20.0)
MEANS = (-100.0, 0.0, 1.0)

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


def random_spike_slab(seed, shape):
    rng = np.random.default_rng(seed)
    fields = rng.normal(0, 1, shape), rng.normal(-0.5, 0.7, shape), rng.normal(0, 1.5, shape)
    return SpikeSlab(*fields)


def extremes(dtype):
    """Every combination of extreme means, log-variances and logits."""
    columns = zip(*itertools.product(MEANS, LOG_VARS, LOGITS), strict=True)
    return SpikeSlab(*(np.asarray(column, jnp.dtype(dtype)) for column in columns))


def assert_finite_in_value_and_gradient(f, *args):
    def total(*args):
        values = f(*args)
        return sum(jnp.sum(leaf.astype(jnp.float32)) for leaf in jax.tree.leaves(values)), values

    by_argument = jax.grad(total, argnums=tuple(range(len(args))), has_aux=True)
    for leaf in jax.tree.leaves(jax.jit(by_argument)(*args)):
        assert np.isfinite(np.asarray(leaf, np.float64)).all()


def assert_gradients_match_finite_differences(f, *args):
    check_grads(jax.jit(f), args, order=1, modes=["rev"])


# The tuple


def test_gamma_and_std_hand_values():
    q = SpikeSlab(np.zeros(3), np.log([1.0, 4.0, 0.25]), np.array([0.0, np.log(3.0), -1e4]))
    np.testing.assert_allclose(q.gamma, [0.5, 0.75, 0.0], rtol=1e-6)
    np.testing.assert_allclose(q.std, [1.0, 2.0, 0.5], rtol=1e-6)


def test_it_is_a_pytree_of_three_leaves():
    q = jax.tree.map(lambda a: a[:, None], random_spike_slab(0, (4, 3)))
    assert isinstance(q, SpikeSlab)
    chex.assert_shape(list(q), (4, 1, 3))


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


@pytest.mark.parametrize(
    "function",
    [
        lambda q: sample(q, jax.random.key(0)),
        lambda q: log_prob(q, 0.0),
        lambda q: warm_up(q, 0.5),
        lambda q: blend_gates(q, 0.5, 0.1),
    ],
)
def test_fields_of_different_shapes_are_an_error(function):
    with pytest.raises(AssertionError, match="shape"):
        function(SpikeSlab(np.zeros(3), np.zeros(3), np.zeros(1)))


def test_integer_means_are_an_error():
    with pytest.raises(AssertionError, match="float"):
        log_prob(SpikeSlab(np.zeros(3, int), np.zeros(3), np.zeros(3)), 0.0)


def test_numpy_fields_are_accepted():
    q = SpikeSlab(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3)))
    np.testing.assert_allclose(density(q, np.zeros((2, 3))), np.full((2, 3), np.log(0.5)), rtol=1e-6)
    results = jax.eval_shape(
        lambda: (sample(q, jax.random.key(0)), *warm_up(q, 0.5), *blend_gates(q, 0.5, 0.1))
    )
    assert [result.shape for result in results] == [(2, 3)] * 7
    assert [result.dtype for result in results] == [jnp.float32] * 7


# Samples


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


def test_sample_shape_leads():
    shape = jax.eval_shape(
        lambda q: sample(q, jax.random.key(8), sample_shape=(5, 2)), random_spike_slab(8, (4, 3))
    )
    assert shape.shape == (5, 2, 4, 3)


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


# The four gate estimators


@pytest.mark.parametrize("gate", GATES)
def test_gate_exceeds_one_half_with_probability_gamma(gate):
    for sharpness in (0.7, 20.0):
        gates, _ = gates_and_gradient(gate, sharpness, 13)
        deviation = np.abs(np.mean(gates > 0.5, axis=0) - GAMMA)
        assert np.all(deviation < 4.5 * np.sqrt(GAMMA * (1 - GAMMA) / DRAWS))


def test_estimators_agree_about_which_gates_are_open():
    is_open = [gates_and_gradient(gate, 3.0, 15)[0] > 0.5 for gate in GATES]
    for other in is_open[1:]:
        assert np.mean(is_open[0] == other) > 0.9999


def test_sigmoid_gate_is_the_papers_relaxation():
    """S(c (eta - 1 + gamma)) with eta uniform: eta recovered from the gates must be uniform."""
    c = 5.0
    gates, _ = gates_and_gradient("sigmoid", c, 16)
    eta = scipy.special.logit(gates) / c + 1 - GAMMA
    for j in range(4):
        assert scipy.stats.kstest(eta[:, j], "uniform").pvalue > 1e-3


def test_concrete_gate_is_binary_concrete():
    """S(c (logit + noise)): the noise recovered from the gates must be logistic."""
    c = 0.7
    gates, _ = gates_and_gradient("concrete", c, 17)
    noise = scipy.special.logit(gates) / c - scipy.special.logit(GAMMA)
    for j in range(4):
        assert scipy.stats.kstest(noise[:, j], "logistic").pvalue > 1e-3


@pytest.mark.parametrize("gate", ["straight_through", "bernoulli"])
def test_hard_gates_are_exactly_zero_or_one(gate):
    gates, _ = gates_and_gradient(gate, 3.0, 18)
    assert set(np.unique(gates)) == {0.0, 1.0}


@pytest.mark.parametrize("gate", ["sigmoid", "concrete"])
def test_relaxed_gates_approach_hard_ones_as_they_sharpen(gate):
    hard, _ = gates_and_gradient("bernoulli", 1.0, 20)
    gap = [np.abs(gates_and_gradient(gate, c, 20)[0] - hard).mean() for c in (1.0, 10.0, 1000.0)]
    assert gap[0] > 0.1
    assert gap[0] > 2 * gap[1] > 20 * gap[2]


def test_bernoulli_gate_passes_no_gradient():
    np.testing.assert_array_equal(gates_and_gradient("bernoulli", 2.0, 21)[1], np.zeros((DRAWS, 4)))


@pytest.mark.parametrize("gate", ["sigmoid", "concrete", "straight_through"])
def test_relaxed_gradients_by_hand(gate):
    """At the relaxed gate g: c g (1 - g), for the sigmoid times gamma (1 - gamma); always positive."""
    c, relaxed = 3.0, "concrete" if gate == "straight_through" else gate
    g, _ = gates_and_gradient(relaxed, c, 22)
    inner = GAMMA * (1 - GAMMA) if gate == "sigmoid" else 1.0
    _, gradient = gates_and_gradient(gate, c, 22)
    np.testing.assert_allclose(gradient, c * g * (1 - g) * inner, rtol=1e-4, atol=1e-6)
    assert np.all(gradient.mean(axis=0) > 0.005)


@pytest.mark.parametrize("gate", ["sigmoid", "concrete"])
def test_sharp_relaxed_gradients_estimate_that_of_the_expectation(gate):
    """d E[gate] / d logit tends to d gamma / d logit = gamma (1 - gamma)."""
    _, gradient = gates_and_gradient(gate, 15.0, 24)
    np.testing.assert_allclose(gradient.mean(axis=0)[1:3], (GAMMA * (1 - GAMMA))[1:3], rtol=0.05)


def test_gradients_of_relaxed_samples_match_finite_differences(x64):
    def relaxed(q, sharpness):
        keys = [jax.random.clone(jax.random.key(25)) for _ in range(2)]
        return [
            sample(q, key, gate=gate, sharpness=sharpness)
            for key, gate in zip(keys, ("sigmoid", "concrete"), strict=True)
        ]

    assert_gradients_match_finite_differences(relaxed, random_spike_slab(26, (2, 3)), 3.0)


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


# The density


def test_log_prob_hand_values():
    q = SpikeSlab(np.array([0.0, 1.0, 1.0]), np.array([0.0, 0.0, np.log(4.0)]), np.zeros(3))
    half, normaliser = np.log(0.5), -0.5 * np.log(2 * np.pi)
    slab = np.array([-4.5, -2.0, -np.log(2) - 0.5]) + normaliser
    np.testing.assert_allclose(density(q, 0.0), [half] * 3, rtol=1e-6)
    np.testing.assert_allclose(density(q, 3.0), half + slab, rtol=1e-6)


def test_log_prob_matches_scipy(x64):
    q, z = random_spike_slab(30, (20,)), np.random.default_rng(31).normal(size=20)
    slab = scipy.stats.norm(q.mean, np.exp(0.5 * q.log_var)).logpdf(z)
    expected = scipy.special.log_expit(q.gate_logit) + slab
    np.testing.assert_allclose(density(q, z), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("mean", "log_var", "gate_logit"), [(0.0, 0.0, 0.0), (2.0, -3.0, -2.0), (-1.0, 1.5, 3.0)]
)
def test_mass_at_zero_and_density_elsewhere_sum_to_one(x64, mean, log_var, gate_logit):
    q = SpikeSlab(np.asarray(mean), np.asarray(log_var), np.asarray(gate_logit))

    def slab(z):
        return float(np.exp(density(q, z)))

    # Two pieces, because z = 0 itself is the spike.
    pieces = [scipy.integrate.quad(slab, *ends, epsabs=1e-9)[0] for ends in [(-25, -1e-12), (1e-12, 25)]]
    assert sum(pieces) == pytest.approx(scipy.special.expit(gate_logit), abs=1e-7)
    assert sum(pieces) + slab(0.0) == pytest.approx(1, abs=1e-7)


def test_density_ratio_of_samples_averages_to_one():
    """E_q[p(z) / q(z)] = 1 holds only if both are densities of one measure, spike included."""
    q, p, n = random_spike_slab(32, (5,)), random_spike_slab(33, (5,)), 100_000
    q = q._replace(log_var=p.log_var + 0.5)
    z = hard_samples(q, 34)
    ratio = np.exp(np.asarray(density(p, z), np.float64).sum(-1) - np.asarray(density(q, z)).sum(-1))
    assert ratio.std() / np.sqrt(n) < 0.02
    assert abs(ratio.mean() - 1) < 4.5 * ratio.std() / np.sqrt(n)


def test_log_prob_takes_samples_of_higher_rank():
    q, z = random_spike_slab(35, (4, 3)), np.random.default_rng(36).normal(size=(7, 4, 3))
    z[0, 0, 0] = 0
    each = np.stack([density(q, value) for value in z])
    np.testing.assert_allclose(density(q, z), each, rtol=1e-6)


def test_log_prob_of_a_latent_that_is_off_depends_on_its_gate_alone():
    q = random_spike_slab(37, (5,))
    by_field = jax.jit(jax.grad(lambda q: jnp.sum(log_prob(q, 0.0))))(q)
    np.testing.assert_array_equal(by_field[0], np.zeros(5))
    np.testing.assert_array_equal(by_field[1], np.zeros(5))
    np.testing.assert_allclose(by_field[2], -scipy.special.expit(q.gate_logit), rtol=1e-5)


def test_gradients_of_log_prob_match_finite_differences(x64):
    z = np.array([[0.7, -1.2, 2.0]])
    assert_gradients_match_finite_differences(log_prob, random_spike_slab(38, (1, 3)), z)


def test_negative_zero_is_off():
    np.testing.assert_array_equal(is_on(jnp.array([0.0, -0.0, 1e-30, -2.0])), [False, False, True, True])


# Warm-up and blending


def test_warm_up_at_one_is_the_distribution_itself_to_the_last_bit():
    for q in (extremes("float32"), random_spike_slab(47, (500,))):
        chex.assert_trees_all_equal(warmed_up(q, 1.0), jax.tree.map(np.float32, q))


def test_warm_up_at_zero_is_a_standard_slab_behind_the_same_gates():
    q = random_spike_slab(39, (4, 3))
    warm = warmed_up(q, 0.0)
    np.testing.assert_array_equal(warm.mean, np.zeros((4, 3)))
    np.testing.assert_allclose(warm.log_var, np.zeros((4, 3)), atol=1e-6)
    np.testing.assert_array_equal(warm.gate_logit, np.float32(q.gate_logit))


def test_warm_up_mixes_means_and_variances_linearly():
    q = SpikeSlab(np.array([2.0]), np.log([0.2]), np.array([1.0]))
    warm = warmed_up(q, 0.25)
    assert float(warm.mean[0]) == pytest.approx(0.5)
    assert float(np.exp(warm.log_var[0])) == pytest.approx(0.25 * 0.2 + 0.75)


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
    assert_finite_in_value_and_gradient(
        lambda q, lam: jax.vmap(warm_up, (None, 0))(q, lam), q, jnp.array([0, 1e-30, 0.5, 1], dtype)
    )
    assert warm_up(q, 1.0).log_var.dtype == dtype
    np.testing.assert_array_equal(np.asarray(warm_up(q, 1.0).log_var, np.float64), -2000.0)


def test_gradients_of_warm_up_match_finite_differences(x64):
    assert_gradients_match_finite_differences(warm_up, random_spike_slab(40, (3,)), 0.4)


def test_blending_by_nothing_changes_nothing():
    p = extremes(jnp.float32)
    blended = blended_gates(p, 0.0, 0.15)
    np.testing.assert_allclose(blended.gate_logit, p.gate_logit, rtol=1e-6, atol=1e-6)
    chex.assert_trees_all_equal(blended[:2], p[:2])


def test_blending_by_everything_gives_the_rate():
    blended = blended_gates(extremes(jnp.float32), 1.0, 0.15)
    np.testing.assert_allclose(
        blended.gate_logit, np.full(blended.mean.shape, np.log(0.15 / 0.85)), rtol=1e-6
    )


def test_blending_mixes_gate_probabilities_linearly():
    p = random_spike_slab(41, (50,))
    gamma = scipy.special.expit(np.asarray(blended_gates(p, 0.3, 0.05).gate_logit, np.float64))
    np.testing.assert_allclose(gamma, 0.7 * scipy.special.expit(p.gate_logit) + 0.3 * 0.05, rtol=1e-5)


def test_gradients_of_blending_match_finite_differences(x64):
    def blended(p, rate):
        return [blend_gates(p, epsilon, rate).gate_logit for epsilon in (0.0, 0.3, 1.0)]

    assert_gradients_match_finite_differences(blended, random_spike_slab(42, (4,)), 0.1)


def test_blending_weight_is_a_schedule_without_a_gradient():
    p = random_spike_slab(43, (4,))
    by_epsilon = jax.jit(jax.vmap(jax.grad(lambda e: jnp.sum(blend_gates(p, e, 0.1).gate_logit))))
    np.testing.assert_array_equal(by_epsilon(jnp.array([0.0, 0.5, 1.0])), np.zeros(3))


# Extreme arguments, dtypes, transformations


def test_samples_of_every_gate_are_finite_in_value_and_gradient():
    def samples(*arguments):
        return [
            sample(
                q, jax.random.clone(jax.random.key(44)), gate=gate, sharpness=sharpness, sample_shape=(20,)
            )
            for q, sharpness in arguments
            for gate in GATES
        ]

    arguments = [(extremes(dtype), jnp.asarray(100.0, dtype)) for dtype in ("float32", "bfloat16")]
    assert_finite_in_value_and_gradient(samples, *arguments)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
class TestFiniteInValueAndGradient:
    def test_log_prob(self, dtype):
        q = jax.tree.map(lambda a: np.broadcast_to(a, (3, *a.shape)), extremes(dtype))
        z = np.broadcast_to(np.array([[0.0], [-1.0], [1e3]], q.mean.dtype), q.mean.shape)
        assert_finite_in_value_and_gradient(log_prob, q, z)

    def test_log_prob_where_the_slab_overflows_behind_a_closed_gate(self, dtype):
        q = SpikeSlab(jnp.asarray(1e35, dtype), jnp.asarray(-30.0, dtype), jnp.asarray(-5.0, dtype))
        assert_finite_in_value_and_gradient(log_prob, q, jnp.asarray(0.0, dtype))

    def test_warm_up_with_its_ends(self, dtype):
        warm = jax.vmap(warm_up, in_axes=(None, 0))
        assert_finite_in_value_and_gradient(warm, extremes(dtype), jnp.array([0.0, 1e-6, 0.5, 1.0], dtype))

    def test_blend_gates_with_its_ends(self, dtype):
        blend = jax.vmap(blend_gates, in_axes=(None, 0, None))
        epsilon = jnp.array([0.0, 1e-6, 0.5, 1.0], dtype)
        assert_finite_in_value_and_gradient(blend, extremes(dtype), epsilon, jnp.asarray(0.05, dtype))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_dtypes_are_preserved(x64, dtype):
    """With 64-bit types enabled, Python numbers and wider NumPy coefficients change nothing."""
    wide = np.float64(0.5)

    def everything(q):
        keys = jax.random.split(jax.random.key(0), len(GATES))
        samples = [sample(q, keys[i], gate=gate, sharpness=wide) for i, gate in enumerate(GATES)]
        densities = [log_prob(q, 0.5), log_prob(q, np.ones((2, 4, 3)))]
        return [q.gamma, q.std, *samples, *densities, *warm_up(q, wide), *blend_gates(q, wide, 0.1)]

    q = SpikeSlab(*(jnp.asarray(field, dtype) for field in random_spike_slab(45, (4, 3))))
    results = jax.eval_shape(everything, q)
    assert [result.dtype.name for result in results] == [dtype] * 14


class TestVariants(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_same_values_under_vmap_with_and_without_jit(self):
        def everything(q):
            z = jnp.array([0.0, 0.4, -1.0])
            return {
                "sample": sample(q, jax.random.key(0), gate="straight_through"),
                "log_prob": log_prob(q, z),
                "warm_up": warm_up(q, 0.3),
                "blend_gates": blend_gates(q, 0.3, 0.1),
            }

        q, one = random_spike_slab(46, (4, 3)), jax.jit(everything)
        rows = [one(jax.tree.map(lambda a, i=i: a[i], q)) for i in range(4)]
        expected = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
        together = self.variant(jax.vmap(everything))(q)
        chex.assert_trees_all_close(together, expected, rtol=1e-5, atol=1e-6)


def test_the_density_matrix_is_that_of_every_code_under_every_component():
    rng = np.random.default_rng(5)
    mean, log_var, gate_logit = rng.normal(size=(3, 4, 6)).astype(np.float32) * np.float32(2)
    z = rng.normal(size=(7, 6)).astype(np.float32) * (rng.random((7, 6)) < 0.6)
    found = log_prob_matrix(SpikeSlab(*map(jnp.asarray, (mean, log_var, gate_logit))), jnp.asarray(z))
    slab = scipy.stats.norm.logpdf(z[:, None], mean, np.exp(log_var / 2))
    log_on, log_off = scipy.special.log_expit(gate_logit), scipy.special.log_expit(-gate_logit)
    expected = np.where(z[:, None] != 0, log_on + slab, log_off).sum(-1)
    assert found.shape == (7, 4)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-4)


# Conditional sampling


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


@pytest.mark.parametrize(("spread", "std"), [(0.1, 0.1), (0.3, 0.1), (0.01, 0.01)])
def test_the_density_matrix_of_narrow_slabs_far_from_zero_is_right(spread, std):
    """Float32 against float64, for the component that a code was drawn from."""
    rng = np.random.default_rng(6)
    mean = rng.normal(3, spread, (16, 60)).astype(np.float32)
    p = SpikeSlab(mean, np.full_like(mean, 2 * np.log(std)), rng.normal(0, 2, (16, 60)).astype(np.float32))
    z = (mean + std * rng.normal(size=mean.shape) * (rng.random(mean.shape) < 0.6)).astype(np.float32)
    z[rng.random(z.shape) < 0.4] = 0
    slab = scipy.stats.norm.logpdf(z.astype(np.float64), mean, np.exp(p.log_var.astype(np.float64) / 2))
    on, off = (scipy.special.log_expit(sign * p.gate_logit.astype(np.float64)) for sign in (1, -1))
    expected = np.where(z != 0, on + slab, off).sum(-1)
    np.testing.assert_allclose(np.diagonal(log_prob_matrix(p, z)), expected, atol=1e-4)
