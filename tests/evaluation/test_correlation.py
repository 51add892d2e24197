"""Correlations of latents with features, given presence, and the paper's own."""

import numpy as np
import pytest

from vsc_jax.data import Split, smiley
from vsc_jax.evaluation.correlation import correlations, feature_statistics, paper_correlations
from vsc_jax.evaluation.factors import features


@pytest.mark.parametrize(
    ("kind", "best", "distinct"),
    [
        ("perfect", 1, 1),
        ("permuted", 1, 1),
        ("duplicated", 1, 1),
        ("constant", 0, 0),
        ("noise", 0, 0),
        ("noisy", np.sqrt(0.5), np.sqrt(0.5)),
    ],
)
def test_codes_with_known_answers(real_factors, code_of, kind, best, distinct):
    numbers = feature_statistics(code_of(kind, real_factors), real_factors, None)
    assert numbers["feature_correlation"] == pytest.approx(best, abs=0.05)
    assert numbers["feature_correlation_distinct"] == pytest.approx(distinct, abs=0.05)


def test_signs_are_kept(real_factors):
    code = -real_factors[0].values[:, None]
    assert correlations(code, real_factors[:1])[0, 0] == pytest.approx(-1)


def test_only_examples_with_the_feature_count(real_factors):
    factor = real_factors[0]
    code = np.where(factor.given, factor.values, 1e6)[:, None]
    assert correlations(code, [factor])[0, 0] == pytest.approx(1)
    nowhere = factor._replace(given=np.zeros_like(factor.given))
    assert correlations(code, [nowhere])[0, 0] == 0


def test_one_latent_for_two_features_counts_once_when_latents_must_differ(real_factors):
    code = (real_factors[2].values + real_factors[3].values)[:, None]
    numbers = feature_statistics(code, real_factors[2:], None)
    assert numbers["feature_correlation"] == pytest.approx(np.sqrt(0.5), abs=0.02)
    assert numbers["feature_correlation_distinct"] == pytest.approx(np.sqrt(0.5) / 2, abs=0.02)


def test_share_of_the_ceiling(real_factors, code_of):
    numbers = feature_statistics(code_of("perfect", real_factors), real_factors, np.full(4, 0.8))
    assert numbers["feature_ceiling_share"] == pytest.approx(1.25)


def test_a_presence_detector_scores_683_in_the_papers_figure_and_nothing_given_presence():
    """The number of specs/smiley.md: ``|corr(|S V|, |z|)|`` of a latent that only says "hat present"."""
    faces = smiley.generate(0, 40_000)
    split = Split(faces.images, factors=faces.factors, presence=faces.presence)
    rng = np.random.default_rng(0)
    detector = faces.attributes[:, 1:2] * (1 + 0.001 * rng.normal(size=(40_000, 1)))
    hat = smiley.GROUPS[1]
    np.testing.assert_allclose(paper_correlations(detector, faces.factors)[0, hat], 0.683, atol=0.01)
    np.testing.assert_allclose(correlations(detector, features(split))[0, hat], 0, atol=0.03)
