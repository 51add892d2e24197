"""What a sweep's members cost together and alone: ``python -m benchmarks.members [--members 4]``.

Twenty iterations of a preset on noise of Smiley's or MNIST's size: one run alone, and so many members in one
program, under ``vmap`` and one after the other (``map``).
"""

import argparse
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.steps import noise, seconds
from vsc_jax.config import load_preset
from vsc_jax.models import build
from vsc_jax.training import hyperparameters, initial_state, keys_of
from vsc_jax.training.batches import batches
from vsc_jax.training.step import Method, run_members

ITERATIONS = 20
EXAMPLES = 2000


def members_seconds(name: str, members: int, method: Method, rounds: int) -> tuple[float, float]:
    """Shortest time of ``ITERATIONS`` iterations of all members, and the time to compile them."""
    config = load_preset(name)
    data = noise(EXAMPLES, side=32 if config.data.name == "smiley" else 28)
    model = build(config.model, data.shape[1:], jax.random.key(0), examples=data, dataset_size=EXAMPLES)
    graph, params = nnx.split(model)
    one: Any = (hyperparameters(config), initial_state(params), keys_of(0))
    hyper, state, keys = jax.tree.map(lambda leaf: jnp.stack([leaf] * members), one)
    order = batches(0, 0, ITERATIONS, batch_size=config.train.batch_size, examples=EXAMPLES)
    stacked = jnp.asarray(np.stack([order] * members))
    count, on_device = jnp.int32(ITERATIONS), jnp.asarray(data)
    lowered = run_members.lower(
        graph, hyper, state, keys, on_device, stacked, count, dynamic=False, method=method
    )
    compiled: list[Any] = []
    compile_seconds = seconds(lambda: compiled.append(lowered.compile()))
    times = []
    for _ in range(rounds):

        def once() -> None:
            nonlocal state
            state, *_ = jax.block_until_ready(compiled[0](hyper, state, keys, on_device, stacked, count))

        times.append(seconds(once))
    return min(times), compile_seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="smiley_vsc")
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for members, method in ((1, "map"), (arguments.members, "map"), (arguments.members, "vmap")):
        run, compilation = members_seconds(arguments.config, members, method, arguments.rounds)
        print(
            f"{members} member(s), {method}: {run:.2f} s for {ITERATIONS} iterations, {run / members:.2f} s a"
            f" member; compiled in {compilation:.1f} s"
        )


if __name__ == "__main__":
    main()
