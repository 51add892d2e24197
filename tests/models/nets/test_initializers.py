"""Initial weights: their widths, whatever the size of the layer, and that keys decide them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax.models.nets.initializers import he_normal, lecun_normal, scaled_normal


@pytest.mark.parametrize("shape", [(300, 700), (40, 50), (3, 3, 16, 32)])
@pytest.mark.parametrize(("initial", "gain"), [(he_normal, 2), (lecun_normal, 1)])
def test_variances(shape, initial, gain):
    fan_in = np.prod(shape[:-1])
    weights = initial(jax.random.key(0), shape)
    assert (weights.shape, weights.dtype) == (shape, jnp.float32)
    assert np.var(np.asarray(weights)) * fan_in / gain == pytest.approx(1, abs=0.07)
    assert abs(np.mean(np.asarray(weights))) < 3 * np.sqrt(gain / fan_in / weights.size)


def test_cut_off_at_two_deviations_of_the_uncut_normal():
    weights = scaled_normal(jax.random.key(0), (100, 100), gain=100.0)
    assert 2.2 < np.max(np.abs(weights)) <= 2 / 0.8796


def test_blocks_are_independent_draws():
    weights = scaled_normal(jax.random.key(0), (2, 2**16), gain=2.0)
    correlation = np.corrcoef(np.asarray(weights))[0, 1]
    assert abs(correlation) < 4 / 2**8
    assert len(np.unique(weights)) > 1.9 * 2**16


def test_the_key_decides_also_under_jit_and_vmap():
    first, again, other = (he_normal(jax.random.key(seed), (300, 400)) for seed in (1, 1, 0))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    together = jax.jit(jax.vmap(lambda seed: he_normal(jax.random.key(seed), (300, 400))))(jnp.arange(3))
    np.testing.assert_allclose(together[1], first, rtol=1e-6)
