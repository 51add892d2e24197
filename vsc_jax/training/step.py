"""The compiled part of training: one iteration, and the iterations between two log points."""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import AbstractMesh, Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from vsc_jax.config import Config, choices
from vsc_jax.config.choices import Precision
from vsc_jax.data import streams
from vsc_jax.data.streams import Stream
from vsc_jax.models import Metrics
from vsc_jax.models.inputs import as_float
from vsc_jax.training.batches import Batches, DeviceData
from vsc_jax.training.schedules import Hyperparameters
from vsc_jax.training.sharding import BATCH, MEMBERS, constrain

Params = Any
OfMembers = Any  # a pytree whose arrays have a leading axis for the members
Method = Literal["auto", "vmap", "map"]
NORMS = ("gradient_norm", "parameter_norm", "update_norm")


class TrainState(NamedTuple):
    """What training carries from one iteration to the next."""

    params: Params  # of the model, an nnx.State
    optimizer: optax.OptState  # Adam's moments, of all parameters in one vector
    step: Int[Array, ""]  # number of iterations done


# One vector of moments: a kernel for every parameter would take XLA seconds longer to compile.
_ADAM = optax.flatten(optax.scale_by_adam())


def initial_state(params: Params) -> TrainState:
    """The state before the first iteration."""
    moments = jax.eval_shape(_ADAM.init, params)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), moments)
    return TrainState(params, zeros, jnp.int32(0))


class Keys(NamedTuple):
    """Random keys of a run, folded with the iteration: of the model's samples, of dynamic binarization."""

    model: PRNGKeyArray
    pixels: PRNGKeyArray


def keys_of(seed: int) -> Keys:
    """The keys of a run."""
    return Keys(streams.key(seed, Stream.MODEL), streams.key(seed, Stream.PIXELS))


