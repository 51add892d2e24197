"""Recovery of known sources and atoms by a code, its calibration, and what two runs have in common.

Latents have no order and no sign: all scores are of the best one-to-one matching (Hungarian method) by
magnitude. Codes are arrays, of any method.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata
from sklearn.metrics.pairwise import cosine_similarity

from vsc_jax.evaluation.encoding import USED_SHARE

_LEAST_DEVIATION = 0.01


class Calibration(NamedTuple):
    """Expected calibration error and Brier score of probabilities; 0 is best for both."""

    ece: float
    brier: float


def match(
    a: np.ndarray, b: np.ndarray, score: Callable[[np.ndarray, np.ndarray], Shaped[np.ndarray, "i j"]]
) -> Int[np.ndarray, "pairs 2"]:
    """Pairs (index in a, index in b) of the one-to-one matching with the largest total ``score(a, b)``."""
    return np.stack(linear_sum_assignment(score(a, b), maximize=True), axis=1)


def matched_sum(scores: Shaped[np.ndarray, "latents sources"]) -> float:
    """Total score of the best one-to-one matching."""
    return float(scores[linear_sum_assignment(scores, maximize=True)].sum())


def matched_mean(scores: Float[np.ndarray, "latents sources"]) -> float:
    """Mean over sources of the score of each one's own latent; 0 for a source that is left over."""
    return matched_sum(scores) / scores.shape[1]


def correlation(a: Float[np.ndarray, "n i"], b: Float[np.ndarray, "n j"]) -> Float[np.ndarray, "i j"]:
    """Pearson correlation of each column of a with each of b; 0 for a constant column, and without rows."""
    a, b = (x - x.sum(axis=0, dtype=np.float64) / max(len(x), 1) for x in (a, b))
    scale = np.linalg.norm(a, axis=0)[:, None] * np.linalg.norm(b, axis=0)
    # What is left of a constant column by rounding is no variation.
    negligible = scale <= 1e-12
    return np.where(negligible, 0.0, a.T @ b / np.where(negligible, 1.0, scale))


def mcc(codes: Float[np.ndarray, "n latents"], sources: Float[np.ndarray, "n sources"]) -> float:
    """Mean correlation coefficient: matched ``|correlation|`` of latents and sources, mean over sources.

    Hyvarinen and Morioka, *Unsupervised Feature Extraction by Time-Contrastive Learning and Nonlinear ICA*,
    NeurIPS 2016. With fewer latents than sources those without one count as 0.
    """
    return matched_mean(np.abs(correlation(codes, sources)))


def areas(
    scores: Shaped[np.ndarray, "n latents"], present: Shaped[np.ndarray, "n sources"]
) -> Float[np.ndarray, "latents sources"]:
    """Area under the ROC curve of each column of scores as a detector of each column of ``present``.

    ``present`` is 0 or 1. Ties count half (Mann and Whitney's statistic); 1/2 where a source is in all
    examples or in none.
    """
    present = np.asarray(present, np.float64)
    positives = present.sum(axis=0)
    pairs = positives * (len(present) - positives)
    above = rankdata(scores, axis=0).T @ present - positives * (positives + 1) / 2
    return np.where(pairs > 0, above / np.maximum(pairs, 1), 0.5)


def support_auc(gates: Shaped[np.ndarray, "n latents"], supports: Shaped[np.ndarray, "n sources"]) -> float:
    """How well gates tell which sources are present: matched area under the ROC curve, mean over sources.

    ``gates`` are probabilities, or magnitudes of a code without gates; ``supports`` is presence. Sources that
    are in all examples or in none do not count; one that is left without a latent counts as chance, 1/2.
    """
    return 0.5 + matched_mean(areas(gates, _varying(supports)) - 0.5)


def support_f1(gates_on: Shaped[np.ndarray, "n latents"], supports: Shaped[np.ndarray, "n sources"]) -> float:
    """Matched F1 score of latents that are on as detectors of the sources of :func:`support_auc`.

    The mean over sources; one without a latent counts as 0.
    """
    on, present = (np.asarray(x).astype(bool).astype(np.float64) for x in (gates_on, _varying(supports)))
    return matched_mean(2 * on.T @ present / (on.sum(axis=0)[:, None] + present.sum(axis=0)))


def _varying(supports: np.ndarray) -> Bool[np.ndarray, "n sources"]:
    supports = np.asarray(supports).astype(bool)
    varying = supports[:, supports.any(axis=0) & ~supports.all(axis=0)]
    if not varying.shape[1]:
        raise ValueError("supports: expected a source that is in some examples and not in others")
    return varying


def atoms_found(
    components: Float[np.ndarray, "latents features"],
    atoms: Float[np.ndarray, "atoms features"],
    threshold: float = 0.95,
) -> int:
    """Number of true atoms with a component of their own whose ``|cosine|`` is at least the threshold."""
    return int(matched_sum(np.abs(cosine_similarity(components, atoms)) >= threshold))


def calibration(gamma: np.ndarray, present: np.ndarray, bins: int = 15) -> Calibration:
    """Are probabilities the frequencies of what they tell, over all entries of two arrays of one shape?

    ``ece``: the distance of mean probability and frequency in each of ``bins`` bins of equal width, mean over
    entries (Guo et al., ICML 2017, eq. 3); ``brier``: the mean squared difference of probability and truth.
    """
    gamma, present = np.asarray(gamma, np.float64).reshape(-1), np.asarray(present, np.float64).reshape(-1)
    excess = np.bincount(np.minimum((gamma * bins).astype(int), bins - 1), weights=gamma - present)
    return Calibration(float(np.abs(excess).sum() / len(gamma)), float(np.mean((gamma - present) ** 2)))


def varies(code: Float[np.ndarray, "n latents"]) -> Bool[np.ndarray, " latents"]:
    """Latents that are not constant, or all but: their deviation is a hundredth of the largest, or more."""
    deviation = np.std(code, axis=0, dtype=np.float64)
    return (deviation > 0) & (deviation >= _LEAST_DEVIATION * deviation.max())


def seed_agreement(
    codes_a: Float[np.ndarray, "n latents"], codes_b: Float[np.ndarray, "n others"], threshold: float = 0.9
) -> float:
    """Share of the used latents of one run that have a partner in another run's code of the same examples.

    A latent is used if it is not 0 in at least 1 % of the examples and varies; a partner is a latent whose
    ``|correlation|`` with it is at least the threshold. It depends on which run comes first; 0 if that one
    uses nothing.
    """
    used = ((codes_a != 0).mean(axis=0) >= USED_SHARE) & varies(codes_a)
    if not used.any():
        return 0.0
    best = np.abs(correlation(codes_a[:, used], codes_b)).max(axis=1)
    return float((best >= threshold).mean())
