"""Posterior and coefficient collapse by hand."""

import jax
import numpy as np
import pytest

from vsc_jax import losses
from vsc_jax.evaluation.collapse import collapse_statistics, collapsed, latent_kl


def test_a_latent_has_collapsed_when_95_percent_of_its_values_are_small():
    values = np.ones((100, 4))
    values[:95, 0] = 0.01
    values[:94, 1] = 0.01
    values[:, 2] = 0.0
    assert collapsed(values) == 0.5


def test_both_measures_by_name():
    kl, z = np.zeros((20, 2)), np.ones((20, 2))
    z[:, 0] = -0.005
    assert collapse_statistics(kl, z) == {"posterior_collapse": 1.0, "coefficient_collapse": 0.5}
    assert collapse_statistics(kl, -np.ones((20, 2)))["coefficient_collapse"] == 0


def test_divergences_of_a_vae_sum_to_its_kl(tiny, examples):
    model = tiny("vae")
    q = jax.jit(model.encode)(examples)
    total = 0.5 * (np.exp(q.log_var) + q.mean**2 - 1 - q.log_var).sum(axis=1)
    np.testing.assert_allclose(latent_kl(model, examples).sum(axis=1), total, rtol=1e-4)


def test_divergences_of_a_vsc_are_from_the_nearest_component(tiny, examples):
    model = tiny("vsc")
    pairs = jax.jit(lambda x: losses.spike_slab_kl_matrix(model.encode(x), model.components()))
    every = pairs(examples)
    np.testing.assert_allclose(latent_kl(model, examples).sum(axis=1), every.min(axis=1), rtol=1e-3)


def test_a_posterior_that_ignores_the_data_has_collapsed(tiny, examples):
    model = tiny("vae", stretch=0.0)
    kl = latent_kl(model, examples)
    assert kl.max() == pytest.approx(0, abs=1e-6)
    assert collapsed(kl) == 1
