"""Sparsity numbers by hand."""

import numpy as np
import pytest

from vsc_jax.evaluation.encoding import Codes
from vsc_jax.evaluation.statistics import active_units, code_statistics, hoyer, sparsity

GAMMA = np.array([[0.99, 0.0, 0.5, 0.2], [0.95, 0.0, 0.6, 0.2], [0.01, 0.0, 0.7, 0.3], [0.05, 0.0, 0.2, 0.1]])
Z = np.array([[1.0, 0.0, 0.0, 0.0], [2.0, 0.0, 1.0, -1.0], [0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
MEAN = np.ones((4, 4))


def test_numbers_by_hand():
    numbers = sparsity(Codes(MEAN, GAMMA, Z))
    assert numbers["active_per_image"] == (1 + 2 + 1 + 0) / 4  # gamma > 1/2, whatever the sample has on
    assert numbers["active_per_image_p50"] == 1
    assert numbers["active_per_image_p5"] == pytest.approx(0.15)
    assert numbers["active_per_image_p95"] == pytest.approx(1.85)
    assert numbers["used_latents"] == 2  # gamma > 1/2 somewhere: the first and the third
    assert numbers["dead_latents"] == 2
    assert numbers["mean_gamma"] == pytest.approx(GAMMA.mean())
    assert numbers["undecided_gates"] == 7 / 16  # strictly between 0.1 and 0.9
    assert numbers["gamma_std"] == pytest.approx((GAMMA[:, 0].std() + GAMMA[:, 2].std()) / 2)
    assert numbers["active_units"] == 2  # Var gamma: .22, 0, .035, .005


def test_what_is_on_is_counted_on_the_same_codes_as_what_is_used():
    gamma = np.full((200, 60), 0.15)  # gates that no example decides: nine are on in a sample
    gamma[:, :4] = 0.9
    z = np.random.default_rng(0).random(gamma.shape) < gamma
    numbers = sparsity(Codes(np.ones_like(gamma), gamma, z.astype(float)))
    assert (numbers["active_per_image"], numbers["used_latents"], numbers["dead_latents"]) == (4, 4, 56)


def test_a_collapsed_code_uses_nothing():
    dead = np.zeros((5, 3))
    numbers = sparsity(Codes(dead + 1, dead + 0.01, dead))
    assert numbers["used_latents"] == numbers["active_per_image"] == numbers["active_units"] == 0
    assert numbers["dead_latents"] == 3
    assert numbers["gamma_std"] == numbers["hoyer"] == 0


def test_hoyer_of_one_hot_and_of_dense_codes():
    one_hot = np.eye(4)[np.arange(40) % 4]
    assert hoyer(one_hot) == pytest.approx(1)
    signs = np.sign(np.random.default_rng(0).normal(size=(50, 4)))
    assert hoyer(signs) == pytest.approx(0, abs=0.01)
    assert hoyer(np.random.default_rng(0).normal(size=(10, 1))) == 0


def test_hoyer_by_hand():
    code = np.array([[3.0, 4.0], [-3.0, -4.0], [0.0, 0.0], [0.0, 0.0]])
    # Scaled to unit deviation the first two codes are dense; the others, all zero, do not count.
    assert hoyer(code) == pytest.approx(0)


def test_active_units_need_variance_not_size():
    rng = np.random.default_rng(0)
    code = np.stack([np.full(1000, 5.0), 0.2 * rng.normal(size=1000), 0.05 * rng.normal(size=1000)], axis=1)
    assert active_units(code) == 1


def test_a_dense_code_has_all_latents_on(tiny):
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(100, 2)) * np.array([1.0, 0.01])
    numbers = code_statistics(tiny("vae"), Codes(mean, np.ones_like(mean), mean))
    assert numbers["active_per_image"] == 2
    assert numbers["used_latents"] == numbers["active_units"] == 1
    assert "mean_gamma" not in numbers
