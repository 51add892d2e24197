"""The training loop on the host: chunks of compiled iterations, log rows, checkpoints.

A run and the members of a sweep go through the same loop. Members share the data and everything that shapes
the program; they differ in their seeds and in what :class:`vsc_jax.training.schedules.Hyperparameters` holds.
Batches, keys and initial parameters are functions of a member's own seed and configuration, so a member is
the run that it would be alone, and its run folder the same.
"""

import dataclasses
import functools
import itertools
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.stages import Compiled

from vsc_jax.config import Config
from vsc_jax.config.errors import UserError
from vsc_jax.config.stopping import Stopped, stop_requests
from vsc_jax.data import streams
from vsc_jax.data.dataset import Dataset, check_range
from vsc_jax.data.streams import Stream
from vsc_jax.models import Model, build, check_network, parameter_count
from vsc_jax.training.batches import batches, check_sizes, chunks, placement
from vsc_jax.training.checkpoints import Checkpoints
from vsc_jax.training.memory import bytes_needed, check_parameters, free_memory, largest_wave, memory_errors
from vsc_jax.training.processes import lost_processes, shared_by_all
from vsc_jax.training.run_folder import MetricsLog, Row
from vsc_jax.training.schedules import hyperparameters, without_hyperparameters
from vsc_jax.training.sharding import ONE_DEVICE, Sharding, run_sharding
from vsc_jax.training.step import (
    NORMS,
    Method,
    TrainState,
    initial_state,
    keys_of,
    run_chunk,
    run_members,
    statics,
)

Numbers = dict[str, Any]
StopRequest = Callable[[], signal.Signals | None]

_ADVICE = "a smaller train.learning_rate may help"
# Before the first update no rate has done anything.
_FIRST_ADVICE = "data.scaling may help if the data's values are large, or a model.alpha further from 0 and 1"


class Trained(NamedTuple):
    """What training leaves: the model, and the rows of ``metrics.jsonl``."""

    model: Model
    history: list[Row]


class TrainingError(UserError):
    """Training cannot go on: a term of the loss or a norm is not finite."""


Outcome = tuple[int, Trained | UserError]
"""How a member ended: its place among the configurations; what it left, or why there is nothing."""


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
    """Refuse a configuration that does not suit the data, naming the field, before anything is written."""
    check_sizes(config.train, len(dataset.train))
    check_range(dataset, config.model.likelihood)
    check_network(config.model, dataset.example_shape)
    check_parameters(parameter_count(config.model, dataset.example_shape))
    run_sharding(config)


def check_members(config: Config, dataset: Dataset) -> None:
    """:func:`check` for the members of a sweep, which share examples on the device."""
    if config.train.steps == "auto":
        raise UserError("train.steps: expected a number for the members of a sweep, got auto")
    check(config, dataset)
    if placement(config, dataset.train.x) == "stream":
        raise UserError(
            "data.placement: the members of a sweep share training examples on the device, and these would be"
            " streamed; train them one after the other, or use fewer (data.train_examples)"
        )