def train_step(
    graph: nnx.GraphDef,
    hyper: Hyperparameters,
    state: TrainState,
    x: Float[Array, "batch ..."],
    key: PRNGKeyArray,
    *,
    precision: Precision = "float32",
    normalize: bool = False,
    measure: Bool[Array, ""] | bool = True,
) -> tuple[TrainState, Metrics]:
    """One iteration of AdamW on one batch of examples as floats, with the key of this iteration.

    ``precision`` is that of the networks' products (:func:`vsc_jax.models.nets.products.product`);
    ``normalize`` gives Adam the gradient of each array divided by its norm.

    Returns:
      The state after it; the objective's metrics, the loss, and the norms of gradient, parameters and update,
      which are 0 where they are not to ``measure``.
    """

    def loss(params: Params) -> tuple[Float[Array, ""], Metrics]:
        return nnx.merge(graph, params).objective(x, key, hyper.coefficients_at(state.step))

    with jax.default_matmul_precision(precision):
        (value, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    given = jax.tree.map(_normalized, gradient) if normalize else gradient
    direction, optimizer = _ADAM.update(given, state.optimizer)
    rate = hyper.learning_rate_at(state.step)
    decay = jax.tree.map_with_path(partial(_decay, hyper.weight_decay), state.params)
    update = jax.tree.map(lambda leaf, decayed: -rate * (leaf + decayed), direction, decay)
    params = optax.apply_updates(state.params, update)
    trees = (gradient, params, update)
    norms = jax.lax.cond(measure, lambda: [*map(_norm, trees)], lambda: [jnp.float32(0)] * len(trees))
    metrics = {"loss": value, **metrics, **dict(zip(NORMS, norms, strict=True))}
    return TrainState(params, optimizer, state.step + 1), metrics


def _normalized(gradient: Array) -> Array:
    """As in the code of Tomczak and Welling, *VAE with a VampPrior*, AISTATS 2018."""
    return gradient / (_norm(gradient) + 1e-7)


def _decay(weight_decay: Array, path: Any, leaf: Array) -> Array:
    """Decoupled weight decay of kernels alone (Loshchilov and Hutter, 2019)."""
    return weight_decay * leaf if "kernel" in jax.tree_util.keystr(path) else jnp.zeros_like(leaf)


def _norm(tree: Any) -> Float[Array, ""]:
    # As a product: XLA's own sums on a CPU take an entry at a time.
    vectors = [leaf.reshape(-1) for leaf in jax.tree.leaves(tree)]
    return jnp.sqrt(sum((jnp.vdot(vector, vector) for vector in vectors), start=jnp.float32(0)))


def statics(config: Config) -> dict[str, Any]:
    """What of a configuration is compiled into :func:`train_chunk`, as its keyword arguments."""
    return {
        "dynamic": config.data.binarize in choices.REDRAWN,
        "precision": config.train.precision,
        "normalize": config.train.normalize_gradients,
    }


def train_chunk(
    graph: nnx.GraphDef,
    hyper: Hyperparameters,
    state: TrainState,
    keys: Keys,
    batches: Batches,
    iterations: Int[Array, ""],
    *,
    dynamic: bool,
    precision: Precision = "float32",
    normalize: bool = False,
    mesh: Mesh | AbstractMesh | None = None,
) -> tuple[TrainState, Metrics, Metrics]:
    """The iterations between two log points, or a part of them; to be compiled.

    A loop with a traced bound, not a scan, so that the last, shorter chunk needs no second compilation. Runs
    that differ in traced numbers alone share the program. The state is donated. ``dynamic`` draws the pixels
    of every batch anew; the devices of ``mesh`` share each batch.

    Returns:
      The state after it, the metrics averaged over it, and the schedules' values in its last iteration. The
      norms are of that one too: what is not finite once stays so, and taking them each time costs a tenth.
    """

    def step(i: Int[Array, ""], state: TrainState) -> tuple[TrainState, Metrics]:
        x = as_float(constrain(batches.batch(i), mesh, BATCH))
        if dynamic:
            x = jax.random.bernoulli(jax.random.fold_in(keys.pixels, state.step), x).astype(x.dtype)
        key = jax.random.fold_in(keys.model, state.step)
        options: Any = {"precision": precision, "normalize": normalize, "measure": i == iterations - 1}
        return train_step(graph, hyper, state, x, key, **options)

    def body(i: Int[Array, ""], carry: tuple[TrainState, Metrics]) -> tuple[TrainState, Metrics]:
        state, sums = carry
        state, metrics = step(i, state)
        return constrain((state, jax.tree.map(jnp.add, sums, metrics)), mesh)

    _, shapes = jax.eval_shape(step, jnp.int32(0), state)
    sums = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    state, sums = jax.lax.fori_loop(0, iterations, body, (state, sums))
    means = {n: v if n in NORMS else v / iterations.astype(v.dtype) for n, v in sums.items()}
    schedule = {name: ramp.at(state.step - 1) for name, ramp in hyper.schedules.items()}
    return constrain((state, means, schedule), mesh)


run_chunk = jax.jit(
    train_chunk,
    static_argnames=("graph", "dynamic", "precision", "normalize", "mesh"),
    donate_argnames="state",
)
"""One run's :func:`train_chunk`, compiled."""


@partial(
    jax.jit,
    static_argnames=("graph", "dynamic", "precision", "normalize", "method", "mesh"),
    donate_argnames="state",
)
def run_members(
    graph: nnx.GraphDef,
    hyper: OfMembers,
    state: OfMembers,
    keys: OfMembers,
    data: Shaped[Array, "examples ..."],
    order: Int[Array, "members longest batch"],
    iterations: Int[Array, ""],
    *,
    dynamic: bool,
    precision: Precision = "float32",
    normalize: bool = False,
    method: Method = "auto",
    mesh: Mesh | None = None,
) -> tuple[OfMembers, OfMembers, OfMembers]:
    """:func:`train_chunk` of many runs on the same examples, compiled to one program.

    Hyperparameters, state, keys and ``order``, the indices of the examples in each batch, have a leading axis
    for the members. With ``method`` ``vmap`` every operation is that of all members, within rounding that of
    each alone, which is what fills an accelerator; with ``map`` one member follows the other, to the last bit
    what each is alone, which is faster on a CPU, whose cores one member fills; ``auto`` takes the better.
    """

    def group(data: Array, iterations: Array, *of_members: OfMembers) -> Any:
        of_group = None if mesh is None or mesh.shape[BATCH] == 1 else jax.sharding.get_abstract_mesh()
        static: dict[str, Any] = {"dynamic": dynamic, "precision": precision, "normalize": normalize}
        static["mesh"] = of_group

        def member(hyper: Hyperparameters, state: TrainState, keys: Keys, order: Array) -> Any:
            return train_chunk(graph, hyper, state, keys, DeviceData(data, order), iterations, **static)

        if method == "map" or (method == "auto" and jax.default_backend() == "cpu"):
            return jax.lax.map(lambda one: member(*one), of_members)
        return jax.vmap(member)(*of_members)

    if mesh is not None:  # each group of devices does this for its members
        of_all, of_members = PartitionSpec(), PartitionSpec(MEMBERS)
        specs = (of_all, of_all, *[of_members] * 4)
        options: dict[str, Any] = {"out_specs": of_members, "axis_names": {MEMBERS}, "check_vma": False}
        group = jax.shard_map(group, mesh=mesh, in_specs=specs, **options)
    return group(data, iterations, hyper, state, keys, order)
