"""Evaluation on the test set, at hard gates; :func:`evaluate` gives the flat table ``results.json``."""

from vsc_jax.evaluation.bounds import importance_weighted
from vsc_jax.evaluation.encoding import Codes, codes
from vsc_jax.evaluation.factors import auc
from vsc_jax.evaluation.results import as_measured, evaluate

__all__ = ["Codes", "as_measured", "auc", "codes", "evaluate", "importance_weighted"]
