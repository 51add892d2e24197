"""Smiley's factors at two levels."""

import numpy as np
import pytest

from vsc_jax.data import Dataset, Split, smiley
from vsc_jax.evaluation import factors

FACES = smiley.generate(0, 200)
SPLIT = Split(FACES.images * np.uint8(255), factors=FACES.factors, presence=FACES.presence)


def test_attributes_are_four_and_always_have_a_meaning():
    attributes = factors.attributes(SPLIT)
    assert [attribute.name for attribute in attributes] == list(smiley.ATTRIBUTES)
    np.testing.assert_array_equal(np.stack([a.values for a in attributes], axis=1), FACES.attributes)
    assert all(attribute.given.all() and attribute.discrete for attribute in attributes)


def test_features_have_a_meaning_where_their_attribute_is_present():
    features = factors.features(SPLIT)
    assert [feature.name for feature in features] == list(smiley.FACTORS)
    for k, feature in enumerate(features):
        np.testing.assert_array_equal(feature.given, FACES.presence[:, k] == 1)
        np.testing.assert_allclose(feature.values[feature.given], FACES.values[feature.given, k], rtol=1e-6)


def test_only_smiley_has_factors():
    assert factors.has_factors(Dataset("smiley", SPLIT, SPLIT, factor_names=smiley.FACTORS))
    assert not factors.has_factors(Dataset("other", SPLIT, SPLIT))


@pytest.mark.parametrize("level", [factors.attributes, factors.features])
def test_a_split_without_presence_is_refused(level):
    with pytest.raises(ValueError, match="presence"):
        level(Split(FACES.images))


def test_first_keeps_values_and_their_meaning_together():
    feature = factors.features(SPLIT)[0].first(7)
    assert len(feature.values) == len(feature.given) == 7


def test_factors_that_do_not_vary_are_not_measured():
    attributes = factors.attributes(SPLIT)
    always = attributes[1]._replace(values=np.ones(200, np.int64))
    seldom = attributes[2]._replace(given=np.arange(200) < 10)
    train, test = factors.measurable(attributes, [attributes[0], always, seldom, attributes[3]])
    assert [a.name for a in train] == [a.name for a in test] == ["bow tie", "mouth"]
