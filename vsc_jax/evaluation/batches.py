"""A split in batches of one size: one compiled program, and per-example results as NumPy arrays."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, PRNGKeyArray

from vsc_jax.models import Model
from vsc_jax.models.inputs import as_float

Measure = Callable[[Any, Array, PRNGKeyArray], Any]
"""A function of a model, a batch of float examples and a key, whose result is a pytree of arrays."""


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
