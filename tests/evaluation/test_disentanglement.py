"""Disentanglement scores of codes whose answer is known."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mutual_info_score

from vsc_jax.data import smiley
from vsc_jax.evaluation.disentanglement import (
    BINS,
    binned,
    dci,
    factor_vae_score,
    fixed_batches,
    infomec,
    information,
    mig,
    modularity,
    of_importances,
    predictability,
    sap,
)
from vsc_jax.evaluation.factors import Factor


def test_bins_hold_equally_many_and_ties_stay_together():
    np.testing.assert_array_equal(np.bincount(binned(np.random.default_rng(0).normal(size=1000)))[1:], 50)
    assert not binned(np.zeros(100)).any()
    sparse = np.where(np.arange(1000) < 700, 0.0, np.arange(1000.0))
    np.testing.assert_array_equal(np.bincount(binned(sparse)), [700] + 20 * [15])  # 0 alone


def test_scores_by_hand():
    shares = np.array([[0.8, 0.4], [0.2, 0.0], [0.0, 0.02]])
    assert mig(shares) == pytest.approx((0.6 + 0.38) / 2)
    # The third latent tells too little to count.
    assert modularity(shares) == pytest.approx(((1 - 0.16 / 0.64) + 1) / 2)
    alone = np.array([[0.9]])  # no rival
    assert (mig(alone), modularity(alone)) == (0.9, 1)


def test_scores_do_not_change_under_a_monotone_map(real_factors, code_of):
    code = code_of("noisy", real_factors)
    np.testing.assert_allclose(information(np.exp(code), real_factors), information(code, real_factors))


def test_infomec_leaves_out_what_does_not_vary_and_counts_what_tells_nothing(real_factors, code_of):
    code = code_of("perfect", real_factors)
    still = np.concatenate(
        [code, np.zeros_like(code), np.ones_like(code), 1e-3 * code_of("noise", real_factors)], axis=1
    )
    assert infomec(still, real_factors) == pytest.approx(infomec(code, real_factors))
    noisy = np.concatenate([code, code_of("noise", real_factors)], axis=1)
    assert infomec(noisy, real_factors)[0] == pytest.approx(0.5, abs=0.01)
    assert infomec(code[:, :1], real_factors[:1]) == (1, 1)


def test_a_perfect_code_that_is_on_in_a_tenth_scores_one_where_the_published_forms_lose_it():
    rng = np.random.default_rng(0)
    on = rng.random((5000, 6)) < 0.1
    code = on * rng.exponential(size=on.shape)
    always = np.ones(5000, bool)
    values = [Factor("value", column, always, discrete=False) for column in code.T]
    presence = [Factor("presence", column.astype(int), always, discrete=True) for column in on.T]
    # Tripod's infomec.py: latents whose interquartile range is above a tenth of the largest are active.
    ranges = np.subtract(*np.quantile(code, [0.75, 0.25], axis=0))
    assert not (ranges > ranges.max() / 10).any()
    assert infomec(code, values) == pytest.approx((1, 1), abs=0.01)
    # disentanglement_lib's bins of equal width: 0 shares one with small values.
    wide = np.digitize(code[:, 0], np.histogram(code[:, 0], BINS)[1][1:-1])
    assert mutual_info_score(wide, on[:, 0]) < 0.8 * entropy([on[:, 0].mean(), 1 - on[:, 0].mean()])
    assert mig(information(code, values)) > 0.99
    assert mig(information(code, presence)) > 0.99


def test_predictability_by_hand(presences):
    factor = presences[0]._replace(values=np.array([0, 0, 0, 1, 1, 1]), given=np.ones(6, bool))
    code = np.array([[1.0, 1.0], [2.0, 1.0], [5.0, 1.0], [3.0, 1.0], [4.0, 1.0], [6.0, 1.0]])
    # The threshold 2.5: two of three and three of three; a constant tells nothing.
    np.testing.assert_allclose(predictability(code, [factor])[:, 0], [2 / 3, 0])


def test_more_than_two_classes_are_refused(presences):
    factor = presences[0]._replace(values=np.arange(3000) % 3)
    with pytest.raises(ValueError, match="two classes"):
        sap(np.zeros((3000, 1)), [factor])


def test_importances_below_zero_by_rounding_count_as_none(real_factors, code_of, monkeypatch):
    importances = property(lambda self: np.array([1.0, -1e-20]))
    monkeypatch.setattr(GradientBoostingRegressor, "feature_importances_", importances)
    factors = [factor.first(100) for factor in real_factors[:2]]
    score = dci(code_of("perfect", factors), factors, code_of("perfect", factors), factors)
    assert (score.disentanglement, score.completeness) == pytest.approx((0, 1))


@pytest.mark.parametrize(("importance", "scores"), [
    ([[1.0, 1.0], [0.0, 0.0]], (0, 1)),
    ([[1.0, 0.0], [1.0, 0.0]], (1, 0)),  # a factor that nothing tells counts as incomplete
    ([[3.0, 0.0], [0.5, 0.5]], (0.75, pytest.approx(0.704, abs=1e-3))),  # latents count by their importance
    ([[1.0, 0.0], [0.0, 0.0]], (1, 0.5)),
    ([[0.0, 0.0], [0.0, 0.0]], (0, 0)),
    ([[1.0, 0.0]], (1, 0.5)),
    ([[1.0], [3.0]], (1, pytest.approx(0.189, abs=1e-3))),
])  # fmt: skip
def test_entropies_by_hand(importance, scores):
    assert of_importances(np.array(importance)) == pytest.approx(scores)


ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(18, 18)))[0]


def noise(faces: smiley.Smileys) -> np.ndarray:
    return np.random.default_rng(faces.images.sum()).normal(size=faces.factors.shape)


@pytest.mark.parametrize(
    ("represent", "low", "high"),
    [
        (lambda faces: faces.factors, 1, 1),
        (lambda faces: -2 * np.roll(faces.factors, 5, axis=1), 1, 1),
        (lambda faces: np.concatenate([faces.factors, faces.factors], axis=1), 1, 1),
        (lambda faces: np.ones((len(faces.images), 7)), 0, 0),
        (noise, 0, 0.25),
        (lambda faces: faces.factors @ ROTATION, 0, 0.7),
        (lambda faces: faces.factors + 0.05 * noise(faces), 0.95, 1),
        # Latents that only tell presence cannot tell the features of an attribute apart.
        (lambda faces: faces.attributes.astype(float), 0.15, 0.3),
    ],
    ids=["perfect", "permuted", "duplicated", "constant", "noise", "rotated", "noisy", "presence"],
)
def test_codes_with_known_answers_factor_vae(represent, low, high):
    assert low <= factor_vae_score(represent, votes=4, batch=32) <= high


def test_batches_fix_one_feature_and_show_its_attribute():
    faces = fixed_batches(0, votes=2, batch=5)
    values = faces.values.reshape(18, 2, 5, 18)
    shown = faces.presence.reshape(18, 2, 5, 18)
    for k in range(18):
        fixed = np.ptp(values[k], axis=1) == 0
        np.testing.assert_array_equal(fixed, np.tile(np.arange(18) == k, (2, 1)))
        assert (shown[k, :, :, k] == 1).all()
    np.testing.assert_array_equal(faces.images[:9], smiley.render(faces.presence[:9], faces.values[:9]))
