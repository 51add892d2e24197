"""The codes of a whole split as NumPy arrays, how sparse they are, and how many latents carry nothing."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, PRNGKeyArray

from vsc_jax.data.examples import Examples
from vsc_jax.models import Model
from vsc_jax.models.inputs import as_float

Measure = Callable[[Any, Array, PRNGKeyArray], Any]
"""A function of a model, a batch of float examples and a key, whose result is a pytree of arrays."""

USED_SHARE = 0.01
"""A latent is used when it is on in at least this share of the examples."""
ALWAYS = 0.95
"""A latent that is on in more examples than this is on for all."""
FOLLOWS = 0.2
"""A gate that follows the data deviates by so much over examples, or as a decided one that is rarely on."""


def map_batches(
    measure: Measure,
    model: Model,
    x: np.ndarray,
    key: PRNGKeyArray,
    *,
    batch_size: int = 500,
    on_batch: Callable[[int], None] | None = None,
) -> Any:
    """What ``measure(model, batch, key)`` gives for every example of ``x``: arrays ``[n, ...]``.

    ``measure`` gives arrays with the batch as leading axis. It is compiled once for each model structure and
    batch size, so it should be a function of a module, or be kept by the caller. Every batch has a key of
    its own. ``on_batch`` is called with the number of examples done.
    """
    parts, done = [], 0
    for measured in each_batch(measure, model, x, key, batch_size=batch_size):
        parts.append(measured)
        done += len(jax.tree.leaves(measured)[0])
        if on_batch is not None:
            on_batch(done)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def each_batch(
    measure: Measure, model: Model, x: Examples, key: PRNGKeyArray, *, batch_size: int = 500
) -> Iterator[Any]:
    """What :func:`map_batches` puts together, one batch after the other."""
    graph, params = nnx.split(model)
    size = min(batch_size, len(x))
    for number, start in enumerate(range(0, len(x), size)):
        batch = np.asarray(x[start : start + size])
        valid = len(batch)
        if valid < size:  # one size is one program
            batch = np.concatenate([batch, np.repeat(batch[-1:], size - valid, axis=0)])
        measured = _measure(measure, graph, params, jnp.asarray(batch), jax.random.fold_in(key, number))
        yield jax.tree.map(lambda leaf, valid=valid: np.asarray(leaf)[:valid], measured)


@partial(jax.jit, static_argnums=(0, 1))
def _measure(measure: Measure, graph: nnx.GraphDef, params: Any, x: Array, key: PRNGKeyArray) -> Any:
    return measure(nnx.merge(graph, params), as_float(x), key)


def means(values: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean over examples of each entry, summed in double precision."""
    return {name: float(np.mean(entry, dtype=np.float64)) for name, entry in values.items()}


class Codes(NamedTuple):
    """Codes of n examples, ``[n, latents]`` each."""

    mean: np.ndarray  # posterior (slab) means mu, or the autoencoder's codes
    gamma: np.ndarray  # gate probabilities; all ones for a model without gates
    z: np.ndarray  # one hard posterior sample, or the autoencoder's codes

    @property
    def on(self) -> np.ndarray:
        """Which latents are on: those with gamma > 1/2, as in ``model.code``."""
        return self.gamma > 0.5

    @property
    def sparse(self) -> np.ndarray:
        """The deterministic code, ``model.code``: the mean where on, else exactly 0."""
        return np.where(self.on, self.mean, 0)

    @property
    def expected(self) -> np.ndarray:
        """``E[z] = gamma mu``: the sparse code as one number a latent."""
        return self.gamma * self.mean


def codes(model: Model, x: np.ndarray, key: PRNGKeyArray, *, batch_size: int = 500) -> Codes:
    """Codes of the examples ``x``, ``[n, *example_shape]``; ``key`` is that of the posterior samples."""
    return Codes(*map_batches(_sampled_code, model, x, key, batch_size=batch_size))


def _sampled_code(model: Model, x: Array, key: PRNGKeyArray) -> tuple[Array, Array, Array]:
    return model.sampled_code(x, key)


def code_statistics(model: Model, codes: Codes) -> dict[str, float]:
    """How sparse codes are, by the names of the glossary.

    Without gates all latents are on, and the active units are used.
    """
    units = active_units(codes.expected)
    size = {"hoyer": hoyer(codes.expected), "active_units": units}
    if not model.gated:
        return {"active_per_image": float(model.latents), "used_latents": units, **size}
    return {**gate_use(codes.gamma), **size}


def gate_use(gamma: np.ndarray) -> dict[str, float]:
    """How gates ``[n, latents]`` are used, by the names of the glossary."""
    on = gamma > 0.5
    count, density = on.sum(axis=1), on.mean(axis=0)
    used = density >= USED_SHARE
    percentiles = np.percentile(count, [5, 50, 95])
    mean, deviation = gamma.mean(axis=0, dtype=np.float64), gamma.std(axis=0, dtype=np.float64)
    # A decided gate that is on in p of the examples deviates by sqrt(p (1 - p)), little where p is small.
    fixed = used & (deviation < FOLLOWS) & (deviation**2 < 0.5 * mean * (1 - mean))
    return {
        "active_per_image": float(count.mean()),
        **{f"active_per_image_p{p}": float(v) for p, v in zip((5, 50, 95), percentiles, strict=True)},
        "used_latents": float(used.sum()),
        "dead_latents": float((density == 0).sum()),
        "dense_latents": float((density > 0.5).sum()),
        "always_on_latents": float((density > ALWAYS).sum()),
        "fixed_gates": float(fixed.sum()),
        "mean_gamma": float(gamma.mean(dtype=np.float64)),
        "undecided_gates": float(((gamma > 0.1) & (gamma < 0.9)).mean()),
        "gamma_std": float(deviation[used].mean()) if used.any() else 0.0,
    }


def hoyer(code: np.ndarray) -> float:
    """Mean normalised Hoyer sparsity of codes ``[n, latents]``, each latent scaled to unit deviation.

    ``(sqrt(J) - |y|_1 / |y|_2) / (sqrt(J) - 1)``: 0 for a dense code, 1 for a one-hot code (Hoyer, JMLR
    2004; the scaling of Mathieu et al., ICML 2019, section 6.2). Constant latents count as zero, an
    all-zero code counts as nothing, and J = 1 gives 0.
    """
    latents, deviation = code.shape[1], code.std(axis=0)
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
    return float((code.var(axis=0) > 0.01).sum())


def collapsed(values: np.ndarray) -> float:
    """Share of latents whose ``|values|``, ``[n, latents]``, are at most 1e-2 on 95 % of the inputs.

    Fallah and Rozell, *Variational Sparse Coding with Learned Thresholding*, ICML 2022, of each latent's KL
    (``model.latent_kl``) and of z, where a latent that is on in fewer than 5 % of the examples counts.
    """
    return float(((np.abs(values) <= 1e-2).mean(axis=0) >= 0.95).mean())
