"""MIG and modularity of codes whose answer is known."""

import math

import numpy as np
import pytest

from vsc_jax.evaluation.mutual_information import (
    binned,
    information,
    joint_distribution,
    mig,
    modularity,
    mutual_information,
)


def test_information_by_hand():
    assert mutual_information(np.array([[0.5, 0.0], [0.0, 0.5]])) == pytest.approx(math.log(2))
    assert mutual_information(np.array([[0.25, 0.25], [0.25, 0.25]])) == pytest.approx(0)
    joint = joint_distribution(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    np.testing.assert_array_equal(joint, [[0.25, 0.25], [0, 0.5]])
    assert mutual_information(joint) == pytest.approx(math.log(2) - 0.75 * math.log(3) + 0.5 * math.log(2))


def test_bins_hold_equally_many_and_ties_stay_together():
    np.testing.assert_array_equal(np.bincount(binned(np.random.default_rng(0).normal(size=1000))), 50)
    assert len(np.unique(binned(np.zeros(100)))) == 1
    sparse = np.where(np.arange(1000) < 700, 0.0, np.arange(1000.0))
    assert len(np.unique(binned(sparse)[:700])) == 1


@pytest.mark.parametrize("level", ["real_factors", "presences"])
@pytest.mark.parametrize(
    ("kind", "gap", "modular"),
    [
        ("perfect", (0.95, 1), (0.99, 1)),
        ("permuted", (0.95, 1), (0.99, 1)),
        ("duplicated", (0, 0), (0.99, 1)),
        ("constant", (0, 0), (0, 0)),
        ("noise", (0, 0.01), (0, 0)),
        ("noisy", (0.05, 0.3), (0.9, 1)),
    ],
)
def test_codes_with_known_answers(request, code_of, level, kind, gap, modular):
    factors = request.getfixturevalue(level)
    shares = information(code_of(kind, factors), factors)
    assert gap[0] <= mig(shares) <= gap[1]
    assert modular[0] <= modularity(shares) <= modular[1]


def test_latents_that_mix_factors_have_a_small_gap_and_are_less_modular(real_factors, code_of):
    shares = information(code_of("rotated", real_factors), real_factors)
    assert mig(shares) < 0.3
    assert modularity(shares) < 0.9


def test_scores_do_not_change_under_a_monotone_map(real_factors, code_of):
    code = code_of("noisy", real_factors)
    np.testing.assert_allclose(information(np.exp(code), real_factors), information(code, real_factors))


def test_scores_by_hand():
    shares = np.array([[0.8, 0.4], [0.2, 0.0], [0.0, 0.02]])
    assert mig(shares) == pytest.approx((0.6 + 0.38) / 2)
    # The third latent tells too little to count.
    assert modularity(shares) == pytest.approx(((1 - 0.16 / 0.64) + 1) / 2)


def test_a_single_latent_has_no_rival(presences):
    shares = information(presences[0].values[:, None].astype(float), presences[:1])
    assert mig(shares) == pytest.approx(1)
    assert modularity(shares) == 1
