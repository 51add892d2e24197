"""How sparse a code is, measured on a split and never read off alpha."""

import numpy as np

from vsc_jax.evaluation.encoding import Codes
from vsc_jax.models import VSC, Model

# A latent is used when it is on in at least this share of the examples.
USED_SHARE = 0.01
# Active units: variance of E[z] over the data (Burda, Grosse and Salakhutdinov, ICLR 2016, section 5).
ACTIVE_UNIT_VARIANCE = 0.01


def code_statistics(model: Model, codes: Codes) -> dict[str, float]:
    """:func:`sparsity` of a VSC's codes; without gates the same keys where they make sense.

    A dense code has all its latents on for every example, and uses those that are active units.
    """
    if isinstance(model, VSC):
        return sparsity(codes)
    units = active_units(codes.mean)
    return {
        "active_per_image": float(model.latents),
        "used_latents": units,
        "hoyer": hoyer(codes.mean),
        "active_units": units,
    }


def sparsity(codes: Codes) -> dict[str, float]:
    """Sparsity of a spike-and-slab code; a latent is *on* where ``gamma > 1/2``, as in ``model.code``.

    Returns:
      ``active_per_image`` and its 5th, 50th and 95th percentile over examples (number of latents that
      are on), ``used_latents`` (on in at least 1 % of the examples),
      ``dead_latents`` (on in none), ``mean_gamma``, ``undecided_gates`` (share with
      0.1 < gamma < 0.9), ``gamma_std`` (standard deviation over examples, mean over used latents: 0
      when gates do not depend on the example), ``hoyer`` (see :func:`hoyer`, of E[z]) and
      ``active_units`` (see :func:`active_units`).
    """
    count, density = codes.on.sum(axis=1), codes.on.mean(axis=0)
    used = density >= USED_SHARE
    percentiles = np.percentile(count, [5, 50, 95])
    return {
        "active_per_image": float(count.mean()),
        **{f"active_per_image_p{p}": float(v) for p, v in zip((5, 50, 95), percentiles, strict=True)},
        "used_latents": float(used.sum()),
        "dead_latents": float((density == 0).sum()),
        "mean_gamma": float(codes.gamma.mean(dtype=np.float64)),
        "undecided_gates": float(((codes.gamma > 0.1) & (codes.gamma < 0.9)).mean()),
        "gamma_std": float(codes.gamma.std(axis=0)[used].mean()) if used.any() else 0.0,
        "hoyer": hoyer(codes.expected),
        "active_units": active_units(codes.expected),
    }


def hoyer(code: np.ndarray) -> float:
    """Mean normalised Hoyer sparsity of codes ``[n, latents]``, each latent scaled to unit deviation.

    ``(sqrt(J) - |y|_1 / |y|_2) / (sqrt(J) - 1)``: 0 for a dense code, 1 for a one-hot code (Hoyer, JMLR
    2004; the scaling of Mathieu et al., ICML 2019, section 6.2). Constant latents count as zero, an
    all-zero code counts as nothing, and J = 1 gives 0.
    """
    latents = code.shape[1]
    deviation = code.std(axis=0)
    scaled = code / np.where(deviation > 0, deviation, np.inf)
    length = np.linalg.norm(scaled, axis=1)
    if latents == 1 or not (length > 0).any():
        return 0.0
    ratio = np.abs(scaled).sum(axis=1)[length > 0] / length[length > 0]
    return float(((np.sqrt(latents) - ratio) / (np.sqrt(latents) - 1)).mean())


def active_units(code: np.ndarray) -> float:
    """Number of latents of ``E[z]``, ``[n, latents]``, whose variance over the data is above 0.01.

    Burda, Grosse and Salakhutdinov, *Importance Weighted Autoencoders*, ICLR 2016, section 5.
    """
    return float((code.var(axis=0) > ACTIVE_UNIT_VARIANCE).sum())
