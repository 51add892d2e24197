"""Disentanglement, completeness and informativeness, from the importances of boosted trees.

Eastwood and Williams, *A Framework for the Quantitative Evaluation of Disentangled Representations*,
ICLR 2018. Gradient boosting of 100 trees of depth 3 is what the usual reference, ``disentanglement_lib``,
takes too.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from vsc_jax.evaluation.factors import Factor, Factors

EXAMPLES = 5000
"""Training examples that the trees are fitted on, at most."""
_SHARE_OF_A_TREE = 0.5


class DCI(NamedTuple):
    """The three scores, each in [0, 1].

    Attributes:
      disentanglement: does each latent serve one factor (latents weighted by their importance)?
      completeness: is each factor served by one latent?
      informativeness: how well the whole code predicts the factors of new examples, mean over factors:
        R^2 for a real factor; for a discrete one the share of the errors of the best constant guess
        that are avoided.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def dci(
    train_code: np.ndarray,
    train_factors: Factors,
    test_code: np.ndarray,
    test_factors: Factors,
    *,
    seed: int = 0,
) -> DCI:
    """Fit boosted trees for each factor: a regressor for a real one, a classifier for a discrete one.

    Args:
      train_code: ``[n, latents]``; the first 5,000 are used.
      train_factors: of these examples.
      test_code: ``[m, latents]``.
      test_factors: the same factors of the test examples.
      seed: seed of the trees.
    """
    importances, scores = [], []
    for train, test in zip(train_factors, test_factors, strict=True):
        train = train.first(EXAMPLES)
        trees = _trees(train, seed)
        trees.fit(train_code[:EXAMPLES][train.given], train.values[train.given])
        # Rounding can leave an importance of -1e-20, whose entropy is infinite.
        importances.append(np.maximum(trees.feature_importances_, 0))
        guess = trees.predict(test_code[test.given])
        scores.append(_informativeness(guess, test.values[test.given], train))
    importance = np.stack(importances, axis=1)
    return DCI(disentanglement(importance), completeness(importance), float(np.mean(scores)))


def disentanglement(importance: Float[np.ndarray, "latents factors"]) -> float:
    """One minus the entropy, in base "number of factors", of each latent's importances.

    Averaged over latents in proportion to their importance; 0 if nothing is important.

    Args:
      importance: not negative; the importance of each latent for each factor.
    """
    total = importance.sum()
    if total == 0:
        return 0.0
    if importance.shape[1] == 1:
        return 1.0
    by_latent = importance.sum(axis=1)
    used = importance[by_latent > 0]
    scores = 1 - entropy(used, axis=1, base=importance.shape[1])
    return float(np.sum(scores * by_latent[by_latent > 0]) / total)


def completeness(importance: Float[np.ndarray, "latents factors"]) -> float:
    """One minus the entropy, in base "number of latents", of each factor's importances.

    Mean over factors; a factor for which nothing is important counts as 0.

    Args:
      importance: not negative; the importance of each latent for each factor.
    """
    if importance.shape[0] == 1:
        return float((importance[0] > 0).mean())
    served = importance[:, importance.sum(axis=0) > 0]
    scores = 1 - entropy(served, axis=0, base=importance.shape[0])
    return float(np.sum(scores) / importance.shape[1])


def _trees(factor: Factor, seed: int) -> Any:
    kind = GradientBoostingClassifier if factor.discrete else GradientBoostingRegressor
    return kind(subsample=_SHARE_OF_A_TREE, random_state=seed)


def _informativeness(guess: np.ndarray, values: np.ndarray, train: Factor) -> float:
    if train.discrete:
        kinds, counts = np.unique(train.values[train.given], return_counts=True)
        errors, constant = np.mean(guess != values), np.mean(kinds[counts.argmax()] != values)
    else:
        errors, constant = np.mean((guess - values) ** 2), np.var(values)
    return float(max(0.0, 1 - errors / constant)) if constant > 0 else 0.0
