"""Scores from the mutual information between single latents and single factors: MIG and modularity.

Latents and real factors are cut into twenty bins that hold equally many examples, so that the scores do
not change under a monotone map of a latent (``disentanglement_lib``, the usual reference, cuts latents into
bins of equal width, which a few outliers can empty).
"""

import numpy as np
from jaxtyping import Float, Int

from vsc_jax.evaluation.factors import Factor, Factors

BINS = 20
INFORMATIVE = 0.05
"""A latent is informative if it tells at least this share of the entropy of some factor."""


def information(code: np.ndarray, factors: Factors) -> Float[np.ndarray, "latents factors"]:
    """``I(z_j; v_k) / H(v_k)`` of every latent and factor, each over the examples that have the factor.

    Adjusted for chance: among n examples in a x b bins independent variables seem to share
    ``(a - 1)(b - 1) / (2 n)`` nats (Miller, 1955), which is taken off the information and off the entropy, so
    that independence is about 0 and a latent that determines the factor 1.

    Args:
      code: ``[n, latents]``.
      factors: discrete or real.

    Returns:
      In [0, 1].
    """
    return np.stack([_column(code[f.given], f) for f in factors], axis=1)


def _column(code: np.ndarray, factor: Factor) -> Float[np.ndarray, " latents"]:
    values = factor.values[factor.given]
    classes = np.unique(values, return_inverse=True)[1].reshape(-1) if factor.discrete else binned(values)
    return np.array([_share(joint_distribution(binned(latent), classes), len(classes)) for latent in code.T])


def _share(joint: Float[np.ndarray, "first second"], examples: int) -> float:
    """Information about the second variable as a share of its entropy, adjusted for chance."""
    rows, columns = (int((joint.sum(axis=axis) > 0).sum()) for axis in (1, 0))
    chance = (rows - 1) * (columns - 1) / (2 * examples)
    entropy = _entropy(joint.sum(axis=0))
    if entropy <= chance:
        return 0.0
    return max(0.0, (mutual_information(joint) - chance) / (entropy - chance))


def mig(shares: Float[np.ndarray, "latents factors"]) -> float:
    """Mutual information gap: how much more the best latent tells than the next, mean over factors.

    Chen, Li, Grosse and Duvenaud, *Isolating Sources of Disentanglement in VAEs*, NeurIPS 2018, eq. 6.
    About 1 when each factor has a latent that tells it, and no other does; 0 for a constant code and
    where the best latent has a twin.

    Args:
      shares: :func:`information`.
    """
    ordered = np.sort(np.concatenate([np.zeros_like(shares[:2]), shares]), axis=0)
    return float((ordered[-1] - ordered[-2]).mean())


def modularity(shares: Float[np.ndarray, "latents factors"]) -> float:
    """How far each informative latent tells one factor only, in [0, 1].

    Ridgeway and Mozer, *Learning Deep Disentangled Embeddings with the F-Statistic Loss*, NeurIPS 2018,
    section 2: one minus the squared information about all other factors, relative to that about the
    best one. Here of information as a share of the factor's entropy, and averaged over the latents that
    tell at least 5 % of some factor; 0 if there is none.

    Args:
      shares: :func:`information`.
    """
    best = shares.max(axis=1)
    informative = shares[best >= INFORMATIVE]
    if not len(informative):
        return 0.0
    if shares.shape[1] == 1:
        return 1.0
    largest = informative.max(axis=1) ** 2
    others = (informative**2).sum(axis=1) - largest
    return float((1 - others / (largest * (shares.shape[1] - 1))).mean())


def binned(values: np.ndarray, bins: int = BINS) -> Int[np.ndarray, " n"]:
    """Numbers of the bins, equal in frequency but for ties, that ``values``, ``[n]``, fall into."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right")


def joint_distribution(a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, "first second"]:
    """Joint relative frequencies of two arrays of whole numbers from 0, ``[n]`` each."""
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    counts = np.bincount(a * columns + b, minlength=rows * columns)
    return counts.reshape(rows, columns) / len(a)


def mutual_information(joint: Float[np.ndarray, "first second"]) -> float:
    """Mutual information in nats of a joint distribution."""
    return max(0.0, _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1)) - _entropy(joint.reshape(-1)))


def _entropy(probabilities: np.ndarray) -> float:
    positive = probabilities[probabilities > 0]
    return float(-np.sum(positive * np.log(positive)))
