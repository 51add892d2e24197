"""Bounds: mixtures, selection, importance weighting and total correlation, against exact answers."""

import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from tests.spikes import gradients, random_spike_slab
from vsc_jax import losses
from vsc_jax.spike_slab import SpikeSlab, log_prob, sample

# Compiled as a whole, which is several times faster than compiling every operation.
elbo = jax.jit(losses.elbo)
exact_selection = jax.jit(losses.exact_selection)
selection_kl = jax.jit(losses.selection_kl)
mixture_kl = jax.jit(losses.mixture_kl)
mixture_log_prob = jax.jit(losses.mixture_log_prob)
importance_weighted_bound = jax.jit(losses.importance_weighted_bound)
total_correlation = jax.jit(losses.total_correlation, static_argnums=3)
spike_slab_kl = jax.jit(losses.spike_slab_kl)
spike_slab_kl_matrix = jax.jit(losses.spike_slab_kl_matrix)


def component_log_prob(p, z):
    """Log-density of codes ``[..., latents]`` under each of the components: ``[..., components]``."""
    return jnp.sum(log_prob(p, z[..., None, :]), axis=-1)


def test_exact_selection_hand_values():
    weights = np.exp(exact_selection(np.array([[0.0, np.log(3.0)], [5.0, 5.0]])))
    np.testing.assert_allclose(weights, [[0.75, 0.25], [0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(np.exp(exact_selection(np.log([1.0, 3.0]))), [0.75, 0.25], rtol=1e-6)


def test_selection_kl_hand_values():
    weights = np.array([[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.7, 0.1, 0.1, 0.1]])
    with np.errstate(divide="ignore"):
        value = selection_kl(np.log(weights))
    entropy = scipy.stats.entropy(weights[3])
    np.testing.assert_allclose(value, [0, np.log(4), np.log(2), np.log(4) - entropy], rtol=1e-5, atol=1e-6)


def test_selection_kl_of_impossible_components_has_a_finite_gradient():
    (by_log_weights,) = gradients(selection_kl, jnp.array([[0.0, -jnp.inf, -1e4]]))
    np.testing.assert_allclose(by_log_weights, [[1.0, 0.0, 0.0]])


def test_mixture_kl_hand_values():
    assert float(mixture_kl(np.array([0.0, np.log(3.0)]))) == pytest.approx(np.log(2) - np.log(4 / 3))
    np.testing.assert_allclose(mixture_kl(np.full((3, 64), 17.0)), np.full(3, 17.0), rtol=1e-6)


def test_mixture_kl_is_the_selected_divergence_plus_that_of_the_selection():
    component_kl = np.random.default_rng(1).uniform(0, 10, (20, 6))
    log_weights, value = exact_selection(component_kl), np.asarray(mixture_kl(component_kl))
    expected = np.sum(np.exp(log_weights) * component_kl, axis=1) + selection_kl(log_weights)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert np.all((value > component_kl.min(axis=1)) & (value < component_kl.min(axis=1) + np.log(6) + 1e-5))


@hypothesis.given(
    st.lists(st.floats(0, 100), min_size=4, max_size=4), st.lists(st.floats(-50, 50), min_size=4, max_size=4)
)
@hypothesis.settings(max_examples=150)
def test_no_weights_beat_exact_selection(component_kl, logits):
    component_kl, log_weights = np.array(component_kl), scipy.special.log_softmax(logits)
    price = float(selection_kl(log_weights))
    assert -1e-6 <= price <= np.log(4) + 1e-6
    assert np.sum(np.exp(log_weights) * component_kl) + price >= float(mixture_kl(component_kl)) - 1e-4


def test_gradient_of_mixture_kl_is_the_exact_selection():
    component_kl = jnp.array([[1.0, 2.0, 0.5], [100.0, 3.0, 3.0]])
    (by_component,) = gradients(mixture_kl, component_kl)
    np.testing.assert_allclose(by_component, np.exp(exact_selection(component_kl)), rtol=1e-5, atol=1e-12)


def test_mixture_kl_bounds_the_true_divergence_by_quadrature(x64):
    """One latent: the true KL(q || mixture), spike and slab, by integration."""
    q, p = random_spike_slab(3, (6, 1)), random_spike_slab(4, (5, 1))
    grid = np.linspace(-15, 15, 20_000)  # an even number of points: none of them is the spike

    @jax.jit
    def true_kl(q, p, grid):
        def log_densities(z):
            return log_prob(q, z)[:, 0], mixture_log_prob(component_log_prob(p, z))[None]

        spike_q, spike_p = log_densities(jnp.zeros(1))
        log_q, log_p = jax.vmap(log_densities)(grid[:, None])
        slab = jnp.trapezoid(jnp.exp(log_q) * (log_q - log_p), dx=grid[1] - grid[0], axis=0)
        return slab + jnp.exp(spike_q) * (spike_q - spike_p)

    true = np.asarray(true_kl(q, p, grid))
    assert np.all((true > 0) & (true < np.asarray(mixture_kl(spike_slab_kl_matrix(q, p))) - 1e-3))


def test_mixture_kl_bounds_the_true_divergence_by_monte_carlo():
    n = 50_000
    q, p = random_spike_slab(5, (4,)), random_spike_slab(6, (8, 4))

    @jax.jit
    def log_ratio(q, p, key):
        z = sample(q, key, sample_shape=(n,))
        return jnp.sum(log_prob(q, z), axis=-1) - mixture_log_prob(component_log_prob(p, z))

    ratio = np.asarray(log_ratio(q, p, jax.random.key(7)), np.float64)
    bound = float(mixture_kl(spike_slab_kl_matrix(jax.tree.map(lambda a: a[None], q), p))[0])
    error = ratio.std() / np.sqrt(n)
    assert 4.5 * error < ratio.mean() < bound - 4.5 * error


def test_mixture_density_has_the_mass_of_every_gate_pattern(x64):
    """Two latents: in each of the 2^2 patterns the density integrates to the enumerated probability."""
    p = random_spike_slab(8, (5, 2))
    line = np.linspace(-10, 10, 500)
    density = jax.jit(lambda z: jnp.exp(mixture_log_prob(component_log_prob(p, z))))
    for pattern in itertools.product([False, True], repeat=2):
        axes = [line if on else np.zeros(1) for on in pattern]
        mass = np.asarray(density(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)))
        for axis in (1, 0):
            mass = scipy.integrate.trapezoid(mass, line, axis=axis) if pattern[axis] else mass.squeeze(axis)
        gamma = scipy.special.expit(p.gate_logit)
        expected = np.mean(np.prod(np.where(pattern, gamma, 1 - gamma), axis=1))
        assert float(mass) == pytest.approx(expected, rel=1e-6)


class LinearModel:
    """``p(x) = sum over components and all 2^J gate patterns`` of a Gaussian density, exactly."""

    latents, components, noise = 5, 3, 1.0

    def __init__(self):
        rng = np.random.default_rng(9)
        self.loadings = rng.normal(size=(2, self.latents))
        self.x = np.array([1.0, -0.7])
        self.prior = random_spike_slab(10, (self.components, self.latents))
        self.q = SpikeSlab(*np.array([[0.3, -0.2, 0.1, 0.0, 0.2], [0.3] * 5, [0.5] * 5]))

    def log_evidence(self, components):
        prior = [
            np.asarray(field, np.float64)
            for field in (self.prior.mean, self.prior.log_var, scipy.special.expit(self.prior.gate_logit))
        ]
        total = 0.0
        for u in components:
            mean, log_var, gamma = (field[u] for field in prior)
            for pattern in itertools.product([0.0, 1.0], repeat=self.latents):
                on = np.array(pattern)
                covariance = (self.loadings * on * np.exp(log_var)) @ self.loadings.T
                covariance += self.noise**2 * np.eye(2)
                density = scipy.stats.multivariate_normal(self.loadings @ (on * mean), covariance).pdf(self.x)
                total += np.prod(np.where(on, gamma, 1 - gamma)) * density
        return np.log(total / len(components))

    def expected_log_likelihood(self):
        """E_q[log p(x|z)] from the moments of q."""
        gamma, mean, var = scipy.special.expit(self.q.gate_logit), self.q.mean, np.exp(self.q.log_var)
        first = gamma * mean
        variance = gamma * (var + mean**2) - first**2
        square = (self.x - self.loadings @ first) ** 2 + self.loadings**2 @ variance
        return np.sum(-0.5 * np.log(2 * np.pi * self.noise**2) - 0.5 * square / self.noise**2)

    def component_kl(self):
        return spike_slab_kl_matrix(jax.tree.map(lambda a: a[None], self.q), self.prior)[0]


def test_elbo_bounds_the_enumerated_evidence_for_any_weights():
    model = LinearModel()
    evidence = model.log_evidence(range(model.components))
    reconstruction, component_kl = model.expected_log_likelihood(), np.asarray(model.component_kl())
    best = float(elbo(reconstruction, mixture_kl(component_kl)))
    assert best < evidence
    for logits in np.random.default_rng(12).normal(0, 3, (50, model.components)):
        log_weights = scipy.special.log_softmax(logits)
        kl = np.sum(np.exp(log_weights) * component_kl) + selection_kl(log_weights)
        assert float(elbo(reconstruction, kl)) <= best + 1e-4


def test_without_the_selections_part_the_objective_is_no_bound(x64):
    """Two far components and a posterior equal to one: log U is missing, and the objective is too high."""
    p = SpikeSlab(np.array([[-20.0], [20.0]]), np.zeros((2, 1)), np.full((2, 1), 1e4))
    q = jax.tree.map(lambda a: a[:1], p)
    component_kl = spike_slab_kl_matrix(q, p)
    # x says nothing about z but its sign: log p(x) = log 1/2, and E_q[log p(x|z)] = 0.
    log_weights = exact_selection(component_kl)
    selected = float(np.sum(np.exp(log_weights) * component_kl))
    assert float(elbo(0.0, selected)) == pytest.approx(0, abs=1e-9)
    assert float(elbo(0.0, selected + float(selection_kl(log_weights)[0]))) == pytest.approx(np.log(0.5))
    assert float(elbo(0.0, mixture_kl(component_kl)[0])) == pytest.approx(np.log(0.5))


def test_importance_weighted_bound_reaches_the_enumerated_evidence():
    model = LinearModel()
    evidence = model.log_evidence(range(model.components))

    @jax.jit
    def log_weights(q, p, key):
        z = sample(q, key, sample_shape=(50_000,))
        residual = jnp.asarray(model.x)[None] - z @ jnp.asarray(model.loadings).T
        normaliser = jnp.log(2 * jnp.pi * model.noise**2)
        log_likelihood = jnp.sum(-0.5 * jnp.square(residual / model.noise) - 0.5 * normaliser, axis=-1)
        log_prior = mixture_log_prob(component_log_prob(p, z))
        return log_likelihood + log_prior - jnp.sum(log_prob(q, z), axis=-1)

    log_w = log_weights(model.q, model.prior, jax.random.key(13))
    assert float(importance_weighted_bound(log_w)) == pytest.approx(evidence, abs=0.05)
    # With K samples: rises with K, from the bound of one sample to the evidence.
    bounds = [
        float(np.mean(importance_weighted_bound(log_w[: 50_000 // k * k].reshape(k, -1))))
        for k in (1, 10, 100)
    ]
    best = float(elbo(model.expected_log_likelihood(), mixture_kl(model.component_kl())))
    assert best < bounds[0] < bounds[1] < bounds[2] < evidence


@pytest.mark.parametrize(("log_weights", "expected"), [
    (np.log([[1.0, 2.0], [3.0, 2.0]]), np.log([2.0, 2.0])),
    (np.array([[-3.0, -700.0]]), [-3.0, -700.0]),
    (np.array([-1e6, -1e6 - 1e4]), -1e6 - np.log(2)),
], ids=["two samples", "one sample", "very unlikely"])  # fmt: skip
def test_importance_weighted_bound_hand_values(log_weights, expected):
    np.testing.assert_allclose(importance_weighted_bound(log_weights), expected, rtol=1e-6)


def total_correlation_by_loops(z, mean, log_var, dataset_size):
    """The example itself once, each other one of the batch for its share of the remaining N - 1."""
    batch, latents = z.shape
    std, result = np.exp(0.5 * log_var), np.zeros(batch)
    for i in range(batch):
        joint, marginals = 0.0, np.zeros(latents)
        for k in range(batch):
            weight = (1 if k == i else (dataset_size - 1) / (batch - 1)) / dataset_size
            densities = scipy.stats.norm(mean[k], std[k]).pdf(z[i])
            joint += weight * np.prod(densities)
            marginals += weight * densities
        result[i] = np.log(joint) - np.log(marginals).sum()
    return result


@pytest.mark.parametrize(
    ("batch", "dataset_size"), [(4, 4), (4, 7), (4, 1000), (2, 2), (2, 9), (1, 1), (1, 9)]
)
def test_total_correlation_matches_loops(x64, batch, dataset_size):
    z, mean, log_var = np.random.default_rng(14).normal(size=(3, batch, 3))
    expected = total_correlation_by_loops(z, mean, log_var, dataset_size)
    np.testing.assert_allclose(total_correlation(z, mean, log_var, dataset_size), expected, rtol=1e-9)


def test_total_correlation_of_equal_posteriors_is_zero():
    """One posterior for all examples: q(z) is that factorised Gaussian, for any size of data set."""
    z = np.random.default_rng(15).normal(size=(50, 4))
    for dataset_size in (50, 60_000):
        value = total_correlation(z, np.zeros((50, 4)), np.zeros((50, 4)), dataset_size)
        np.testing.assert_allclose(value, np.zeros(50), atol=1e-4)


def test_total_correlation_of_independent_and_of_duplicated_latents():
    """Means of variance 0.8 under noise of variance 0.2: duplicating them gives a correlation of 0.8.

    Batches of 200 of the 1,000 give the same on average.
    """
    rng, n = np.random.default_rng(16), 1000
    noise, independent = np.sqrt(0.2) * rng.normal(size=(n, 2)), np.sqrt(0.8) * rng.normal(size=(n, 2))
    duplicated, log_var = np.repeat(independent[:, :1], 2, axis=1), np.full((n, 2), np.log(0.2))

    def mean_of(mean, size):
        parts = [slice(start, start + size) for start in range(0, n, size)]
        values = [total_correlation((mean + noise)[part], mean[part], log_var[part], n) for part in parts]
        return float(np.mean(values))

    assert mean_of(independent, n) == pytest.approx(0, abs=0.03)
    assert mean_of(duplicated, n) == pytest.approx(-0.5 * np.log(1 - 0.8**2), abs=0.05)
    assert mean_of(duplicated, 200) == pytest.approx(mean_of(duplicated, n), abs=0.05)


def test_total_correlation_wants_matrices_of_one_shape():
    with pytest.raises((AssertionError, TypeError), match="batch latents"):
        total_correlation(np.zeros((4, 3)), np.zeros((4, 3)), np.zeros((4, 2)), 10)
    with pytest.raises(AssertionError, match="shape"):
        losses.total_correlation.__wrapped__(np.zeros((4, 3)), np.zeros((4, 3)), np.zeros((4, 2)), 10)


def test_the_divergence_of_a_code_is_that_of_its_only_component():
    q, p = random_spike_slab(20, (3, 4)), random_spike_slab(21, (1, 4))
    expected = np.sum(spike_slab_kl(q, p), axis=-1)
    np.testing.assert_allclose(mixture_kl(spike_slab_kl_matrix(q, p)), expected, rtol=1e-5)
