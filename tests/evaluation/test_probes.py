"""Probes on codes whose answer is known."""

import numpy as np
import pytest

from vsc_jax.evaluation.probes import linear_probe, neighbour_probe

LABELS = np.arange(300) % 3
ONE_HOT = np.eye(3)[LABELS]
PROBES = [linear_probe, neighbour_probe]


@pytest.mark.parametrize("probe", PROBES)
def test_a_perfect_code_is_read_perfectly(probe):
    assert probe(ONE_HOT, LABELS, ONE_HOT[:50], LABELS[:50]) == 1


@pytest.mark.parametrize("probe", PROBES)
def test_a_permuted_code_is_as_good(probe):
    assert probe(ONE_HOT[:, [2, 0, 1]], LABELS, ONE_HOT[:50][:, [2, 0, 1]], LABELS[:50]) == 1


def test_a_constant_code_is_read_as_one_class():
    constant = np.ones((300, 2))
    assert linear_probe(constant, LABELS, constant, LABELS) == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("probe", PROBES)
def test_noise_is_chance(probe):
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(300, 4)), rng.normal(size=(300, 4))
    assert probe(train, LABELS, test, LABELS) == pytest.approx(1 / 3, abs=0.1)


@pytest.mark.parametrize("probe", PROBES)
def test_one_class_is_always_right(probe):
    assert probe(ONE_HOT, np.zeros(300, int), ONE_HOT, np.zeros(300, int)) == 1


def test_rings_are_for_neighbours_and_not_for_planes():
    angle = np.linspace(0, 40, 600)
    radius = 1 + np.arange(600) % 2
    code = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert neighbour_probe(code, radius, code, radius) == 1
    assert linear_probe(code, radius, code, radius) < 0.65


def test_scale_of_a_latent_does_not_matter_to_the_linear_probe():
    scaled = ONE_HOT * np.array([1e-4, 1.0, 1e4])
    assert linear_probe(scaled, LABELS, scaled, LABELS) == 1
