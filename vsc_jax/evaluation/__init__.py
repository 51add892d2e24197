"""Evaluation on the test set, at hard gates; :func:`evaluate` gives the flat table ``results.json``."""

from vsc_jax.evaluation.bounds import importance_weighted
from vsc_jax.evaluation.encoding import Codes, active_units, codes, hoyer, sparsity
from vsc_jax.evaluation.factors import attributes_found, auc, correlations
from vsc_jax.evaluation.probes import linear_probe, neighbor_probe
from vsc_jax.evaluation.reconstruction import denoising, explained_variance
from vsc_jax.evaluation.results import as_measured, evaluate

__all__ = [
    "Codes",
    "active_units",
    "as_measured",
    "attributes_found",
    "auc",
    "codes",
    "correlations",
    "denoising",
    "evaluate",
    "explained_variance",
    "hoyer",
    "importance_weighted",
    "linear_probe",
    "neighbor_probe",
    "sparsity",
]
