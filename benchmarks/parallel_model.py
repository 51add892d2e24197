"""A model, not a measurement, of the time of an iteration against the number of devices that share a batch.

``python -m benchmarks.parallel_model [--config mnist_vsc] [--batch-size 4096] [--devices 1 2 4 8]``

Counted: the parameters, and the floating-point operations that XLA reports for one iteration. Assumed, as
options: what a device and its links can do. The slower of arithmetic and memory traffic, plus a ring
all-reduce of the gradients:

    t(N) = max(F / (N P), (7 G + (B - 7 G) / N) / M) + 2 (N - 1) (G / (N L) + l)

F operations and B bytes of an iteration on one device, G bytes of the parameters (Adam reads and writes about
7 of them on every device, whatever N), P operations and M bytes a second of a device, L bytes a second and l
seconds of latency of a link.
"""

import argparse
import math

import jax
import jax.numpy as jnp
from flax import nnx

from vsc_jax.config import Config, load_preset, with_overrides
from vsc_jax.models import build
from vsc_jax.training import hyperparameters, initial_state, train_step

SHAPES = {"smiley": (32, 32)}
OPTIMISER_PASSES = 7  # reads: parameter, gradient, two moments; writes: parameter, two moments


def counted(config: Config) -> tuple[float, float, int]:
    """Operations and bytes of an iteration on one device, as XLA counts them; bytes of the parameters."""
    shape = SHAPES.get(config.data.name, (28, 28))
    graph, params = nnx.split(nnx.eval_shape(lambda: build(config.model, shape, jax.random.key(0))))
    state = jax.eval_shape(initial_state, params)
    hyper = jax.eval_shape(lambda: hyperparameters(config))
    x = jax.ShapeDtypeStruct((config.train.batch_size, *shape), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    compiled = jax.jit(train_step, static_argnums=0).lower(graph, hyper, state, x, key).compile()
    costs = compiled.cost_analysis()
    weights = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(params))
    return costs["flops"], costs["bytes accessed"], weights


def main() -> None:
    """Count, model and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="mnist_vsc")
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument(
        "--teraflops", type=float, default=60.0, help="float32 operations of a device, 1e12/s"
    )
    parser.add_argument("--bandwidth", type=float, default=3350.0, help="memory traffic of a device, 1e9 B/s")
    parser.add_argument("--link", type=float, default=450.0, help="link between devices, 1e9 B/s")
    parser.add_argument("--latency", type=float, default=5.0, help="latency of a link, 1e-6 s")
    given = parser.parse_args()
    config = with_overrides(load_preset(given.config), {"train.batch_size": given.batch_size})
    flops, traffic, weights = counted(config)
    print(f"{given.config}, batches of {given.batch_size}: counted {flops / 1e9:.2f} GFLOP and", end=" ")
    print(f"{traffic / 1e6:.1f} MB an iteration, {weights / 1e6:.2f} MB of parameters")
    print("| devices | arithmetic, ms | memory, ms | exchange, ms | iteration, ms | speed-up |")
    print("|---|---|---|---|---|---|")
    alone = None
    for n in given.devices:
        arithmetic = flops / (n * given.teraflops * 1e12)
        fixed = min(traffic, OPTIMISER_PASSES * weights)
        memory = (fixed + (traffic - fixed) / n) / (given.bandwidth * 1e9)
        exchange = 2 * (n - 1) * (weights / (n * given.link * 1e9) + given.latency * 1e-6)
        total = max(arithmetic, memory) + exchange
        alone = alone or total
        times = " | ".join(f"{1e3 * value:.3f}" for value in (arithmetic, memory, exchange, total))
        print(f"| {n} | {times} | {alone / total:.1f} |")


if __name__ == "__main__":
    main()
