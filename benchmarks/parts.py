"""Where an iteration goes: the same loop with parts left out, in turns: ``python -m benchmarks.parts``.

The VSC of 784-400-200 with 128 pseudo-inputs at batch 500, on noise. Prints each variant's shortest time,
and the share of the machine's matrix-product peak that the whole reaches.
"""

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.steps import flop, noise, peak, seconds
from vsc_jax.config import load_preset, with_overrides
from vsc_jax.models import build
from vsc_jax.models.inputs import as_float
from vsc_jax.training import hyperparameters, initial_state, keys_of, train_step
from vsc_jax.training.batches import batches

ITERATIONS = 20
EXAMPLES = 2000
SETTINGS = {
    "model.latents": 200,
    "model.pseudo_inputs": 128,
    "model.hidden": [400],
    "train.batch_size": 500,
}


def variants() -> tuple[Any, dict[str, Callable[[], None]]]:
    """The configuration, and for each variant what runs its iterations."""
    config = with_overrides(load_preset("mnist_vsc"), SETTINGS)
    data = noise(EXAMPLES)
    model = build(config.model, data.shape[1:], jax.random.key(0), examples=data, dataset_size=EXAMPLES)
    graph, params = nnx.split(model)
    hyper, key, on_device = hyperparameters(config), keys_of(0).model, jnp.asarray(data)
    order = jnp.asarray(batches(0, 0, ITERATIONS, batch_size=config.train.batch_size, examples=EXAMPLES))
    adam = optax.scale_by_adam()

    def loss(params: Any, x: jax.Array, step: jax.Array) -> jax.Array:
        model = nnx.merge(graph, params)
        value, _ = model.objective(x, jax.random.fold_in(key, step), hyper.coefficients_at(step))
        return value

    def forward(state: Any, x: jax.Array, step: jax.Array) -> tuple[Any, jax.Array]:
        return state, loss(state, x, step)

    def gradient(state: Any, x: jax.Array, step: jax.Array) -> tuple[Any, jax.Array]:
        value, slope = jax.value_and_grad(loss)(state, x, step)
        return jax.tree.map(lambda leaf, by: leaf - 1e-9 * by, state, slope), value

    def adam_by_parameter(state: Any, x: jax.Array, step: jax.Array) -> tuple[Any, jax.Array]:
        params, moments = state
        value, slope = jax.value_and_grad(loss)(params, x, step)
        update, moments = adam.update(slope, moments)
        return (jax.tree.map(lambda leaf, by: leaf - 1e-3 * by, params, update), moments), value

    def whole(state: Any, x: jax.Array, step: jax.Array) -> tuple[Any, jax.Array]:
        state, metrics = train_step(graph, hyper, state, x, jax.random.fold_in(key, step))
        return state, sum(metrics.values(), start=jnp.float32(0))

    starts = {
        "forward": (forward, params),
        "forward and backward": (gradient, params),
        "and Adam parameter by parameter, no norms": (adam_by_parameter, (params, adam.init(params))),
        "as it is": (whole, initial_state(params)),
    }
    return config, {name: _runner(step, state, on_device, order) for name, (step, state) in starts.items()}


def _runner(step: Callable[..., Any], state: Any, data: jax.Array, order: jax.Array) -> Callable[[], None]:
    @jax.jit
    def run(state: Any) -> tuple[Any, jax.Array]:
        def body(i: jax.Array, carry: Any) -> Any:
            state, total = carry
            state, value = step(state, as_float(data[order[i]]), i)
            return state, total + value

        return jax.lax.fori_loop(0, ITERATIONS, body, (state, jnp.float32(0)))

    def iterations() -> None:
        jax.block_until_ready(run(state))

    return iterations


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    config, runs = variants()
    for run in runs.values():
        run()
    shortest = dict.fromkeys(runs, float("inf"))
    top = 0.0
    for _ in range(arguments.rounds):
        top = max(top, peak())
        for name, run in runs.items():
            shortest[name] = min(shortest[name], seconds(run) / ITERATIONS)
    print("| variant | ms an iteration |\n|---|---|")
    for name, value in shortest.items():
        print(f"| {name} | {1e3 * value:.1f} |")
    share = flop(config) / shortest["as it is"] / top
    print(f"{flop(config) / 1e9:.2f} GFLOP an iteration; {share:.0%} of a peak of {top / 1e9:.1f} GFLOP/s")


if __name__ == "__main__":
    main()
