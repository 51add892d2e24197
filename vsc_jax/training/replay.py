"""An iteration that went wrong, in one file that can be run again where nothing else of the run is.

The file holds data alone (safetensors): the state before the iteration, its batch, and the configuration
as JSON. ``python -m vsc_jax.train --replay FILE`` runs it once more under ``jax_debug_nans``.
"""

import json
import math
import traceback
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Shaped

from vsc_jax.config import Config, from_dict, to_dict, validate
from vsc_jax.config.errors import UserError
from vsc_jax.data.dataset import Dataset
from vsc_jax.models import Metrics, Model, build, check_network, parameter_count, scaling
from vsc_jax.training.batch_source import Stacked
from vsc_jax.training.batches import batches
from vsc_jax.training.checkpoints import checked, named_leaves
from vsc_jax.training.memory import check_parameters
from vsc_jax.training.schedules import hyperparameters
from vsc_jax.training.step import TrainState, initial_state, iteration, keys_of, run_stretch, statics

_BATCH = "batch"


class Failure(NamedTuple):
    """The first iteration whose metrics are not finite.

    Attributes:
      state: the state before it.
      batch: its examples as they are stored, ``[batch, ...]``.
      metrics: its metrics.
    """

    state: TrainState
    batch: Shaped[np.ndarray, "batch ..."]
    metrics: dict[str, float]


# In the order in which one makes the next one wrong, after the terms of the loss.
_EFFECTS = ("elbo", "loss", "gradient_norm", "update_norm", "parameter_norm")


def not_finite(metrics: dict[str, float]) -> dict[str, float]:
    """The metrics that are not finite; what the loss is made of comes before the loss."""
    names = [*sorted(metrics.keys() - set(_EFFECTS)), *_EFFECTS]
    return {name: metrics[name] for name in names if not math.isfinite(metrics.get(name, 0.0))}


def first_failure(
    config: Config, dataset: Dataset, graph: nnx.GraphDef, state: TrainState, last: int
) -> Failure | None:
    """Run a part of a training again, one iteration at a time, and stop at the first that goes wrong.

    Args:
      config: the run.
      dataset: its data.
      graph: structure of its model.
      state: where to begin.
      last: the last iteration to try.

    Returns:
      What went wrong; None if nothing does.
    """
    hyper, keys, x = hyperparameters(config), keys_of(config.seed), dataset.train.x
    for step in range(int(state.step), last + 1):
        [order] = batches(config.seed, step, 1, batch_size=config.train.batch_size, examples=len(x))
        before, batch = jax.tree.map(jnp.copy, state), np.asarray(x[order])
        state, metrics, _ = run_stretch(
            graph,
            hyper,
            state,
            keys,
            Stacked(jnp.asarray(batch[None])),
            jnp.int32(1),
            **statics(config),
        )
        found = _floats(metrics)
        if not_finite(found):
            return Failure(before, batch, found)
    return None


def write_replay(path: Path, config: Config, dataset: Dataset, failure: Failure) -> None:
    """Write the file; one that is there is replaced whole.

    Args:
      path: where to.
      config: the run.
      dataset: its data, of which the file holds the batch and what the model knows of them.
      failure: the iteration.
    """
    from safetensors.flax import save_file

    temporary = path.with_name(path.name + ".tmp")
    leaves = {**named_leaves(failure.state), _BATCH: jnp.asarray(failure.batch)}
    run = {
        "config": to_dict(config),
        "train_examples": len(dataset.train),
        "scaling": scaling.to_json(dataset.scaling),
    }
    save_file(leaves, temporary, {"run": json.dumps(run)})
    temporary.replace(path)


def replay(path: Path) -> list[str]:
    """Run the iteration of a replay file again.

    Returns:
      Lines that say which metrics are not finite, and which of our lines of code made the first NaN.

    Raises:
      UserError: if the file is no replay file.
    """
    config, template, leaves = _read(path)
    batch = leaves.pop(_BATCH)
    graph, params = nnx.split(template)
    state = checked(path, jax.eval_shape(initial_state, params), leaves)
    hyper, keys = hyperparameters(config), keys_of(config.seed)
    again = partial(iteration, graph, **statics(config))
    _, metrics = jax.jit(again)(hyper, state, keys, batch)
    wrong = not_finite(_floats(metrics))
    if not wrong:
        return [f"iteration {int(state.step)}: every metric is finite here"]
    lines = [f"iteration {int(state.step)}: {', '.join(f'{name} {value}' for name, value in wrong.items())}"]
    try:
        with jax.debug_nans(True), jax.disable_jit():
            again(hyper, state, keys, batch)
    except FloatingPointError as error:
        lines += [f"jax_debug_nans: {' '.join(str(error).split())}", *_places(error)]
    else:
        lines.append("jax_debug_nans: no NaN on the way to it, infinities only")
    return lines


def _read(path: Path) -> tuple[Config, Model, dict[str, Array]]:
    """The configuration, the model with shapes in place of parameters, and the arrays."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="flax") as file:
            run = json.loads((file.metadata() or {})["run"])
            leaves = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config, examples, shape = from_dict(run["config"]), run["train_examples"], leaves[_BATCH].shape[1:]
        validate(config)
        if not shape or type(examples) is not int or examples < 1:
            raise ValueError("expected a batch of examples, and how many there are")
        constants = scaling.from_json(run["scaling"], shape)
        check_network(config.model, shape)
        check_parameters(parameter_count(config.model, shape))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"--replay: {path}: not a replay file ({error})") from None

    def model() -> Model:
        return build(config.model, shape, jax.random.key(0), dataset_size=examples, scaling=constants)

    return config, nnx.eval_shape(model), leaves


def _places(error: FloatingPointError) -> list[str]:
    """Our own lines of code in the error's traceback, the innermost first."""
    package = Path(__file__).resolve().parents[1]
    frames = traceback.extract_tb(error.__traceback__)
    if error.__cause__ is not None:  # in the backward pass: where the forward pass was traced
        frames += traceback.extract_tb(error.__cause__.__traceback__)
    ours = [
        frame for frame in frames if package in Path(frame.filename).parents and frame.filename != __file__
    ]
    return [
        f"  {Path(frame.filename).relative_to(package.parent)}:{frame.lineno}, {frame.name}: {frame.line}"
        for frame in reversed(ours)
    ]


def _floats(metrics: Metrics) -> dict[str, float]:
    return {name: float(value) for name, value in jax.device_get(metrics).items()}