def train(
    config: Config,
    dataset: Dataset,
    workdir: Path | None = None,
    on_row: Callable[[Row], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
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
    with ExitStack() as stack:
        with memory_errors("model.latents, model.hidden: the model is too large"):
            member = _Member(0, config, dataset, workdir, stack)
            member.state = shared_by_all(member.state)
        stop = stack.enter_context(stop_requests()) if workdir is not None else lambda: None
        if on_stage is not None and int(member.state.step) < config.train.iterations:
            on_stage("compiling")
        if on_row is not None and member.log.rows:
            on_row(member.log.rows[-1])
        on_rows = None if on_row is None else lambda rows: [on_row(row) for row in rows]
        with closing(_Solo(member, dataset, run_sharding(config))) as program:
            _loop([member], program, int(member.state.step), on_rows, stop)
            return member.trained(program.states()[0])


def train_members(
    configs: Sequence[Config],
    dataset: Dataset,
    workdirs: Sequence[Path | None],
    *,
    sharding: Sharding = ONE_DEVICE,
    memory: int | None = None,
    method: Method = "auto",
    on_rows: Callable[[list[Row]], object] | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Iterator[Outcome]:
    """Train runs together, in waves that fit memory; each resumes from its newest checkpoint.

    Args:
      configs: the runs, of one :func:`vsc_jax.training.schedules.without_hyperparameters`.
      dataset: their data.
      workdirs: their run folders, already claimed; None keeps a run in memory.
      sharding: the devices; copies of its last member fill a wave up to a multiple of their groups.
      memory: bytes that a wave may take on each device; most of what is free if not given.
      method: how members are put into one program, see :func:`vsc_jax.training.step.run_members`.
      on_rows: called after every chunk with the new rows of all members that go on.
      on_stage: called with ``compiling`` before that, and with each wave's number and size.

    Yields:
      The outcome of each member when its wave is done, those that need no training first.

    Raises:
      UserError: if a configuration does not suit the data or the memory.
      Stopped: on SIGINT or SIGTERM, after a checkpoint of every member of the wave.
    """
    shared = without_hyperparameters(configs[0])
    check_members(shared, dataset)
    compiler = _Compiler(shared, dataset, sharding, method, on_stage)
    steps = [_newest_step(workdir) for workdir in workdirs]
    waiting = [number for number, step in enumerate(steps) if step < shared.train.iterations]
    waves = [[number for number, step in enumerate(steps) if step == shared.train.iterations]]
    if waiting:
        if memory is None:
            memory = free_memory(1 if sharding.mesh is None else sharding.mesh.size)
        each = -(-len(waiting) // sharding.groups)
        each = largest_wave(compiler.bytes_of, each, memory, compiler.data.nbytes)
        waiting.sort(key=steps.__getitem__)  # those furthest behind first
        parts = np.array_split(waiting, -(-len(waiting) // (each * sharding.groups)))
        waves += [list(map(int, part)) for part in parts]
    for count, wave in enumerate(waves):
        if count > 0:
            on_stage(f"wave {count} of {len(waves) - 1}: {len(wave)} members")
        outcomes: list[Outcome] = []
        with stop_requests() as stop, ExitStack() as stack:
            members = []
            for number in wave:
                try:
                    members.append(_Member(number, configs[number], dataset, workdirs[number], stack))
                except UserError as problem:
                    outcomes.append((number, problem))
            members.sort(key=lambda member: int(member.state.step))
            for step, group in itertools.groupby(members, lambda member: int(member.state.step)):
                together = list(group)
                program = _Group(compiler, together)
                _loop(together, program, step, on_rows, stop)
                for member, state in zip(together, program.states(), strict=True):
                    outcomes.append((member.number, member.problem or member.trained(state)))
        yield from outcomes


class _Member:
    """One run on the host: its log, its checkpoints, and whether it still goes on."""

    def __init__(self, number: int, config: Config, dataset: Dataset, workdir: Path | None, stack: ExitStack):
        self.number, self.config = number, config
        self.problem: TrainingError | None = None
        self.graph, params = nnx.split(initial_model(config, dataset))
        state = initial_state(params)
        self.checkpoints: Checkpoints | None = None
        if workdir is not None:
            self.checkpoints = stack.enter_context(Checkpoints(workdir / "checkpoints", config.checkpoint))
            if self.checkpoints.latest_step() is not None:
                state = self.checkpoints.restore(state)
        # On the host: members may be more than one device holds.
        self.state: TrainState = jax.device_get(state)
        self.log = MetricsLog(workdir and workdir / "metrics.jsonl", int(self.state.step))

    def trained(self, state: TrainState) -> Trained:
        """What it left, with its last state; its problem is raised."""
        if self.problem is not None:
            raise self.problem
        return Trained(nnx.merge(self.graph, jax.tree.map(jnp.asarray, state.params)), self.log.rows)


class _Solo:
    """The program of a run on its own, on the device's examples or a stream of them."""

    def __init__(self, member: _Member, dataset: Dataset, sharding: Sharding):
        config = member.config
        self._config, self._graph, self._sharding = config, member.graph, sharding
        self._hyper, self._keys = hyperparameters(config), keys_of(config.seed)
        self._chunks = chunks(config, dataset.train.x, int(member.state.step), sharding)
        self._state = sharding.replicate(member.state)
        self.close = self._chunks.close  # ends the threads that read ahead

    def run(self, step: int, iterations: int) -> list[tuple[Numbers, Numbers]]:
        """Run iterations from ``step`` on: the averaged metrics and the schedules' values of each member."""
        size, blocks, lengths = self._config.train.batch_size, [], []
        for data, length in next(self._chunks):
            given = (self._graph, self._hyper, self._state, self._keys, data, jnp.int32(length))
            advice = f"train.batch_size, model.latents: batches of {size} do not fit; take smaller ones"
            with memory_errors(advice), lost_processes():
                self._state, *numbers = jax.block_until_ready(
                    run_chunk(*given, **statics(self._config), mesh=self._sharding.mesh)
                )
            blocks.append(jax.device_get(numbers))
            lengths.append(length)
        last, schedule = blocks[-1]
        # Averages are weighted by the iterations of each block; norms are of the last iteration.
        means = {
            name: value
            if name in NORMS
            else np.float32(np.average([block[name] for block, _ in blocks], weights=lengths))
            for name, value in last.items()
        }
        return [(means, schedule)]

    def states(self) -> list[TrainState]:
        """The state of each member, on the host."""
        return [jax.device_get(self._state)]


@dataclasses.dataclass(eq=False)
class _Compiler:
    """The compiled program of each number of members, and the examples that all of them read."""

    config: Config
    dataset: Dataset
    sharding: Sharding
    method: Method
    on_stage: Callable[[str], None]
    programs: dict[int, Compiled] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def data(self) -> jax.Array:
        """The training examples, on every device."""
        with memory_errors("data.train_examples: the training examples do not fit on the device"):
            examples: jax.Array = self.sharding.replicate(np.asarray(self.dataset.train.x))
        return examples

    def bytes_of(self, each: int) -> int:
        """Memory that the program of so many members a group takes on each device."""
        return bytes_needed(self.of(each * self.sharding.groups))

    def of(self, size: int) -> Compiled:
        """The program of ``size`` members."""
        if size not in self.programs:
            self.on_stage("compiling")
            graph, params = nnx.split(initial_model(self.config, self.dataset))
            order = jax.ShapeDtypeStruct(_order_shape(self.config), jnp.int32)
            one = (hyperparameters(self.config), initial_state(params), keys_of(0), order)
            hyper, state, keys, order = self.sharding.member_shapes(one, size)
            given = (graph, hyper, state, keys, self.data, order, jax.ShapeDtypeStruct((), jnp.int32))
            options = {**statics(self.config), "method": self.method, "mesh": self.sharding.mesh}
            self.programs[size] = run_members.lower(*given, **options).compile()
        return self.programs[size]


class _Group:
    """The program of members that are trained together."""

    def __init__(self, compiler: _Compiler, members: Sequence[_Member]):
        self._compiler, self._configs = compiler, [member.config for member in members]
        padded = [*members, *[members[-1]] * (-len(members) % compiler.sharding.groups)]
        self._shard = compiler.sharding.shard_members
        self._hyper = self._shard(_stacked([hyperparameters(member.config) for member in padded]))
        self._keys = self._shard(_stacked([keys_of(member.config.seed) for member in padded]))
        self._state = self._shard(_stacked([member.state for member in padded]))
        self._order = np.zeros((len(padded), *_order_shape(compiler.config)), np.int32)

    def run(self, step: int, iterations: int) -> list[tuple[Numbers, Numbers]]:
        compiler = self._compiler
        sizes = {"batch_size": compiler.config.train.batch_size, "examples": len(compiler.dataset.train)}
        for place, config in enumerate(self._configs):
            self._order[place, :iterations] = batches(config.seed, step, iterations, **sizes)
        with memory_errors(f"--memory: {len(self._configs)} members at once do not fit; give less"):
            program, order = compiler.of(len(self._order)), self._shard(self._order.copy())
            count = compiler.sharding.replicate(np.int32(iterations))
            self._state, *numbers = jax.block_until_ready(
                program(self._hyper, self._state, self._keys, compiler.data, order, count)
            )
        numbers = jax.device_get(numbers)
        members = range(len(self._configs))
        return [tuple(jax.tree.map(lambda leaf, i=i: leaf[i], numbers)) for i in members]

    def states(self) -> list[TrainState]:
        state = jax.device_get(self._state)
        return [jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), state) for i in range(len(self._configs))]


def _loop(
    members: Sequence[_Member],
    program: _Solo | _Group,
    step: int,
    on_rows: Callable[[list[Row]], object] | None,
    stop_request: StopRequest,
) -> None:
    """Train from one log point to the next until all is done, every member has diverged, or a signal came."""
    train = members[0].config.train
    while step < train.iterations and any(member.problem is None for member in members):
        iterations = min(train.log_every, train.iterations - step)
        results = program.run(step, iterations)
        rows, before, step = [], step, step + iterations
        for member, (means, schedule) in zip(members, results, strict=True):
            if member.problem is None:
                row = {"step": step, **_floats(means), "schedule": _floats(schedule)}
                rows.append(row)
                try:
                    check_finite(row, before)
                    member.log.append(row)
                except TrainingError as problem:
                    member.problem = problem
        if on_rows is not None and any(member.problem is None for member in members):
            on_rows(rows)
        stop = stop_request()
        every = members[0].config.checkpoint.every
        due = stop is not None or step == train.iterations or step // every > before // every
        if due and any(member.checkpoints is not None for member in members):
            for member, state in zip(members, program.states(), strict=True):
                if member.checkpoints is not None and member.problem is None:
                    member.checkpoints.save(state)
        if stop is not None:
            raise Stopped(
                f"stopped by {stop.name} at iteration {step:,} of {train.iterations:,}, which is saved;"
                " the same command goes on from there",
                stop,
            )


def _order_shape(config: Config) -> tuple[int, int]:
    return min(config.train.log_every, config.train.iterations), config.train.batch_size


def _newest_step(workdir: Path | None) -> int:
    names = [] if workdir is None else [path.name for path in workdir.glob("checkpoints/*")]
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _floats(numbers: Numbers) -> dict[str, float]:
    return {name: float(value) for name, value in numbers.items()}


def check_finite(row: Row, before: int) -> None:
    """A TrainingError for what is not finite since iteration ``before``; terms of the loss before effects."""
    wrong = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
    for name in sorted(wrong, key=lambda name: (name in NORMS, name in ("elbo", "loss"))):
        advice = _ADVICE if before else f"{_ADVICE}; from iteration 0 on, {_FIRST_ADVICE}"
        raise TrainingError(f"{name} is {row[name]} in iterations {before} to {row['step'] - 1}; {advice}")


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *x: (jnp if isinstance(x[0], jax.Array) else np).stack(x), *trees)
