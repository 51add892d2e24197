"""Probes: how well simple classifiers and regressions read classes and true factors off a code.

Each is fitted on one set of codes ``[n, latents]`` and scored on another, ``[m, latents]``.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from vsc_jax.evaluation.factors import Factors

# A logistic regression on 10,000 codes takes 0.3 s on one thread; on two of a busy machine it took 30 s, as
# each of its small products waits for both.
_on_one_thread = threadpool_limits.wrap(limits=1)


@_on_one_thread
def linear_probe(
    train_code: np.ndarray, train_labels: np.ndarray, test_code: np.ndarray, test_labels: np.ndarray
) -> float:
    """Test accuracy of multinomial logistic regression on a code, in [0, 1].

    Latents are divided by their largest absolute value, which keeps zeros at zero.
    """
    if len(np.unique(train_labels)) < 2:
        return float(np.mean(test_labels == train_labels[0]))
    probe = make_pipeline(MaxAbsScaler(), LogisticRegression(C=10.0, max_iter=300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(train_code, train_labels)
    return float(probe.score(test_code, test_labels))


def neighbor_probe(
    train_code: np.ndarray, train_labels: np.ndarray, test_code: np.ndarray, test_labels: np.ndarray
) -> float:
    """Test accuracy of the five nearest neighbors in the code as it is, in [0, 1]."""
    probe = KNeighborsClassifier(n_neighbors=min(5, len(train_code)), algorithm="brute")
    return float(probe.fit(train_code, train_labels).score(test_code, test_labels))


@_on_one_thread
def sparse_probe(
    train_code: np.ndarray, train_labels: np.ndarray, test_code: np.ndarray, test_labels: np.ndarray, k: int
) -> float:
    """How well k latents tell a class from the rest: accuracy weighted 1:1, mean over classes.

    Chance is 1/2. Each class has a logistic regression of its own, on the k latents whose mean differs most
    between it and the rest, in deviations: Gurnee et al., *Finding Neurons in a Haystack*, TMLR 2023.
    """
    scores = []
    scale = np.maximum(train_code.std(axis=0), np.finfo(np.float32).tiny)
    for kind in np.unique(train_labels):
        labels, answers = train_labels == kind, test_labels == kind
        if labels.all() or answers.all() or not answers.any():
            continue
        difference = np.abs(train_code[labels].mean(axis=0) - train_code[~labels].mean(axis=0)) / scale
        best = np.argsort(-difference)[:k]
        probe = LogisticRegression(class_weight="balanced", max_iter=1000)
        probe.fit(train_code[:, best] / scale[best], labels)
        scores.append(balanced_accuracy_score(answers, probe.predict(test_code[:, best] / scale[best])))
    return float(np.mean(scores)) if scores else 1.0


@_on_one_thread
def explicitness(
    train_code: np.ndarray, train_factors: Factors, test_code: np.ndarray, test_factors: Factors
) -> float:
    """How well logistic regression tells the classes of discrete factors.

    Ridgeway and Mozer, *Learning Deep Disentangled Embeddings with the F-Statistic Loss*, NeurIPS 2018,
    section 2: the area under the ROC curve of each class against the rest, mean over classes and
    factors; here scaled so that chance is 0 and not 1/2, and not below 0.
    """
    scores = []
    for train, test in zip(train_factors, test_factors, strict=True):
        labels, answers = train.values[train.given], test.values[test.given]
        for kind in np.unique(labels):
            if len(np.unique(answers == kind)) < 2 or len(np.unique(labels == kind)) < 2:
                continue
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            probe.fit(train_code[train.given], labels == kind)
            area = roc_auc_score(answers == kind, probe.decision_function(test_code[test.given]))
            scores.append(2 * area - 1)
    return max(0.0, float(np.mean(scores))) if scores else 0.0


@_on_one_thread
def linear_r2(
    train_code: np.ndarray, train_factors: Factors, test_code: np.ndarray, test_factors: Factors
) -> float:
    """R^2 of linear regression to each real factor where it is given, not below 0, mean over factors."""
    scores = []
    for train, test in zip(train_factors, test_factors, strict=True):
        regression = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
        regression.fit(train_code[train.given], train.values[train.given])
        score = regression.score(test_code[test.given], test.values[test.given])
        scores.append(max(0.0, float(score)))
    return float(np.mean(scores))
