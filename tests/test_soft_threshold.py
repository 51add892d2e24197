"""Soft-thresholded Gaussians: gates, density, divergence and samples, against SciPy's truncated integrals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from vsc_jax.losses import gaussian_kl, soft_threshold_kl
from vsc_jax.soft_threshold import SoftThreshold

# location, log-variance and threshold of q; location and log-variance of p
PAIRS = [(0.5, -1.2, 1.0, 0.0, 0.0), (3.0, -3.0, 1.6, 0.0, 0.0), (-2.0, -0.7, 0.7, 0.3, 0.7)]


def code(location, log_var, threshold):
    return SoftThreshold(*map(np.float64, (location, log_var, threshold)))


@pytest.mark.parametrize(("location", "log_var", "threshold", "p_location", "p_log_var"), PAIRS)
def test_gates_density_and_divergence_match_quadrature(
    x64, location, log_var, threshold, p_location, p_log_var
):
    q, p = code(location, log_var, threshold), code(p_location, p_log_var, threshold)
    base, p_base = (scipy.stats.norm(d.location, np.exp(d.log_var / 2)) for d in (q, p))
    on, p_on = (d.sf(threshold) + d.cdf(-threshold) for d in (base, p_base))
    assert float(q.gamma) == pytest.approx(on, rel=1e-9)
    assert float(q.gate_logit) == pytest.approx(np.log(on / (1 - on)), rel=1e-6)

    halves = np.linspace(1e-9, 15, 100_001)
    z = np.stack([-halves, halves])
    log_q, log_p = np.asarray(q.log_prob(z)), np.asarray(p.log_prob(z))
    density = np.exp(log_q)
    mass, divergence = (
        scipy.integrate.trapezoid(values, halves).sum() for values in (density, density * (log_q - log_p))
    )
    assert mass == pytest.approx(on, rel=1e-6)
    assert float(q.log_prob(0.0)) == pytest.approx(np.log(1 - on), rel=1e-6)
    exact = float(soft_threshold_kl(q, p))
    assert exact == pytest.approx(divergence + (1 - on) * np.log((1 - on) / (1 - p_on)), rel=1e-5)
    assert exact < float(gaussian_kl(*q[:2], *p[:2]))


def test_a_latent_within_its_threshold_costs_only_that_it_is_off():
    narrow = SoftThreshold(*(jnp.float32(v) for v in (0.2, -12.0, 1.6448536)))
    prior = SoftThreshold(*(jnp.float32(v) for v in (0.0, 0.0, 1.6448536)))
    assert float(soft_threshold_kl(narrow, prior)) == pytest.approx(-np.log(0.9), rel=1e-4)
    assert float(prior.gamma) == pytest.approx(0.1, rel=1e-4)


def test_samples_and_those_that_are_on_follow_the_density():
    q = SoftThreshold(*(jnp.full(40_000, value, jnp.float32) for value in (0.5, -0.5, 0.8)))
    z, on = np.asarray(q.sample(jax.random.key(0))), np.asarray(q.sample_slab(jax.random.key(1)))
    assert np.mean(z != 0) == pytest.approx(float(q.gamma[0]), abs=0.01)
    assert scipy.stats.ks_2samp(z[z != 0], on).pvalue > 1e-3
    base = scipy.stats.norm(0.5, np.exp(-0.25))
    assert scipy.stats.kstest(z[z > 0], lambda v: 1 - base.sf(v + 0.8) / base.sf(0.8)).pvalue > 1e-3


def test_values_shrink_to_zero_without_a_jump_and_gates_say_which_are_on():
    location = jnp.linspace(-3, 3, 601)
    q = SoftThreshold(location, jnp.full_like(location, -4.0), jnp.full_like(location, 1.0))
    code = np.asarray(q.mean)
    assert np.abs(np.diff(code)).max() < 0.0101
    np.testing.assert_array_equal(code != 0, np.asarray(q.gate_logit) > 0)
