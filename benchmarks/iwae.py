"""What the importance-weighted bound costs: time a sample and peak memory, carried to a whole test set.

``python benchmarks/iwae.py [--config mnist_vsc] [--samples 5000] [--examples 10000]``

Times two slices of the work, whose difference is free of compilation, on noise and untrained weights: the
work for a sample does not depend on either. Beside it the decoder's matrix products alone.
"""

import argparse
import math
import resource
import time

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vsc_jax.config import load_preset
from vsc_jax.evaluation import importance_weighted
from vsc_jax.models import build

SHAPES = {"smiley": (32, 32)}
SLICE = 1000


def seconds(work) -> tuple[float, float]:
    """Wall-clock and processor seconds of ``work()``."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="mnist_vsc")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--examples", type=int, default=10_000)
    arguments = parser.parse_args()
    config = load_preset(arguments.config)
    shape = SHAPES.get(config.data.name, (28, 28))
    x = np.random.default_rng(0).integers(0, 256, (SLICE, *shape), np.uint8)
    model = build(config.model, shape, jax.random.key(0), examples=x)

    few, many = 200, 600
    slices = [
        seconds(lambda k=k: importance_weighted(model, x, jax.random.key(1), samples=k)) for k in (few, many)
    ]
    per_sample = np.subtract(slices[1], slices[0]) / (SLICE * (many - few))

    graph, params = nnx.split(model.decoder.trunk)
    products = jax.jit(lambda params, z: jnp.sum(nnx.merge(graph, params)(z), axis=-1))
    z = jnp.ones((2**20 // math.prod(shape), config.model.latents))
    products(params, z).block_until_ready()
    decoder = seconds(lambda: [products(params, z).block_until_ready() for _ in range(100)])
    decoder_per_sample = np.array(decoder) / (100 * len(z))

    total = per_sample * arguments.samples * arguments.examples
    print(f"a sample: {per_sample[1] * 1e6:.1f} us of processor time")
    print(f"the decoder alone: {decoder_per_sample[1] * 1e6:.1f} us")
    print(
        f"{arguments.samples:,} samples of {arguments.examples:,} examples: {total[1]:,.0f} s of"
        f" processor time, {total[0]:,.0f} s on the clock as busy as this machine is"
    )
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
