"""Probes: how well a simple classifier reads the classes off a code."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from vsc_jax.data.dataset import Dataset
from vsc_jax.evaluation.prepared import Prepared
from vsc_jax.evaluation.threads import on_one_thread
from vsc_jax.models.inputs import as_float

NEIGHBOURS = 5


@on_one_thread
def linear_probe(
    train_code: np.ndarray, train_labels: np.ndarray, test_code: np.ndarray, test_labels: np.ndarray
) -> float:
    """Test accuracy of multinomial logistic regression on a code, in [0, 1].

    Latents are divided by their largest absolute value, which keeps zeros at zero.

    Args:
      train_code: ``[n, latents]``.
      train_labels: ``[n]``.
      test_code: ``[m, latents]``.
      test_labels: ``[m]``.
    """
    if len(np.unique(train_labels)) < 2:
        return float(np.mean(test_labels == train_labels[0]))
    probe = make_pipeline(MaxAbsScaler(), LogisticRegression(C=10.0, max_iter=300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(train_code, train_labels)
    return float(probe.score(test_code, test_labels))


def raw_probe(dataset: Dataset, prepared: Prepared) -> float:
    """Test accuracy of :func:`linear_probe` on the examples themselves, with the data set's labels."""
    assert dataset.train.labels is not None
    assert dataset.test.labels is not None
    train, test = (np.asarray(as_float(x)).reshape(len(x), -1) for x in (prepared.probe, prepared.test))
    return linear_probe(train, dataset.train.labels, test, dataset.test.labels)


def neighbour_probe(
    train_code: np.ndarray, train_labels: np.ndarray, test_code: np.ndarray, test_labels: np.ndarray
) -> float:
    """Test accuracy of the five nearest neighbours in the code as it is, in [0, 1].

    Args:
      train_code: ``[n, latents]``.
      train_labels: ``[n]``.
      test_code: ``[m, latents]``.
      test_labels: ``[m]``.
    """
    probe: Any = KNeighborsClassifier(n_neighbors=min(NEIGHBOURS, len(train_code)), algorithm="brute")
    probe.fit(train_code, train_labels)
    return float(probe.score(test_code, test_labels))
