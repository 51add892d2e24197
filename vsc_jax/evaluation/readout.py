"""How well simple models read true factors off a whole code: explicitness, and R^2 of features."""

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vsc_jax.evaluation.factors import Factors
from vsc_jax.evaluation.threads import on_one_thread

ITERATIONS = 1000


@on_one_thread
def explicitness(
    train_code: np.ndarray, train_factors: Factors, test_code: np.ndarray, test_factors: Factors
) -> float:
    """How well logistic regression tells the classes of discrete factors, on new examples.

    Ridgeway and Mozer, *Learning Deep Disentangled Embeddings with the F-Statistic Loss*, NeurIPS 2018,
    section 2: the area under the ROC curve of each class against the rest, mean over classes and
    factors; here scaled so that chance is 0 and not 1/2, and not below 0.

    Args:
      train_code: ``[n, latents]``.
      train_factors: discrete factors of these examples.
      test_code: ``[m, latents]``.
      test_factors: the same factors of the test examples.
    """
    scores = []
    for train, test in zip(train_factors, test_factors, strict=True):
        labels, answers = train.values[train.given], test.values[test.given]
        for kind in np.unique(labels):
            if len(np.unique(answers == kind)) < 2 or len(np.unique(labels == kind)) < 2:
                continue
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
            probe.fit(train_code[train.given], labels == kind)
            area = roc_auc_score(answers == kind, probe.decision_function(test_code[test.given]))
            scores.append(2 * area - 1)
    return max(0.0, float(np.mean(scores))) if scores else 0.0


@on_one_thread
def linear_r2(
    train_code: np.ndarray, train_factors: Factors, test_code: np.ndarray, test_factors: Factors
) -> float:
    """R^2 of linear regression from the whole code to each real factor, where the factor is given.

    On new examples, not below 0 for any factor, mean over factors. With Smiley's features: what a linear
    map reads off the code about a feature whose attribute is present.

    Args:
      train_code: ``[n, latents]``.
      train_factors: real factors of these examples.
      test_code: ``[m, latents]``.
      test_factors: the same factors of the test examples.
    """
    scores = []
    for train, test in zip(train_factors, test_factors, strict=True):
        regression = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
        regression.fit(train_code[train.given], train.values[train.given])
        score = regression.score(test_code[test.given], test.values[test.given])
        scores.append(max(0.0, float(score)))
    return float(np.mean(scores))
