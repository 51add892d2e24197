"""Evaluation: bounds, sparsity, probes and disentanglement on the test set, at hard gates.

:func:`evaluate` gives the flat table that ``results.json`` holds; every number in it is also a function
of its own in a module of this package.
"""

from vsc_jax.evaluation.attributes import attributes_found, auc
from vsc_jax.evaluation.correlation import correlations, paper_correlations
from vsc_jax.evaluation.elbo import bounds
from vsc_jax.evaluation.encoding import Codes, codes
from vsc_jax.evaluation.importance import importance_weighted
from vsc_jax.evaluation.probes import linear_probe, neighbour_probe
from vsc_jax.evaluation.reconstruction import denoising, explained_variance, reconstruction_errors
from vsc_jax.evaluation.statistics import active_units, hoyer, sparsity
from vsc_jax.evaluation.summary import evaluate

__all__ = [
    "Codes",
    "active_units",
    "attributes_found",
    "auc",
    "bounds",
    "codes",
    "correlations",
    "denoising",
    "evaluate",
    "explained_variance",
    "hoyer",
    "importance_weighted",
    "linear_probe",
    "neighbour_probe",
    "paper_correlations",
    "reconstruction_errors",
    "sparsity",
]
