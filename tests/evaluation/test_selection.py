"""Pseudo-inputs: use, price and clusters, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import entropy

from vsc_jax import losses
from vsc_jax.evaluation.selection import (
    Choices,
    cluster_accuracy,
    cluster_purity,
    selection_statistics,
)

CLASSES = np.array([0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize(
    ("clusters", "accuracy", "purity"),
    [
        (CLASSES, 1, 1),
        (np.array([7, 7, 3, 3, 5, 5]), 1, 1),  # names do not matter
        (np.zeros(6, int), 1 / 3, 1 / 3),
        (np.arange(6), 1 / 2, 1),  # one cluster an example: pure, but three of them have no class
        (np.array([0, 0, 0, 1, 2, 2]), 5 / 6, 5 / 6),
    ],
)
def test_clusters_by_hand(clusters, accuracy, purity):
    assert cluster_accuracy(clusters, CLASSES) == pytest.approx(accuracy)
    assert cluster_purity(clusters, CLASSES) == pytest.approx(purity)


def test_statistics_by_hand():
    exact = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0]])
    made = Choices(
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
    numbers = selection_statistics(made, np.array([4, 4, 9]))
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
    two = made._replace(exact=exact[:, :2])
    assert selection_statistics(two, np.array([4, 4, 9]))["cluster_accuracy"] == 1
    assert not [name for name in selection_statistics(two, None) if name.startswith("cluster_")]


@pytest.mark.parametrize("selection", ["exact", "hard"])
def test_selections_of_a_model(tiny, examples, selection):
    model = tiny("vsc", selection=selection)
    made = Choices(*jax.tree.map(np.asarray, jax.jit(model.selections)(examples)))
    kl = jax.jit(lambda x: losses.spike_slab_kl_matrix(model.encode(x), model.components()))(examples)
    np.testing.assert_allclose(made.exact.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(made.kl["exact"], losses.mixture_kl(kl), rtol=1e-4)
    for how in ("soft", "hard", "paper"):  # no selection is tighter than the exact one
        assert (made.kl[how] >= made.kl["exact"] - 1e-4).all()
    # A hard choice pays for all of log U, and clusters are those of the selection that the model trains with.
    np.testing.assert_array_equal(made.classifier, model.classifier(jnp.asarray(examples)).argmax(axis=1))
    picked = np.take_along_axis(np.asarray(kl), made.classifier[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(made.kl["hard"], picked + np.log(3), rtol=1e-4)
    own = made.exact.argmax(axis=1) if selection == "exact" else made.classifier
    np.testing.assert_array_equal(made.own, own)
