"""What the benchmarks share: a run's compiled chunk on noise, its matrix products, the machine's peak."""

import itertools
import math
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vsc_jax.config import Config
from vsc_jax.models import build
from vsc_jax.models.nets.networks import CONV_CHANNELS, CONV_FEATURES
from vsc_jax.models.nets.pseudo_inputs import CLASSIFIER_WIDTH
from vsc_jax.training import hyperparameters, initial_state, keys_of, run_chunk
from vsc_jax.training.batches import DeviceData, batches
from vsc_jax.training.step import statics

_OUTPUTS_PER_LATENT = {"ae": 1, "vae": 2, "vsc": 3}


def noise(examples: int, side: int = 28) -> np.ndarray:
    """Grey images ``[examples, side, side]``, uint8: what a step costs does not depend on the pixels."""
    return np.random.default_rng(0).integers(0, 256, (examples, side, side), np.uint8)


class Chunk:
    """A run's compiled iterations on some data.

    Attributes:
      parameters: how many the model has.
      compile_seconds: what tracing and compiling took.
    """

    def __init__(self, config: Config, data: np.ndarray, longest: int):
        model = build(config.model, data.shape[1:], jax.random.key(0), examples=data, dataset_size=len(data))
        self._graph, params = nnx.split(model)
        self._config, self._data, self._longest = config, jnp.asarray(data), longest
        self._hyper, self._keys = hyperparameters(config), keys_of(config.seed)
        self._state: Any = initial_state(params)
        self._step = 0
        self.parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
        start = time.perf_counter()
        arguments = (self._hyper, self._state, self._keys, self._batches(), jnp.int32(longest))
        self._run = run_chunk.lower(self._graph, *arguments, **statics(config)).compile()
        self.compile_seconds = time.perf_counter() - start

    def _batches(self) -> DeviceData:
        order = batches(
            self._config.seed,
            self._step,
            self._longest,
            batch_size=self._config.train.batch_size,
            examples=len(self._data),
        )
        return DeviceData(self._data, jnp.asarray(order))

    def steps(self, count: int) -> float:
        """Run iterations; the mean loss."""
        self._state, means, _ = self._run(
            self._hyper, self._state, self._keys, self._batches(), jnp.int32(count)
        )
        self._step += count
        return float(means["loss"])


def seconds(work: Callable[[], Any]) -> float:
    """Seconds of ``work()``; CPU time on a single core, where other work would count otherwise."""
    alone = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) == 1
    clock = time.process_time if alone else time.perf_counter
    start = clock()
    work()
    return clock() - start


def flop(config: Config, side: int = 28) -> float:
    """Floating-point operations of the matrix products and convolutions of one iteration.

    Two for every weight and example forwards, four backwards; two less for the layers that read the data,
    which need no gradient.
    """
    model, n, pixels = config.model, config.train.batch_size, side * side
    outputs = _OUTPUTS_PER_LATENT[model.kind] * model.latents
    if model.network == "conv":
        (first, second), quarter = CONV_CHANNELS, side // 4
        reads_data = (side // 2) ** 2 * 9 * first
        inner = quarter**2 * 9 * first * second + quarter**2 * second * CONV_FEATURES
        encoder = reads_data + inner + CONV_FEATURES * outputs
        decoder = CONV_FEATURES * model.latents + inner + reads_data
    else:
        widths = [pixels, *model.hidden, outputs]
        reads_data = widths[0] * widths[1]
        encoder = sum(map(math.prod, itertools.pairwise(widths)))
        widths = [model.latents, *reversed(model.hidden), pixels]
        decoder = sum(map(math.prod, itertools.pairwise(widths)))
    total = 6.0 * n * (encoder + decoder) - 2.0 * n * reads_data
    if model.mixture:
        components = model.pseudo_inputs
        classifier = pixels * CLASSIFIER_WIDTH + CLASSIFIER_WIDTH * components
        total += 6.0 * components * encoder + 6.0 * n * 4 * model.latents * components
        total += 6.0 * n * classifier - 2.0 * n * pixels * CLASSIFIER_WIDTH
    return total


def peak(size: int = 1024, repetitions: int = 20) -> float:
    """Operations a second of the fastest square matrix product of this machine, through JAX."""
    product = jax.jit(jnp.matmul)
    a = jnp.ones((size, size))
    product(a, a).block_until_ready()
    best = min(seconds(lambda: product(a, a).block_until_ready()) for _ in range(repetitions))
    return 2 * size**3 / best
