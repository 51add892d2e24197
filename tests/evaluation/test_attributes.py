"""Areas under ROC curves and attributes found, by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vsc_jax.evaluation.attributes import attributes_found, auc, auc_matrix, gate_statistics


def test_area_by_hand():
    scores = np.array(
        [[0.1, 0.9, 0.5, 0.1], [0.2, 0.8, 0.5, 0.4], [0.3, 0.7, 0.5, 0.3], [0.4, 0.6, 0.5, 0.5]]
    )
    # Perfect, perfect upside down, constant, and three of the four pairs in order.
    np.testing.assert_allclose(auc(scores, np.array([0, 0, 1, 1])), [1, 1, 0.5, 0.75])


def test_area_is_scikit_learns_with_ties(presences):
    scores = np.random.default_rng(0).integers(0, 4, (3000, 3)) + presences[0].values[:, None]
    expected = [roc_auc_score(presences[0].values, column) for column in scores.T]
    np.testing.assert_allclose(auc(scores, presences[0].values), expected)


@pytest.mark.parametrize("value", [0, 1])
def test_an_attribute_that_does_not_vary_cannot_be_told(value):
    np.testing.assert_array_equal(auc(np.arange(10.0)[:, None], np.full(10, value)), [0.5])


@pytest.mark.parametrize(
    ("kind", "found"),
    [("perfect", 3), ("permuted", 3), ("duplicated", 3), ("constant", 0), ("noise", 0), ("noisy", 0)],
)
def test_codes_with_known_answers(presences, code_of, kind, found):
    gates = 1 / (1 + np.exp(-code_of(kind, presences)))
    assert gate_statistics(gates, presences)["attributes_found"] == found


def test_one_gate_finds_one_attribute_only():
    areas = np.array([[1.0, 0.995, 0.5], [0.6, 0.7, 0.5]])
    assert attributes_found(areas) == 1
    areas[1, 0] = 0.99
    assert attributes_found(areas) == 2


def test_each_attribute_has_the_area_of_its_best_gate(presences):
    gates = np.stack([presences[1].values, 1 - presences[0].values], axis=1).astype(float)
    named = [
        factor._replace(name=name) for factor, name in zip(presences, ("bow tie", "hat", "eyes"), strict=True)
    ]
    numbers = gate_statistics(gates, named)
    assert numbers["gate_auc_bow_tie"] == numbers["gate_auc_hat"] == 1
    assert 0.5 <= numbers["gate_auc_eyes"] < 0.55
    assert numbers["attributes_found"] == 2
    assert auc_matrix(gates, named).shape == (2, 3)
