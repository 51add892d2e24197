"""Pseudo-inputs: use, price and clusters, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import entropy

from vsc_jax import losses
from vsc_jax.evaluation.selection import selection_statistics

CLASSES = np.array([0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize(("clusters", "accuracy", "purity"), [
    (CLASSES, 1, 1),
    (np.array([2, 2, 0, 0, 1, 1]), 1, 1),  # names do not matter
    (np.zeros(6, int), 1 / 3, 1 / 3),
    (np.array([0, 0, 0, 1, 2, 2]), 5 / 6, 5 / 6),
    (np.array([0, 1, 0, 1, 2, 2]), 2 / 3, 2 / 3),
])  # fmt: skip
def test_clusters_by_hand(clusters, accuracy, purity):
    kl = dict.fromkeys(("exact", "soft", "hard", "paper"), np.ones(6))
    numbers = selection_statistics(CLASSES, np.eye(3)[clusters], clusters, clusters, kl)
    found = numbers["cluster_accuracy"], numbers["cluster_purity"]
    assert found == pytest.approx((accuracy, purity))


def test_statistics_by_hand():
    exact = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0]])
    made = dict(
        exact=exact,
        own=np.array([0, 0, 1]),
        classifier=np.array([0, 1, 1]),
        kl={
            "exact": np.array([1.0, 1.0, 1.0]),
            "soft": np.array([1.0, 2.0, 1.0]),
            "hard": np.array([2.0, 2.0, 2.0]),
            "paper": np.array([1.0, 1.0, 2.5]),
        },
    )
    numbers = selection_statistics(**made, classes=np.array([4, 4, 9]))
    # Of three pseudo-inputs two at most could be matched with two labels: no cluster_accuracy.
    assert numbers == pytest.approx(
        {
            "selection_gap_soft": 1 / 3,
            "selection_gap_hard": 1,
            "selection_gap_paper": 0.5,
            "classifier_agreement": 2 / 3,
            "pseudo_inputs_chosen": 2,
            "pseudo_inputs_used": np.exp(entropy([17 / 30, 13 / 30])),
            "cluster_purity": 1,
            "cluster_nmi": 1,
        }
    )
    made["exact"] = exact[:, :2]
    assert selection_statistics(**made, classes=np.array([4, 4, 9]))["cluster_accuracy"] == 1
    assert not [key for key in selection_statistics(**made, classes=None) if key.startswith("cluster_")]


@pytest.mark.parametrize("selection", ["exact", "hard"])
def test_selections_of_a_model(tiny, examples, selection):
    model = tiny("vsc", selection=selection)
    exact, own, classifier, divergences = jax.tree.map(np.asarray, jax.jit(model.selections)(examples))
    component_kl = jax.jit(lambda x: losses.spike_slab_kl_matrix(model.encode(x), model.components()))
    pairs = component_kl(examples)
    for how, kl in divergences.items():  # of a true bound, with weights that sum to one
        terms = jax.jit(model.selection_terms, static_argnums=1)(examples, how)
        weights = terms.weights / terms.weights.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(kl, (weights * pairs).sum(axis=1) + terms.selection_kl, rtol=1e-4)
    np.testing.assert_allclose(exact, model.selection_terms(examples, "exact").weights, rtol=1e-4)
    np.testing.assert_array_equal(classifier, model.classifier(jnp.asarray(examples)).argmax(axis=1))
    # Clusters are those of the selection that the model trains with.
    expected = exact.argmax(axis=1) if selection == "exact" else classifier
    np.testing.assert_array_equal(own, expected)
