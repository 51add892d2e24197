"""Codes of a split in batches of one size, and how sparse they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax import losses
from vsc_jax.evaluation.encoding import Codes, code_statistics, codes, collapsed, hoyer, map_batches, means


def test_sparse_codes_are_exactly_zero_where_gates_are_off(tiny, examples):
    many = np.tile(examples, (400, 1))
    measured = codes(tiny("vsc", initial_gate_logit=0.0), many, jax.random.key(0))
    off = measured.z == 0
    assert off.mean() == pytest.approx(1 - measured.gamma.mean(), abs=0.02)
    np.testing.assert_allclose(measured.z.mean(axis=0), measured.expected.mean(axis=0), atol=0.1)


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_models_without_gates_have_all_of_them_open(tiny, examples, kind):
    measured = codes(tiny(kind), examples, jax.random.key(0))
    assert (measured.gamma == 1).all()
    np.testing.assert_array_equal(measured.expected, measured.mean)
    assert (measured.z == measured.mean).all() == (kind == "ae")


@pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
def test_every_example_is_measured_once_in_order_with_a_key_for_each_batch(tiny, examples, batch_size):
    done, sizes = [], set()

    def measure(model, x, key):
        sizes.add(len(x))
        return {"sum": jnp.sum(x, axis=-1), "drawn": jax.random.normal(key, x.shape[:1])}

    measured = map_batches(
        measure, tiny("ae"), examples, jax.random.key(0), batch_size=batch_size, on_batch=done.append
    )
    np.testing.assert_allclose(measured["sum"], examples.sum(axis=1))
    assert len(np.unique(measured["drawn"])) == len(examples) or batch_size == 1
    assert sizes == {min(batch_size, 12)}  # one size is one program
    assert done == [*range(batch_size, 12, batch_size), 12]


def test_uint8_is_measured_as_fractions_of_255(tiny):
    x = np.array([[0, 1], [51, 1], [255, 1]], np.uint8)
    measured = map_batches(lambda model, x, key: x[:, 0], tiny("ae"), x, jax.random.key(0))
    np.testing.assert_allclose(measured, [0, 0.2, 1], rtol=1e-6)


def test_means_are_summed_in_double_precision():
    values = np.full(2**20, 16777.217, np.float32)
    assert means({"x": values})["x"] == pytest.approx(float(values[0]), rel=1e-12)


GAMMA = np.array([[0.99, 0.0, 0.5, 0.2], [0.95, 0.0, 0.6, 0.2], [0.01, 0.0, 0.7, 0.3], [0.05, 0.0, 0.7, 0.1]])
Z = np.array([[1.0, 0.0, 0.0, 0.0], [2.0, 0.0, 1.0, -1.0], [0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
MEAN = np.ones((4, 4))


def test_numbers_by_hand(tiny):
    numbers = code_statistics(tiny("vsc"), Codes(MEAN, GAMMA, Z))
    # On is gamma > 1/2, whatever the sample has on; undecided is strictly between 0.1 and 0.9.
    expected = {"active_per_image": 1.25, "active_per_image_p50": 1, "active_per_image_p5": 1,
                "active_per_image_p95": 1.85, "used_latents": 2, "dead_latents": 2, "active_units": 1,
                "undecided_gates": 7 / 16, "gamma_std": (GAMMA[:, 0].std() + GAMMA[:, 2].std()) / 2,
                "mean_gamma": GAMMA.mean(), "dense_latents": 1, "always_on_latents": 0,
                "fixed_gates": 1, "hoyer": hoyer(GAMMA)}  # fmt: skip
    assert numbers == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["vsc", "vae"])
def test_a_dead_code_and_a_dense_one_whose_units_need_variance_not_size(tiny, kind):
    dead = code_statistics(tiny("vsc"), Codes(np.ones((5, 3)), np.full((5, 3), 0.01), np.zeros((5, 3))))
    assert dead["dead_latents"] == 3
    nothing = ("used_latents", "active_per_image", "active_units", "gamma_std", "hoyer", "dense_latents")
    assert {dead[name] for name in nothing} == {0}
    rng = np.random.default_rng(0)
    mean = np.stack([np.full(1000, 5.0), 0.2 * rng.normal(size=1000), 0.05 * rng.normal(size=1000)], axis=1)
    gamma = np.ones_like(mean)
    numbers = code_statistics(tiny(kind, latents=3), Codes(mean, gamma, mean))
    assert (numbers["active_per_image"], numbers["active_units"]) == (3, 1)
    assert numbers["used_latents"] == (1 if kind == "vae" else 3)
    assert numbers.get("dense_latents") == (3 if kind == "vsc" else None)


def test_hoyer_of_one_hot_and_of_dense_codes():
    one_hot = np.eye(4)[np.arange(40) % 4]
    assert hoyer(one_hot) == pytest.approx(1)
    signs = np.sign(np.random.default_rng(0).normal(size=(50, 4)))
    assert hoyer(signs) == pytest.approx(0, abs=0.01)
    assert hoyer(np.random.default_rng(0).normal(size=(10, 1))) == 0
    # Scaled to unit deviation the first two are dense; the others, all zero, do not count.
    assert hoyer(np.array([[3.0, 4.0], [-3.0, -4.0], [0.0, 0.0], [0.0, 0.0]])) == pytest.approx(0)


def test_a_latent_has_collapsed_when_95_percent_of_its_values_are_small():
    values = np.ones((100, 4))
    values[:95, 0] = 0.01
    values[:94, 1] = 0.01
    values[:, 2], values[:, 3] = 0.0, -1.0
    assert collapsed(values) == 0.5


def test_divergences_are_from_the_standard_normal_or_the_nearest_component(tiny, examples):
    model = tiny("vae")
    q = jax.jit(model.encode)(examples)
    total = 0.5 * (np.exp(q.log_var) + q.mean**2 - 1 - q.log_var).sum(axis=1)
    np.testing.assert_allclose(jax.jit(model.latent_kl)(examples).sum(axis=1), total, rtol=1e-4)
    model = tiny("vsc")
    pairs = jax.jit(lambda x: losses.spike_slab_kl_matrix(model.encode(x), model.components()))(examples)
    np.testing.assert_allclose(jax.jit(model.latent_kl)(examples).sum(axis=1), pairs.min(axis=1), rtol=1e-3)
