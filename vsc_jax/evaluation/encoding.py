"""The codes of a whole split as NumPy arrays, how sparse they are, and how many latents carry nothing."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, PRNGKeyArray

from vsc_jax.models import Model
from vsc_jax.models.inputs import as_float

Measure = Callable[[Any, Array, PRNGKeyArray], Any]
"""A function of a model, a batch of float examples and a key, whose result is a pytree of arrays."""


USED_SHARE = 0.01
"""A latent is used when it is on in at least this share of the examples."""
ACTIVE_UNIT_VARIANCE = 0.01
"""Variance of E[z] over the data from which on a latent is an active unit."""
COLLAPSED = 1e-2
"""A latent has collapsed when something is at most this on :data:`COLLAPSED_SHARE` of the inputs."""
COLLAPSED_SHARE = 0.95


def batches(x: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Batches of one size, the last filled up by repeating its final example.

    Yields:
      ``(batch, valid)``: the batch and how many of its examples count.
    """
    for start in range(0, len(x), batch_size):
        batch = np.asarray(x[start : start + batch_size])
        valid = len(batch)
        if valid < batch_size:
            batch = np.concatenate([batch, np.repeat(batch[-1:], batch_size - valid, axis=0)])
        yield batch, valid


def map_batches(
    measure: Measure,
    model: Model,
    x: np.ndarray,
    key: PRNGKeyArray,
    *,
    batch_size: int = 500,
    on_batch: Callable[[int], None] | None = None,
) -> Any:
    """What ``measure(model, batch, key)`` gives for every example of ``x``.

    Args:
      measure: its results have the batch as leading axis. It is compiled once for each model structure
        and batch size, so it should be a function of a module, or be kept by the caller.
      model: any model.
      x: examples as stored, ``[n, *example_shape]``.
      key: every batch gets a key of its own made from this one.
      batch_size: examples at a time.
      on_batch: called with the number of examples done.

    Returns:
      The same pytree of NumPy arrays with n as leading axis.
    """
    graph, params = nnx.split(model)
    parts = []
    for number, (batch, valid) in enumerate(batches(x, min(batch_size, len(x)))):
        measured = _measure(measure, graph, params, jnp.asarray(batch), jax.random.fold_in(key, number))
        parts.append(jax.tree.map(lambda leaf, valid=valid: np.asarray(leaf)[:valid], measured))
        if on_batch is not None:
            on_batch(min((number + 1) * batch_size, len(x)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def means(values: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean over examples of each entry, summed in double precision."""
    return {name: float(np.mean(entry, dtype=np.float64)) for name, entry in values.items()}


@partial(jax.jit, static_argnums=(0, 1))
def _measure(measure: Measure, graph: nnx.GraphDef, params: Any, x: Array, key: PRNGKeyArray) -> Any:
    return measure(nnx.merge(graph, params), as_float(x), key)


class Codes(NamedTuple):
    """Codes of n examples.

    Attributes:
      mean: posterior (slab) means mu, or the autoencoder's codes, ``[n, latents]``.
      gamma: gate probabilities ``[n, latents]``; all ones for a model without gates.
      z: one hard posterior sample ``[n, latents]``, or the autoencoder's codes.
    """

    mean: np.ndarray
    gamma: np.ndarray
    z: np.ndarray

    @property
    def on(self) -> np.ndarray:
        """Which latents are on, booleans ``[n, latents]``: those with gamma > 1/2, as in ``model.code``."""
        return self.gamma > 0.5

    @property
    def sparse(self) -> np.ndarray:
        """The deterministic code ``[n, latents]``, ``model.code``: the mean where on, else exactly 0."""
        return np.where(self.on, self.mean, 0)

    @property
    def expected(self) -> np.ndarray:
        """``E[z] = gamma mu``, ``[n, latents]``: the sparse code as one number a latent."""
        return self.gamma * self.mean


def codes(model: Model, x: np.ndarray, key: PRNGKeyArray, *, batch_size: int = 500) -> Codes:
    """Encode the examples of ``x``.

    Args:
      model: any model.
      x: examples, ``[n, *example_shape]``.
      key: key of the posterior samples.
      batch_size: examples at a time.
    """
    return Codes(*map_batches(_sampled_code, model, x, key, batch_size=batch_size))


def _sampled_code(model: Model, x: Array, key: PRNGKeyArray) -> tuple[Array, Array, Array]:
    return model.sampled_code(x, key)


def code_statistics(model: Model, codes: Codes) -> dict[str, float]:
    """:func:`sparsity` of a VSC's codes; without gates the same keys where they make sense.

    A dense code has all its latents on for every example, and uses those that are active units.
    """
    if model.gated:
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


def collapse_statistics(kl: np.ndarray, z: np.ndarray) -> dict[str, float]:
    """``posterior_collapse`` and ``coefficient_collapse``, the share of latents that have collapsed.

    Fallah and Rozell, *Variational Sparse Coding with Learned Thresholding*, ICML 2022.

    A latent of a sparse code that is on in fewer than 5 % of the examples counts in the second.

    Args:
      kl: divergence of each latent from the prior, ``[n, latents]`` (``model.latent_kl``).
      z: posterior samples ``[n, latents]``.
    """
    return {"posterior_collapse": collapsed(kl), "coefficient_collapse": collapsed(np.abs(z))}


def collapsed(values: np.ndarray) -> float:
    """Share of latents whose ``values``, ``[n, latents]``, are at most 1e-2 on 95 % of the inputs."""
    return float(((values <= COLLAPSED).mean(axis=0) >= COLLAPSED_SHARE).mean())
