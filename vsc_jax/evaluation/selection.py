"""What the classifier and the pseudo-inputs do: which are chosen, what that costs, what they cluster."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy.stats import entropy
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from vsc_jax.evaluation.recovery import matched_sum


def selection_statistics(
    classes: np.ndarray | None,
    exact: Float[np.ndarray, "n components"],
    own: np.ndarray,
    classifier: np.ndarray,
    kl: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """Use of the pseudo-inputs, price of each selection, agreement with the classes ``[n]``, if known.

    The others are what ``model.selections`` gives. ``cluster_accuracy`` is there only where there are no more
    pseudo-inputs than classes, so that it can reach 1. ``cluster_purity`` cannot fall when clusters are
    split: compare only at the same number of them.
    """
    first = exact.argmax(axis=1)
    statistics = {
        f"selection_gap_{how}": float(np.mean(kl[how] - kl["exact"], dtype=np.float64))
        for how in ("soft", "hard", "paper")
    }
    statistics |= {
        "classifier_agreement": float((classifier == first).mean()),
        "pseudo_inputs_chosen": float(len(np.unique(first))),
        "pseudo_inputs_used": float(np.exp(entropy(exact.mean(axis=0, dtype=np.float64)))),
    }
    if classes is not None:
        counts = contingency_matrix(classes, own)
        if exact.shape[1] <= len(counts):
            statistics["cluster_accuracy"] = matched_sum(counts) / len(classes)
        statistics["cluster_purity"] = float(counts.max(axis=0).sum() / len(classes))
        statistics["cluster_nmi"] = float(normalized_mutual_info_score(classes, own))
    return statistics
