"""What watching a run costs, the norms of gradient, update and parameters: ``python -m benchmarks.guard``.

Two programs, with the norms and without, run short chunks in turn on the same batches of Smiley; the
figure is the median over pairs of the ratio of their CPU times.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vsc_jax import data
from vsc_jax.config import load_preset
from vsc_jax.training import hyperparameters, initial_model, initial_state, keys_of, step
from vsc_jax.training.batches import DeviceData

_EXAMPLES, _ITERATIONS = 1000, 10


def program(norm: Callable[[Any], jax.Array]) -> Callable[..., Any]:
    """``run_chunk`` with another norm."""

    def run(graph: nnx.GraphDef, *arguments: Any) -> Any:
        with mock.patch.object(step, "_norm", norm):
            return step.train_chunk(graph, *arguments, dynamic=False)

    return jax.jit(run, static_argnums=0, donate_argnums=2)


def overhead(preset: str, pairs: int) -> tuple[float, float]:
    """CPU milliseconds of an iteration without the norms, and what they add, as a fraction of it."""
    config = load_preset(preset)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, train_examples=_EXAMPLES))
    dataset = data.load(config.data)
    graph, params = nnx.split(initial_model(config, dataset))
    shape = (_ITERATIONS, min(config.train.batch_size, _EXAMPLES))
    order = jnp.asarray(np.random.default_rng(0).integers(0, _EXAMPLES, shape, np.int32))
    given = (hyperparameters(config), keys_of(0), DeviceData(jnp.asarray(dataset.train.x), order))
    programs = [program(lambda tree: jnp.float32(0)), program(step._norm)]
    states = [initial_state(jax.tree.map(jnp.copy, params)) for _ in programs]
    bare: list[float] = []
    ratios: list[float] = []
    for pair in range(pairs + 1):
        seconds = [0.0, 0.0]
        for which in (0, 1) if pair % 2 else (1, 0):
            hyper, keys, batches = given
            start = time.process_time()
            states[which], means, _ = programs[which](
                graph, hyper, states[which], keys, batches, jnp.int32(_ITERATIONS)
            )
            jax.device_get(means)
            seconds[which] = time.process_time() - start
        if pair:  # the first one compiles
            bare.append(1e3 * seconds[0] / _ITERATIONS)
            ratios.append(seconds[1] / seconds[0])
    return statistics.median(bare), statistics.median(ratios) - 1


def main() -> None:
    """Print one line a preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["smiley_vsc", "smiley_vae"])
    parser.add_argument("--pairs", type=int, default=40)
    arguments = parser.parse_args()
    for preset in arguments.presets:
        milliseconds, added = overhead(preset, arguments.pairs)
        print(f"{preset}: {milliseconds:.1f} ms an iteration, norms and checks {added:+.1%}", flush=True)


if __name__ == "__main__":
    main()
