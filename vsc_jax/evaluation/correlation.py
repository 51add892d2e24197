"""How well single latents carry Smiley's features, held against what a picture tells at all.

The paper (Tonolini et al., UAI 2019, figure 5) shows ``|corr(|S V|, |z|)|``. A latent that only says "hat
present" scores 0.683 there with every feature of the hat. These are signed correlations *given presence*:
of the feature's value with the latent, over the images that show its attribute.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from vsc_jax.evaluation.factors import Factors


def correlations(code: np.ndarray, features: Factors) -> Float[np.ndarray, "latents features"]:
    """Correlation of each latent with each feature where the feature is given; 0 for a constant.

    Args:
      code: ``[n, latents]``.
      features: real factors.
    """
    return np.stack([_correlation(code[f.given], f.values[f.given]) for f in features], axis=1)


def _correlation(code: np.ndarray, values: np.ndarray) -> Float[np.ndarray, " latents"]:
    if not len(values):
        return np.zeros(code.shape[1])
    code, values = (np.asarray(a, np.float64) - a.mean(axis=0, dtype=np.float64) for a in (code, values))
    scale = np.sqrt((code**2).sum(axis=0) * (values**2).sum())
    # What is left of a constant column by rounding is no variation.
    negligible = scale <= 1e-12
    return np.where(negligible, 0.0, values @ code / np.where(negligible, 1.0, scale))


def paper_correlations(code: np.ndarray, factors: np.ndarray) -> Float[np.ndarray, "latents features"]:
    """The paper's ``|corr(|S V|, |z|)|`` over all images, for its figure.

    Args:
      code: ``[n, latents]``.
      factors: ``S V``, ``[n, features]``.
    """
    columns = [_correlation(np.abs(code), np.abs(column)) for column in factors.T]
    return np.abs(np.stack(columns, axis=1))


def feature_statistics(
    code: np.ndarray, features: Factors, ceiling: Float[np.ndarray, " features"] | None
) -> dict[str, float]:
    """Best correlation of a latent with each feature, mean over features.

    Args:
      code: ``[n, latents]``.
      features: real factors.
      ceiling: correlation that a supervised regressor reaches with each feature.

    Returns:
      ``feature_correlation`` (mean over features of the largest magnitude), the same with no latent
      counting for two features as ``feature_correlation_distinct``, and with a ceiling
      ``feature_ceiling_share``: ``feature_correlation`` as a share of the mean ceiling.
    """
    magnitude = np.abs(correlations(code, features))
    best = float(magnitude.max(axis=0).mean())
    rows, columns = linear_sum_assignment(magnitude, maximize=True)
    statistics = {
        "feature_correlation": best,
        "feature_correlation_distinct": float(magnitude[rows, columns].sum() / len(features)),
    }
    if ceiling is not None:
        statistics["feature_ceiling_share"] = best / float(ceiling.mean())
    return statistics
