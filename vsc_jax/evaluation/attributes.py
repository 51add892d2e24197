"""Which attribute's presence a single gate tells, by the area under its ROC curve."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from vsc_jax.evaluation.factors import Factors

FOUND_AUC = 0.99
"""A gate tells an attribute from this area on."""


def auc(scores: np.ndarray, present: np.ndarray) -> Float[np.ndarray, " latents"]:
    """Area under the ROC curve of every column as a detector, whichever its direction.

    The area is that of the column or of its negative, whichever is larger: 1 for a perfect detector, 1/2
    for chance and for a constant. (Mann and Whitney's statistic; ties count half.)

    Args:
      scores: ``[n, latents]``.
      present: what is to be detected, 0 or 1, ``[n]``.

    Returns:
      ``[latents]``, in [1/2, 1].
    """
    present = present.astype(bool)
    positives, negatives = int(present.sum()), int((~present).sum())
    if not positives or not negatives:
        return np.full(scores.shape[1], 0.5)
    ranks = rankdata(scores, axis=0)
    area = (ranks[present].sum(axis=0) - positives * (positives + 1) / 2) / (positives * negatives)
    return np.maximum(area, 1 - area)


def auc_matrix(scores: np.ndarray, attributes: Factors) -> Float[np.ndarray, "latents attributes"]:
    """:func:`auc` of every column for every attribute."""
    return np.stack([auc(scores, attribute.values) for attribute in attributes], axis=1)


def attributes_found(areas: Float[np.ndarray, "latents attributes"]) -> int:
    """Number of attributes that gates tell with an area of at least .99, no gate counting twice."""
    found = areas >= FOUND_AUC
    rows, columns = linear_sum_assignment(found, maximize=True)
    return int(found[rows, columns].sum())


def gate_statistics(gamma: np.ndarray, attributes: Factors) -> dict[str, float]:
    """``gate_auc_NAME``, the best gate's area for each attribute, and ``attributes_found``.

    Args:
      gamma: gate probabilities ``[n, latents]``.
      attributes: presence of each attribute.
    """
    areas = auc_matrix(gamma, attributes)
    names = [f"gate_auc_{attribute.name.replace(' ', '_')}" for attribute in attributes]
    best = {name: float(area) for name, area in zip(names, areas.max(axis=0), strict=True)}
    return {**best, "attributes_found": float(attributes_found(areas))}
