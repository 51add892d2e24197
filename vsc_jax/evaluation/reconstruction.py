"""Squared errors of reconstructions: of clean examples, of noisy ones and of ones with gaps."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.data.examples import chunks
from vsc_jax.evaluation.encoding import Measure, map_batches
from vsc_jax.models import Model
from vsc_jax.models.inputs import as_float

NOISE = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Standard deviations of the noise, in units of the data's range or, for unbounded data, deviation."""
SHOWN_NOISE = 0.2
"""The one that is drawn."""


class Denoised(NamedTuple):
    """What is left of examples under noise: squared error of a clean value, and :func:`explained_variance`.

    ``same_support`` is the share of the latents on for the clean or the noisy example that are on for both
    (Jaccard index, 1 where none is), mean over the examples; 1 without gates.
    """

    mse: float
    explained_variance: float
    same_support: float


def squared_errors(model: Model, x: Float[Array, "n ..."], key: PRNGKeyArray) -> dict[str, Array]:
    """Squared error of each example of a batch, mean over its values: ``[n]`` each.

    ``mse`` is that of ``model.reconstruct``, which takes the deterministic code; ``mse_sample``, of a
    variational model, that of ``E[x|z]`` at one hard posterior sample.
    """
    errors = {"mse": _squared_error(model.reconstruct(x), x)}
    if model.variational:
        errors["mse_sample"] = _squared_error(model.decode(model.sampled_code(x, key)[2], x), x)
    return errors


def denoising(
    model: Model,
    x: np.ndarray,
    key: PRNGKeyArray,
    *,
    noise: Sequence[float] = NOISE,
    batch_size: int = 500,
) -> dict[float, Denoised]:
    """Error of the clean examples ``x`` from noisy ones, by the deviation of Gaussian noise.

    The same noise pattern is used at every level, in the units of :func:`noise_unit`.
    """
    unit = noise_unit(model, x)
    measure = _under_noise(tuple(level * unit for level in noise))
    measured = map_batches(measure, model, x, key, batch_size=batch_size)
    errors, shared = (entry.mean(axis=0, dtype=np.float64).tolist() for entry in measured)
    total = total_variance(x)
    return {
        level: Denoised(error, explained_variance(error, total), same)
        for level, error, same in zip(noise, errors, shared, strict=True)
    }


def filling(model: Model, x: np.ndarray, gone: np.ndarray, *, batch_size: int = 500) -> float:
    """:func:`explained_variance` of the values that are ``gone`` (bools, shaped as ``x``), filled in."""
    clean = _floats(x)
    given = np.where(gone, np.float32(np.nan), clean)
    found = map_batches(_fill, model, given, jax.random.key(0), batch_size=batch_size)
    of_the_mean = np.square(clean - clean.mean(axis=0))[gone]
    error = np.square(found.reshape(x.shape) - clean)[gone].mean(dtype=np.float64)
    return explained_variance(float(error), float(of_the_mean.mean(dtype=np.float64)))


def _fill(model: Any, x: Float[Array, "n ..."], key: PRNGKeyArray) -> Array:
    return model.fill(x)


def noise_unit(model: Model, x: np.ndarray) -> float:
    """What noise of deviation 1 is in the units of ``x``.

    Where the likelihood takes values in [0, 1] alone, 1; else the standard deviation of all values of x.
    """
    low, high = model.decoder.limits
    return high - low if high - low < math.inf else float(np.std(_floats(x), dtype=np.float64))


def noisy(x: ArrayLike, noise: ArrayLike, limits: tuple[float, float]) -> Float[Array, "n ..."]:
    """Examples with noise, clipped to what the likelihood takes (``decoder.limits``)."""
    return jnp.clip(jnp.add(x, noise), *limits)


@cache
def _under_noise(levels: tuple[float, ...]) -> Measure:
    def measure(model: Model, x: Float[Array, "n ..."], key: PRNGKeyArray) -> tuple[Array, Array]:
        noise = jax.random.normal(key, x.shape, x.dtype)
        clean = model.code(x) != 0
        errors, shared = [], []
        for level in levels:
            given = noisy(x, level * noise, model.decoder.limits)
            errors.append(_squared_error(model.reconstruct(given), x))
            on = model.code(given) != 0
            either = jnp.sum(clean | on, axis=-1, dtype=x.dtype)
            same = jnp.sum(clean & on, axis=-1, dtype=x.dtype) / jnp.maximum(either, 1)
            shared.append(jnp.where(either > 0, same, 1))
        return jnp.stack(errors, axis=-1), jnp.stack(shared, axis=-1)

    return measure


def explained_variance(error: float, total: float) -> float:
    """``1 - error / total``: 1 is perfect, predicting every example by the mean gives 0.

    ``error`` is the mean squared error of a value, ``total`` its :func:`total_variance`. For constant data,
    whose variance is 0, it is 1 without an error and 0 with one.
    """
    return 1.0 - error / total if total else float(error == 0)


def total_variance(x: np.ndarray) -> float:
    """Mean squared deviation of the values of ``x``, ``[n, ...]``, from the mean example."""
    mean = sum(_floats(chunk).sum(axis=0, dtype=np.float64) for chunk in chunks(x)) / len(x)
    squares = sum(np.square(_floats(chunk) - mean).sum() for chunk in chunks(x))
    return float(squares / x.size)


def _floats(x: np.ndarray) -> np.ndarray:
    return np.asarray(as_float(x))


def _squared_error(reconstruction: Float[Array, "n ..."], x: Float[Array, "n ..."]) -> Float[Array, " n"]:
    return jnp.mean(jnp.square(reconstruction - x).reshape(x.shape[0], -1), axis=-1)
