"""What the classifier and the pseudo-inputs do: which are chosen, what that costs, what they cluster."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix


class Choices(NamedTuple):
    """How the prior's components are weighted for n examples: ``model.selections``.

    Attributes:
      exact: weights of the tightest bound, ``[n, components]``.
      own: first choice of the selection that the model was trained with, ``[n]``.
      classifier: the classifier's first choice, ``[n]``.
      kl: by selection, the divergence of a true bound with its weights, ``[n]``, in nats.
    """

    exact: Float[np.ndarray, "n components"]
    own: np.ndarray
    classifier: np.ndarray
    kl: dict[str, np.ndarray]


def selection_statistics(choices: Choices, classes: np.ndarray | None) -> dict[str, float]:
    """Use of the pseudo-inputs, price of each selection, agreement with the classes.

    Args:
      choices: of n examples.
      classes: their labels, ``[n]``, or None.

    Returns:
      ``selection_gap_soft``, ``_hard`` and ``_paper``: nats that the bound loses with these weights in
      place of the exact ones; ``classifier_agreement``: share of examples whose first choice is the
      same for the classifier and the exact weights; ``pseudo_inputs_chosen``: how many are somebody's
      first exact choice; ``pseudo_inputs_used``: their effective number, the perplexity of the mean
      exact weights. With classes also :func:`cluster_purity` of the model's own first choice, its normalised
      mutual information ``cluster_nmi`` and, where there are no more pseudo-inputs than classes, so that it
      can reach 1, :func:`cluster_accuracy`.
    """
    first = choices.exact.argmax(axis=1)
    gaps = {
        f"selection_gap_{how}": float(np.mean(choices.kl[how] - choices.kl["exact"], dtype=np.float64))
        for how in ("soft", "hard", "paper")
    }
    statistics = {
        **gaps,
        "classifier_agreement": float((choices.classifier == first).mean()),
        "pseudo_inputs_chosen": float(len(np.unique(first))),
        "pseudo_inputs_used": perplexity(choices.exact.mean(axis=0, dtype=np.float64)),
    }
    if classes is not None:
        if choices.exact.shape[1] <= len(np.unique(classes)):
            statistics["cluster_accuracy"] = cluster_accuracy(choices.own, classes)
        statistics["cluster_purity"] = cluster_purity(choices.own, classes)
        statistics["cluster_nmi"] = float(normalized_mutual_info_score(classes, choices.own))
    return statistics


def perplexity(weights: np.ndarray) -> float:
    """``exp`` of the entropy of weights ``[components]`` that sum to one: their effective number."""
    positive = weights[weights > 0]
    return float(np.exp(-np.sum(positive * np.log(positive))))


def cluster_accuracy(clusters: np.ndarray, classes: np.ndarray) -> float:
    """Share of examples in the right cluster, each class matched with one cluster at most, in [0, 1].

    The best one-to-one matching (Hungarian method). With more clusters than classes the examples of
    clusters without a class count as wrong.
    """
    counts = contingency_matrix(classes, clusters)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(classes))


def cluster_purity(clusters: np.ndarray, classes: np.ndarray) -> float:
    """Share of examples that are of their cluster's most frequent class, in [0, 1].

    It cannot fall when clusters are split: compare only at the same number of clusters.
    """
    return float(contingency_matrix(classes, clusters).max(axis=0).sum() / len(classes))
