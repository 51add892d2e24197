"""Probes on codes whose answer is known."""

import numpy as np
import pytest

from vsc_jax.evaluation.probes import explicitness, linear_probe, linear_r2, neighbor_probe

# Probes on codes whose answer is known.


LABELS = np.arange(300) % 3
ONE_HOT = np.eye(3)[LABELS]
PROBES = [linear_probe, neighbor_probe]


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
    assert neighbor_probe(code, radius, code, radius) == 1
    assert linear_probe(code, radius, code, radius) < 0.65


def test_scale_of_a_latent_does_not_matter_to_the_linear_probe():
    scaled = ONE_HOT * np.array([1e-4, 1.0, 1e4])
    assert linear_probe(scaled, LABELS, scaled, LABELS) == 1


# Explicitness and linear R^2 of codes whose answer is known.


# Codes from which a linear map gets the factors back.
READ = [(kind, 0.99, 1) for kind in ("perfect", "permuted", "rotated", "duplicated")]


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [*READ, ("constant", 0, 0), ("noise", 0, 0.06), ("noisy", 0.4, 0.7)],
)
def test_explicitness_of_attributes(presences, code_of, kind, low, high):
    train, test = code_of(kind, presences), code_of(kind, presences, seed=5)
    assert low <= explicitness(train, presences, test, presences) <= high


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [*READ, ("constant", 0, 0), ("noise", 0, 0.01), ("noisy", 0.45, 0.55)],
)
def test_r2_of_features(real_factors, code_of, kind, low, high):
    train, test = code_of(kind, real_factors), code_of(kind, real_factors, seed=5)
    assert low <= linear_r2(train, real_factors, test, real_factors) <= high


def test_a_factor_of_one_class_has_no_curve(presences):
    alone = [presences[0]._replace(values=presences[0].values * 0)]
    code = presences[1].values[:, None].astype(float)
    assert explicitness(code, alone, code, alone) == 0
