"""The training loop on the host: stretches of compiled iterations, log rows, checkpoints."""

import contextlib
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vsc_jax.config import Config
from vsc_jax.config.errors import UserError
from vsc_jax.config.stopping import Stopped, stop_requests
from vsc_jax.data import streams
from vsc_jax.data.dataset import Dataset, check_range
from vsc_jax.data.streams import Stream
from vsc_jax.models import Model, build, check_network, parameter_count
from vsc_jax.training.batch_source import Batches, stretches
from vsc_jax.training.batches import check_sizes
from vsc_jax.training.checkpoints import Checkpoints
from vsc_jax.training.devices import layout
from vsc_jax.training.memory import check_parameters, fitting, memory_errors
from vsc_jax.training.processes import lost_processes, shared_by_all
from vsc_jax.training.replay import first_failure, not_finite, write_replay
from vsc_jax.training.run_folder import MetricsLog, Row
from vsc_jax.training.schedules import Hyperparameters, hyperparameters
from vsc_jax.training.step import NORMS, Keys, TrainState, initial_state, keys_of, run_stretch, statics

OnRow = Callable[[Row], None]
OnStage = Callable[[str], None]
Numbers = dict[str, Any]

_ADVICE = "a smaller train.learning_rate may help"
# Before the first update no rate has done anything.
_FIRST_ADVICE = "data.scaling may help if the data's values are large, or a model.alpha further from 0 and 1"


class Trained(NamedTuple):
    """What training leaves.

    Attributes:
      model: the trained model.
      history: the rows of ``metrics.jsonl``.
    """

    model: Model
    history: list[Row]


class TrainingError(UserError):
    """Training cannot go on: a term of the loss or a norm is not finite.

    Attributes:
      last: the last iteration of those between two log points in which that happened.
    """

    def __init__(self, message: str, last: int):
        super().__init__(message)
        self.last = last


def initial_model(config: Config, dataset: Dataset) -> Model:
    """The model before the first iteration: a function of the configuration and the data alone."""
    key = streams.key(config.seed, Stream.INITIAL)
    return build(
        config.model,
        dataset.example_shape,
        key,
        examples=dataset.train.x,
        dataset_size=len(dataset.train),
        scaling=dataset.scaling,
    )


def check(config: Config, dataset: Dataset) -> None:
    """See that the configuration suits the data, before anything is written.

    Raises:
      UserError: naming the field that does not.
    """
    check_sizes(config.train, len(dataset.train))
    check_range(dataset, config.model.likelihood)
    check_network(config.model, dataset.example_shape)
    check_parameters(parameter_count(config.model, dataset.example_shape))
    layout(config)


def train(
    config: Config,
    dataset: Dataset,
    workdir: Path | None = None,
    on_row: OnRow | None = None,
    on_stage: OnStage | None = None,
    *,
    checked: bool = False,
) -> Trained:
    """Train a model, resuming from the newest checkpoint in ``workdir`` if there is one.

    Args:
      config: the run.
      dataset: its data.
      workdir: run folder, already claimed; None keeps everything in memory.
      on_row: called with the newest row of a resumed run, and then with every new one.
      on_stage: called with ``compiling`` before the first iteration.
      checked: whether :func:`check` was called already; it looks at every value.

    Raises:
      UserError: if the configuration does not suit the data or the memory, or no checkpoint can be read or
        written.
      TrainingError: if a loss or a norm is not finite.
      Stopped: on SIGINT or SIGTERM, after a checkpoint, where there is a run folder.
    """
    if not checked:
        check(config, dataset)
    with memory_errors(lambda: "model.latents, model.hidden: the model is too large"):
        graph, params = nnx.split(initial_model(config, dataset))
        state = initial_state(params)
    if workdir is None:
        log = MetricsLog(None, 0)
        return _train(config, dataset, graph, state, log, None, on_row, on_stage, lambda: None)
    with Checkpoints(workdir / "checkpoints", config.checkpoint) as checkpoints, stop_requests() as asked:
        if checkpoints.latest_step() is not None:
            state = checkpoints.restore(state)
        log = MetricsLog(workdir / "metrics.jsonl", int(state.step))
        try:
            return _train(config, dataset, graph, state, log, checkpoints, on_row, on_stage, asked)
        except TrainingError as error:
            raise _traced(error, config, dataset, checkpoints, workdir) from None


