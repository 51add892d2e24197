"""The compiled part of training: one iteration, and the stretch of iterations between two log points."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PRNGKeyArray

from vsc_jax.config import Config
from vsc_jax.models import Metrics
from vsc_jax.models.inputs import as_float
from vsc_jax.training.batches import epochs_spanned, stream
from vsc_jax.training.schedules import Hyperparameters

Params = Any
_BATCH_KEY, _STEP_KEY = 1, 2


class TrainState(NamedTuple):
    """What training carries from one iteration to the next.

    Attributes:
      params: parameters of the model, an ``nnx.State``.
      optimizer: Adam's moments, of all parameters in one vector.
      step: number of iterations done.
    """

    params: Params
    optimizer: optax.OptState
    step: Int[Array, ""]


# One vector of moments: a kernel for every parameter would take XLA seconds longer to compile.
_ADAM = optax.flatten(optax.scale_by_adam())


def initial_state(params: Params) -> TrainState:
    """The state before the first iteration."""
    return TrainState(params, _ADAM.init(params), jnp.int32(0))


def train_step(
    graph: nnx.GraphDef,
    hyper: Hyperparameters,
    state: TrainState,
    x: Float[Array, "batch ..."],
    key: PRNGKeyArray,
) -> tuple[TrainState, Metrics]:
    """One iteration of Adam on one batch.

    Args:
      graph: structure of the model.
      hyper: hyperparameters of the run.
      state: state before the iteration.
      x: examples as floats.
      key: key of this iteration.

    Returns:
      The state after it, and its metrics: the objective's, the loss, and the norms of gradient,
      parameters and update.
    """

    def loss(params: Params) -> tuple[Float[Array, ""], Metrics]:
        return nnx.merge(graph, params).objective(x, key, hyper.knobs_at(state.step))

    (value, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    direction, optimizer = _ADAM.update(gradient, state.optimizer)
    rate = hyper.learning_rate_at(state.step)
    update = jax.tree.map(lambda leaf: -rate * leaf, direction)
    params = optax.apply_updates(state.params, update)
    metrics = {
        "loss": value,
        **metrics,
        "gradient_norm": _norm(gradient),
        "parameter_norm": _norm(params),
        "update_norm": _norm(update),
    }
    return TrainState(params, optimizer, state.step + 1), metrics


def _norm(tree: Any) -> Float[Array, ""]:
    vector, _ = ravel_pytree(tree)
    return jnp.sqrt(jnp.sum(jnp.square(vector)))


class Stretch(NamedTuple):
    """Where a stretch of iterations lies; traced, so that one program serves all of them.

    Attributes:
      iterations: how many iterations to run, at most ``train.log_every``.
      epoch: number of the epoch in which it begins.
      offset: place within that epoch at which its first batch begins.
    """

    iterations: Int[Array, ""]
    epoch: Int[Array, ""]
    offset: Int[Array, ""]


Chunk = Callable[
    [Hyperparameters, TrainState, PRNGKeyArray, Array, Stretch], tuple[TrainState, Metrics, Metrics]
]


def make_chunk(config: Config, graph: nnx.GraphDef, examples: int) -> Chunk:
    """The compiled function that runs a stretch of iterations.

    It takes ``(hyper, state, key, data, stretch)``, donates the state and returns it advanced, with
    the metrics averaged over the stretch and the schedules' values in its last iteration. ``data`` are
    the training examples as they are stored (uint8 or float), ``key`` the key of the run. A loop with a
    traced bound, not a scan, so that the last, shorter stretch needs no second compilation.
    """
    batch_size = config.train.batch_size
    epochs = epochs_spanned(min(config.train.log_every, config.train.steps), batch_size, examples)
    dynamic = config.data.binarize == "dynamic"

    def batch(data: Array, indices: Int[Array, " batch"], key: PRNGKeyArray) -> Float[Array, "batch ..."]:
        x = as_float(data[indices])
        return jax.random.bernoulli(key, x).astype(x.dtype) if dynamic else x

    @partial(jax.jit, donate_argnums=1)
    def chunk(
        hyper: Hyperparameters, state: TrainState, key: PRNGKeyArray, data: Array, stretch: Stretch
    ) -> tuple[TrainState, Metrics, Metrics]:
        order = stream(jax.random.fold_in(key, _BATCH_KEY), stretch.epoch, epochs, examples)
        step_key = jax.random.fold_in(key, _STEP_KEY)

        def iterate(i: Int[Array, ""], state: TrainState) -> tuple[TrainState, Metrics]:
            draw_key, model_key = jax.random.split(jax.random.fold_in(step_key, state.step))
            indices = jax.lax.dynamic_slice_in_dim(order, stretch.offset + i * batch_size, batch_size)
            return train_step(graph, hyper, state, batch(data, indices, draw_key), model_key)

        def body(i: Int[Array, ""], carry: tuple[TrainState, Metrics]) -> tuple[TrainState, Metrics]:
            state, sums = carry
            state, metrics = iterate(i, state)
            return state, jax.tree.map(jnp.add, sums, metrics)

        _, shapes = jax.eval_shape(iterate, jnp.int32(0), state)
        sums = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        state, sums = jax.lax.fori_loop(0, stretch.iterations, body, (state, sums))
        means = jax.tree.map(lambda total: total / stretch.iterations.astype(total.dtype), sums)
        schedule = {name: ramp.at(state.step - 1) for name, ramp in hyper.schedules.items()}
        return state, means, schedule

    return chunk
