"""Probes on codes whose answer is known."""

import numpy as np
import pytest

from vsc_jax.evaluation.probes import explicitness, linear_probe, neighbor_probe, sparse_probe

LABELS = np.arange(300) % 3
ONE_HOT = np.eye(3)[LABELS]
PROBES = [linear_probe, neighbor_probe]


@pytest.mark.parametrize("probe", PROBES)
def test_classes_are_read_off_codes_whose_answer_is_known(probe):
    assert probe(ONE_HOT, LABELS, ONE_HOT[:50], LABELS[:50]) == 1
    assert probe(ONE_HOT[:, [2, 0, 1]], LABELS, ONE_HOT[:50][:, [2, 0, 1]], LABELS[:50]) == 1
    assert probe(ONE_HOT, np.zeros(300, int), ONE_HOT, np.zeros(300, int)) == 1  # one class
    train, test = np.random.default_rng(0).normal(size=(2, 300, 4))
    assert probe(train, LABELS, test, LABELS) == pytest.approx(1 / 3, abs=0.1)


def test_rings_are_for_neighbours_and_not_for_planes():
    angle = np.linspace(0, 40, 600)
    radius = 1 + np.arange(600) % 2
    code = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert neighbor_probe(code, radius, code, radius) == 1
    assert linear_probe(code, radius, code, radius) < 0.65


def test_scale_of_a_latent_does_not_matter_to_the_linear_probe():
    scaled, constant = ONE_HOT * np.array([1e-4, 1.0, 1e4]), np.ones((300, 2))
    assert linear_probe(scaled, LABELS, scaled, LABELS) == 1
    assert linear_probe(constant, LABELS, constant, LABELS) == pytest.approx(1 / 3, abs=0.01)


def test_a_sparse_probe_sees_as_many_latents_as_it_is_given():
    # Class 0 has a latent; class 1 has two, one of which is on: the more frequent one, at a small scale.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    first = np.arange(400) % 4 > 0
    code = np.stack([labels == 0, (labels == 1) & ~first, 1e-3 * ((labels == 1) & first)], axis=1)
    code = np.hstack([code, rng.normal(size=(400, 5))])
    assert sparse_probe(code, labels, code, labels, 1) == 1  # absence of the first tells class 1
    assert sparse_probe(code[:, 1:], labels, code[:, 1:], labels, 1) == pytest.approx(0.875)
    assert sparse_probe(code[:, 1:], labels, code[:, 1:], labels, 2) == 1
    chance = sparse_probe(code[:, 3:], labels, rng.normal(size=(400, 5)), labels, 5)
    assert chance == pytest.approx(0.5, abs=0.1)
    assert sparse_probe(code, labels * 0, code, labels * 0, 1) == 1  # one class


def test_a_factor_of_one_class_has_no_curve(presences):
    alone, code = [presences[0]._replace(values=np.zeros(3000))], presences[1].values[:, None].astype(float)
    assert explicitness(code, alone, code, alone) == 0