def _train(
    config: Config,
    dataset: Dataset,
    graph: nnx.GraphDef,
    state: TrainState,
    log: MetricsLog,
    checkpoints: Checkpoints | None,
    on_row: OnRow | None,
    on_stage: OnStage | None,
    asked: Callable[[], signal.Signals | None],
) -> Trained:
    steps = config.train.steps
    where = layout(config)
    state = where.everywhere(shared_by_all(state))
    step = int(state.step)
    if on_stage is not None and step < steps:
        on_stage("compiling")
    if on_row is not None and log.rows:
        on_row(log.rows[-1])
    hyper, keys = hyperparameters(config), keys_of(config.seed)
    with contextlib.closing(stretches(config, dataset.train.x, step, where)) as rest:
        for iterations, parts in rest:
            logged = []
            for batches, length in parts:
                given = (graph, hyper, state, keys, batches)
                with memory_errors(partial(_smaller_batches, config, *given)), lost_processes():
                    state, means, schedule = jax.block_until_ready(
                        run_stretch(*given, jnp.int32(length), **statics(config), mesh=where.mesh)
                    )
                logged.append((length, means))
            row = row_of(step + iterations, _mean(logged), jax.device_get(schedule))
            check_finite(row, step)
            step += iterations
            log.append(row)
            if on_row is not None:
                on_row(row)
            stop = asked()
            if checkpoints is not None and (stop is not None or is_saved(config, step, step - iterations)):
                checkpoints.save(where.one_copy(state))
            if stop is not None:
                raise stopped(stop, step, steps)
    return Trained(nnx.merge(graph, where.one_copy(state.params)), log.rows)


def _smaller_batches(
    config: Config,
    graph: nnx.GraphDef,
    hyper: Hyperparameters,
    state: TrainState,
    keys: Keys,
    batches: Batches,
) -> str:
    """What to say when a batch is too large for the memory: the field, and a size that should fit."""
    size = config.train.batch_size
    said = f"train.batch_size: batches of {size} do not fit"

    def compiled(smaller: int) -> jax.stages.Compiled:
        given = (hyper, state, keys, batches.of_size(smaller), jnp.int32(0))
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), given)
        return run_stretch.lower(graph, *shapes, **statics(config)).compile()

    largest = fitting(compiled, size)
    return f"{said}; about {largest} should" if largest else f"{said}; nor does the model with small ones"


def row_of(step: int, means: Numbers, schedule: Numbers) -> Row:
    """The row of ``metrics.jsonl`` of the stretch that ended at ``step``."""
    floats = {name: float(value) for name, value in means.items()}
    return {"step": step, **floats, "schedule": {name: float(value) for name, value in schedule.items()}}


def is_saved(config: Config, step: int, before: int) -> bool:
    """Whether a checkpoint is due after the stretch from ``before`` to ``step``."""
    every = config.checkpoint.every
    return step == config.train.steps or step // every > before // every


def stopped(stop: signal.Signals, step: int, steps: int) -> Stopped:
    """What a signal ends training with, once all is saved."""
    return Stopped(
        f"stopped by {stop.name} at iteration {step:,} of {steps:,}, which is saved;"
        " the same command goes on from there",
        stop,
    )


def _mean(logged: list[tuple[int, Numbers]]) -> dict[str, float]:
    """Averages over the parts of a stretch, each weighted by its iterations; norms of its last iteration."""
    lengths, parts = zip(*logged, strict=True)
    parts = jax.device_get(parts)
    return {
        name: float(
            parts[-1][name]
            if name in NORMS
            else np.float32(np.average([part[name] for part in parts], weights=lengths))
        )
        for name in parts[0]
    }


def check_finite(row: Row, before: int) -> None:
    """See that training from iteration ``before`` to this row has stayed finite.

    Raises:
      TrainingError: naming what is not.
    """
    metrics = {name: value for name, value in row.items() if isinstance(value, float)}
    for name, value in not_finite(metrics).items():
        last = row["step"] - 1
        advice = _ADVICE if before else f"{_ADVICE}; from iteration 0 on, {_FIRST_ADVICE}"
        raise TrainingError(f"{name} is {value} in iterations {before} to {last}; {advice}", last)


def _traced(
    error: TrainingError, config: Config, dataset: Dataset, checkpoints: Checkpoints, workdir: Path
) -> TrainingError:
    """The error with the very iteration, found from the newest checkpoint on, and its replay file."""
    graph, params = nnx.split(initial_model(config, dataset))
    state = initial_state(params)
    kept = "there is no checkpoint yet"
    if checkpoints.latest_step() is not None:
        state = checkpoints.restore(state)
        kept = f"the checkpoint of iteration {int(state.step)} is kept"
    failure = first_failure(config, dataset, graph, state, error.last)
    if failure is None:
        return error
    path = workdir / "replay.safetensors"
    write_replay(path, config, dataset, failure)
    name, value = next(iter(not_finite(failure.metrics).items()))
    step = int(failure.state.step)
    return TrainingError(
        f"{name} is {value} in iteration {step}; {kept}."
        f" python -m vsc_jax.train --replay {path} shows where it comes from;"
        f" {_ADVICE if step else _FIRST_ADVICE}",
        error.last,
    )
