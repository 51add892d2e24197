"""DCI of codes whose answer is known."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

from vsc_jax.evaluation.dci import completeness, dci, disentanglement


def scores(code_of, factors, kind, count):
    factors = [factor.first(1000) for factor in factors[:count]]
    return dci(code_of(kind, factors), factors, code_of(kind, factors, seed=5), factors)


@pytest.mark.parametrize("level", ["real_factors", "presences"])
@pytest.mark.parametrize("kind", ["perfect", "permuted"])
def test_perfect_and_permuted_codes_score_one(request, code_of, level, kind):
    assert min(scores(code_of, request.getfixturevalue(level), kind, 3)) > 0.95


@pytest.mark.parametrize("level", ["real_factors", "presences"])
def test_a_constant_code_scores_zero(request, code_of, level):
    assert scores(code_of, request.getfixturevalue(level), "constant", 3) == (0, 0, 0)


def test_twins_are_disentangled_but_not_complete(real_factors, code_of):
    score = scores(code_of, real_factors, "duplicated", 3)
    assert score.disentanglement > 0.95
    assert score.completeness < 0.95
    assert score.informativeness > 0.95


def test_noise_says_nothing_about_new_examples(real_factors, code_of):
    assert scores(code_of, real_factors, "noise", 3).informativeness < 0.05


def test_half_noise_explains_half(real_factors, code_of):
    assert scores(code_of, real_factors, "noisy", 2).informativeness == pytest.approx(0.45, abs=0.1)


def test_importances_below_zero_by_rounding_count_as_none(real_factors, code_of, monkeypatch):
    def importances(self):
        return np.array([1.0, -1e-20])

    monkeypatch.setattr(GradientBoostingRegressor, "feature_importances_", property(importances))
    score = scores(code_of, real_factors, "perfect", 2)
    assert (score.disentanglement, score.completeness) == pytest.approx((0, 1))


def test_entropies_by_hand():
    half = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert disentanglement(half) == pytest.approx(0)
    assert completeness(half) == pytest.approx(1)
    assert disentanglement(half.T) == pytest.approx(1)
    assert completeness(half.T) == pytest.approx(0)
    # Latents count by their importance: 3 of 4 parts are pure.
    assert disentanglement(np.array([[3.0, 0.0], [0.5, 0.5]])) == pytest.approx(0.75)
    # A factor that nothing tells counts as incomplete.
    assert completeness(np.array([[1.0, 0.0], [0.0, 0.0]])) == pytest.approx(0.5)
    assert disentanglement(np.zeros((2, 2))) == 0
