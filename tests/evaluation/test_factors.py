"""Smiley's true factors at two levels, and how single gates and latents tell them."""

import numpy as np
import pytest

from vsc_jax.data import Dataset, Split, smiley
from vsc_jax.evaluation import factors
from vsc_jax.evaluation.factors import (
    CEILING_32,
    Factor,
    auc,
    correlations,
    feature_statistics,
    features,
    gate_statistics,
)

FACES = smiley.generate(0, 200)
SPLIT = Split(FACES.images * np.uint8(255), factors=FACES.factors, presence=FACES.presence)


def test_attributes_always_have_a_meaning_and_features_where_their_attribute_is_present():
    attributes, features = factors.attributes(SPLIT), factors.features(SPLIT)
    assert [attribute.name for attribute in attributes] == list(smiley.ATTRIBUTES)
    np.testing.assert_array_equal(np.stack([a.values for a in attributes], axis=1), FACES.attributes)
    assert all(attribute.given.all() and attribute.discrete for attribute in attributes)
    assert [feature.name for feature in features] == list(smiley.FACTORS)
    for k, feature in enumerate(features):
        np.testing.assert_array_equal(feature.given, FACES.presence[:, k] == 1)
        np.testing.assert_allclose(feature.values[feature.given], FACES.values[feature.given, k], rtol=1e-6)
    first = features[0].first(7)
    assert len(first.values) == len(first.given) == 7


def test_only_smiley_has_factors():
    assert factors.has_factors(Dataset("smiley", SPLIT, SPLIT, factor_names=smiley.FACTORS))
    assert not factors.has_factors(Dataset("other", SPLIT, SPLIT))
    for level in (factors.attributes, factors.features):
        with pytest.raises(ValueError, match="presence"):
            level(Split(FACES.images))


def test_factors_that_do_not_vary_are_not_measured():
    attributes = factors.attributes(SPLIT)
    always = attributes[1]._replace(values=np.ones(200, np.int64))
    seldom = attributes[2]._replace(given=np.arange(200) < 10)
    train, test = factors.measurable(attributes, [attributes[0], always, seldom, attributes[3]])
    assert [a.name for a in train] == [a.name for a in test] == ["bow tie", "mouth"]


def test_area_by_hand():
    rows = [[0.1, 0.9, 0.5, 0.1], [0.2, 0.8, 0.5, 0.4], [0.3, 0.7, 0.5, 0.3], [0.4, 0.6, 0.5, 0.5]]
    # Perfect, perfect upside down, constant, and three of the four pairs in order.
    np.testing.assert_allclose(auc(np.array(rows), np.array([0, 0, 1, 1])), [1, 1, 0.5, 0.75])
    for value in (0, 1):  # an attribute that does not vary cannot be told
        np.testing.assert_array_equal(auc(np.arange(10.0)[:, None], np.full(10, value)), [0.5])


def test_each_attribute_has_the_area_of_its_best_gate(presences):
    gates = np.stack([presences[1].values, 1 - presences[0].values], axis=1).astype(float)
    names = ("bow tie", "hat", "eyes")
    named = [factor._replace(name=name) for factor, name in zip(presences, names, strict=True)]
    numbers = gate_statistics(gates, named)
    assert numbers["gate_auc_bow_tie"] == numbers["gate_auc_hat"] == 1
    assert 0.5 <= numbers["gate_auc_eyes"] < 0.55
    assert numbers["attributes_found"] == 2
    assert (
        gate_statistics(gates, named[:2])["gate_ece"] == gate_statistics(gates, named[:2])["gate_brier"] == 0
    )
    # One gate finds one attribute only.
    alone = gate_statistics(gates[:, :1], [named[0], named[0]])
    assert (alone["gate_auc_bow_tie"], alone["attributes_found"]) == (pytest.approx(0.5, abs=0.05), 0)
    assert gate_statistics(gates[:, 1:], [named[0], named[0]])["attributes_found"] == 1


def test_gates_are_judged_as_probabilities_of_what_they_tell(presences):
    there = presences[0].values.astype(bool)
    for sure, gamma in ((0.9, np.where(there, 0.9, 0.1)), (0.7, np.where(there, 0.3, 0.7))):
        numbers = gate_statistics(gamma[:, None], presences[:1])
        assert numbers["gate_ece"] == pytest.approx(1 - sure)
        assert numbers["gate_brier"] == pytest.approx((1 - sure) ** 2)


def test_signs_are_kept_and_only_examples_with_the_feature_count(real_factors):
    factor = real_factors[0]
    code = np.where(factor.given, -factor.values, 1e6)[:, None]
    assert correlations(code, [factor])[0, 0] == pytest.approx(-1)
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
    assert CEILING_32.shape == (18,)
    assert 0.5 < CEILING_32.min() < CEILING_32.max() < 1
    assert CEILING_32.mean() == pytest.approx(0.87, abs=0.03)


def test_a_presence_detector_scores_683_in_the_papers_figure_and_nothing_given_presence():
    """The number of specs/smiley.md: ``|corr(|S V|, |z|)|`` of a latent that only says "hat present"."""
    faces = smiley.generate(0, 40_000)
    split = Split(faces.images, factors=faces.factors, presence=faces.presence)
    rng = np.random.default_rng(0)
    detector = faces.attributes[:, 1:2] * (1 + 0.001 * rng.normal(size=(40_000, 1)))
    hat = smiley.GROUPS[1]
    sizes = [Factor("", np.abs(s), np.ones(len(s), bool), discrete=False) for s in faces.factors.T]
    np.testing.assert_allclose(correlations(np.abs(detector), sizes)[0, hat], 0.683, atol=0.01)
    np.testing.assert_allclose(correlations(detector, features(split))[0, hat], 0, atol=0.03)
