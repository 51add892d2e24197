"""Recovery, calibration and agreement of codes whose answer is known."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from vsc_jax.evaluation.recovery import (
    areas,
    atoms_found,
    calibration,
    correlation,
    match,
    matched_mean,
    mcc,
    seed_agreement,
    support_auc,
    support_f1,
    varies,
)

RNG = np.random.default_rng(0)
PRESENT = RNG.random((2000, 5)) < 0.2
SOURCES = PRESENT * RNG.normal(size=(2000, 5))
ORDER = np.array([3, 0, 4, 1, 2])
PERMUTED = SOURCES[:, ORDER] * np.array([-2.0, 1, 5, -0.1, 1])
NOISE = RNG.normal(size=(2000, 5))


def test_the_matching_is_that_of_the_largest_total():
    scores = np.array([[0.9, 0.8, 0.0], [0.85, 0.1, 0.0]])
    assert match(scores, scores, lambda a, b: a).tolist() == [[0, 1], [1, 0]]
    assert matched_mean(scores) == pytest.approx((0.8 + 0.85) / 3)
    assert match(PERMUTED, SOURCES, lambda a, b: np.abs(correlation(a, b)))[:, 1].tolist() == ORDER.tolist()


def test_correlations_are_numpys():
    np.testing.assert_allclose(
        correlation(NOISE, SOURCES), np.corrcoef(NOISE.T, SOURCES.T)[:5, 5:], atol=1e-12
    )
    assert not correlation(np.full((2000, 1), 0.1), SOURCES).any()


@pytest.mark.parametrize(("code", "expected"), [
    (PERMUTED, 1),
    (np.concatenate([NOISE, PERMUTED], axis=1), 1),
    (PERMUTED[:, :3], 0.6),
    (NOISE, 0.03),
    (np.ones((2000, 5)), 0),
    (SOURCES / SOURCES.std(axis=0) + NOISE, np.sqrt(0.5)),
], ids=["permuted", "wider", "narrower", "noise", "constant", "half noise"])  # fmt: skip
def test_mean_correlation_coefficient(code, expected):
    assert mcc(code, SOURCES) == pytest.approx(expected, abs=0.03)


def test_areas_and_f1_are_scikit_learns_in_the_direction_given():
    scores = np.round(PRESENT[:, ::-1] + NOISE)
    expected = [[roc_auc_score(present, column) for present in PRESENT.T] for column in scores.T]
    np.testing.assert_allclose(areas(scores, PRESENT), expected)
    assert areas(-PRESENT[:, :1].astype(float), PRESENT[:, :1]) == 0
    assert areas(NOISE[:, :1], np.ones((2000, 1))) == 0.5
    on = NOISE[:, :1] + 2 * PRESENT[:, :1] > 1
    assert support_f1(on, PRESENT[:, :1]) == pytest.approx(f1_score(PRESENT[:, 0], on[:, 0]))


@pytest.mark.parametrize(("gates", "auc", "f1"), [
    (PRESENT[:, ORDER], 1, 1),
    (PRESENT[:, :4], 0.9, 0.8),
    (np.zeros((2000, 5)), 0.5, 0),
    (np.concatenate([PRESENT, np.ones((2000, 3))], axis=1), 1, 1),
], ids=["permuted", "one missing", "never on", "more on"])  # fmt: skip
def test_supports_are_told_one_to_one(gates, auc, f1):
    # A source that is always there tells nothing and does not count.
    supports = np.concatenate([PRESENT, np.ones((2000, 1))], axis=1)
    assert support_auc(gates, supports) == pytest.approx(auc)
    assert support_f1(gates, supports) == pytest.approx(f1)
    for score in (support_auc, support_f1):
        with pytest.raises(ValueError, match="supports: expected a source"):
            score(gates, np.zeros((2000, 2)))


def test_atoms_have_a_component_of_their_own():
    atoms = np.linalg.qr(RNG.normal(size=(8, 8)))[0]
    assert atoms_found(-3 * atoms[[5, 2, 7]], atoms) == 3
    assert atoms_found(atoms[[0, 0, 0]], atoms) == 1  # copies of an atom find it once
    near, far = (np.array([[1.0, np.tan(np.arccos(c))]]) for c in (0.951, 0.949))
    assert [atoms_found(one, np.eye(2)) for one in (near, far)] == [1, 0]
    assert atoms_found(far, np.eye(2), threshold=0.9) == 1
    assert atoms_found(np.zeros((2, 2)), np.eye(2)) == 0


def test_calibration_by_hand_and_of_probabilities_that_events_follow():
    gamma, present = np.array([[0.9, 0.95, 0.1, 0.05]]), np.array([[1, 0, 0, 0]])
    score = calibration(gamma, present, bins=2)
    assert score.ece == pytest.approx((abs(1.85 - 1) + 0.15) / 4)
    assert score.brier == pytest.approx((0.01 + 0.9025 + 0.01 + 0.0025) / 4)
    assert calibration(present, present) == (0, 0)
    assert calibration(1 - present, present) == (1, 1)
    gamma = RNG.random((2000, 50))
    events = RNG.random(gamma.shape) < gamma
    assert calibration(gamma, events) == (pytest.approx(0, abs=0.01), pytest.approx(1 / 6, abs=0.005))
    assert calibration(np.sqrt(gamma), events).ece == pytest.approx(1 / 6, abs=0.01)


def test_latents_vary_if_they_are_not_constant_or_all_but():
    code = np.stack([np.zeros(2000), np.full(2000, 3.0), SOURCES[:, 0], 1e-4 * NOISE[:, 0]], axis=1)
    assert varies(code).tolist() == [False, False, True, False]
    assert not varies(np.ones((10, 2))).any()


def test_used_latents_have_partners_in_another_run():
    rare = np.where(np.arange(2000) < 10, 5.0, 0)[:, None]  # on in .5 %
    run = np.concatenate([SOURCES, rare, np.zeros((2000, 1))], axis=1)
    assert seed_agreement(run, PERMUTED) == 1
    assert seed_agreement(run, PERMUTED[:, :3]) == pytest.approx(3 / 5)
    noisy = PERMUTED / PERMUTED.std(axis=0) + 0.6 * NOISE  # correlations of .86
    assert seed_agreement(run, noisy) == 0
    assert seed_agreement(run, noisy, threshold=0.8) == 1
    assert seed_agreement(np.zeros((2000, 2)), run) == 0
