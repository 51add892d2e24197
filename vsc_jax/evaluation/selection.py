"""What the classifier and the pseudo-inputs do: which are chosen, what that costs, what they cluster."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import entropy
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from vsc_jax.evaluation.recovery import matched_sum


class Choices(NamedTuple):
    """How the prior's components are weighted for n examples: ``model.selections``."""

    exact: Float[np.ndarray, "n components"]  # weights of the tightest bound
    own: np.ndarray  # [n], first choice of the selection that the model was trained with
    classifier: np.ndarray  # [n], the classifier's first choice
    kl: dict[str, np.ndarray]  # by selection, the divergence of a true bound with its weights, [n], in nats


def selection_statistics(choices: Choices, classes: np.ndarray | None) -> dict[str, float]:
    """Use of the pseudo-inputs, price of each selection, agreement with the classes ``[n]``, if known.

    The keys are explained in the glossary. ``cluster_accuracy`` is there only where there are no more
    pseudo-inputs than classes, so that it can reach 1.
    """
    first = choices.exact.argmax(axis=1)
    statistics = {
        f"selection_gap_{how}": float(np.mean(choices.kl[how] - choices.kl["exact"], dtype=np.float64))
        for how in ("soft", "hard", "paper")
    }
    statistics |= {
        "classifier_agreement": float((choices.classifier == first).mean()),
        "pseudo_inputs_chosen": float(len(np.unique(first))),
        "pseudo_inputs_used": float(np.exp(entropy(choices.exact.mean(axis=0, dtype=np.float64)))),
    }
    if classes is not None:
        if choices.exact.shape[1] <= len(np.unique(classes)):
            statistics["cluster_accuracy"] = cluster_accuracy(choices.own, classes)
        statistics["cluster_purity"] = cluster_purity(choices.own, classes)
        statistics["cluster_nmi"] = float(normalized_mutual_info_score(classes, choices.own))
    return statistics


def cluster_accuracy(clusters: np.ndarray, classes: np.ndarray) -> float:
    """Share of examples in the right cluster, each class matched with one cluster at most, in [0, 1].

    With more clusters than classes the examples of clusters without a class count as wrong.
    """
    return matched_sum(contingency_matrix(classes, clusters)) / len(classes)


def cluster_purity(clusters: np.ndarray, classes: np.ndarray) -> float:
    """Share of examples that are of their cluster's most frequent class, in [0, 1].

    It cannot fall when clusters are split: compare only at the same number of clusters.
    """
    return float(contingency_matrix(classes, clusters).max(axis=0).sum() / len(classes))
