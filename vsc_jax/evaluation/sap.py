"""Separated attribute predictability.

Kumar, Sattigeri and Balakrishnan, *Variational Inference of Disentangled Latent Concepts from Unlabeled
Observations*, ICLR 2018, section 3.
"""

import numpy as np
from jaxtyping import Float

from vsc_jax.evaluation.correlation import correlations
from vsc_jax.evaluation.factors import Factor, Factors


def sap(code: np.ndarray, factors: Factors) -> float:
    """How much better the best single latent predicts a factor than the next, mean over factors.

    About 1 when each factor has a latent that predicts it, and no other does; 0 for a constant code and
    where the best latent has a twin.

    Args:
      code: ``[n, latents]``.
      factors: real or of two classes.
    """
    scores = predictability(code, factors)
    ordered = np.sort(np.concatenate([np.zeros_like(scores[:2]), scores]), axis=0)
    return float((ordered[-1] - ordered[-2]).mean())


def predictability(code: np.ndarray, factors: Factors) -> Float[np.ndarray, "latents factors"]:
    """How well each latent alone predicts each factor, in [0, 1].

    For a real factor R^2 of linear regression. For one of two classes the balanced accuracy of the best
    threshold, scaled so that chance is 0 and not 1/2.

    Args:
      code: ``[n, latents]``.
      factors: real or of two classes.
    """
    return np.stack([_threshold(code, f) if f.discrete else _r2(code, f) for f in factors], axis=1)


def _r2(code: np.ndarray, factor: Factor) -> Float[np.ndarray, " latents"]:
    return correlations(code, [factor])[:, 0] ** 2


def _threshold(code: np.ndarray, factor: Factor) -> Float[np.ndarray, " latents"]:
    values = factor.values[factor.given]
    kinds = np.unique(values)
    if len(kinds) > 2:
        raise ValueError(f"{factor.name}: expected two classes, got {len(kinds)}")
    if len(kinds) < 2:
        return np.zeros(code.shape[1])
    one, other = (code[factor.given][values == kind] for kind in kinds)
    # The gap between the two distribution functions at a threshold is 2 (balanced accuracy) - 1.
    return np.array([_largest_gap(a, b) for a, b in zip(one.T, other.T, strict=True)])


def _largest_gap(a: np.ndarray, b: np.ndarray) -> float:
    a, b, thresholds = np.sort(a), np.sort(b), np.concatenate([a, b])
    below = (np.searchsorted(part, thresholds, side="right") / len(part) for part in (a, b))
    return float(np.abs(np.subtract(*below)).max())
