"""Many runs trained together: the members of a sweep, in one compiled program.

Members share the data and everything that shapes the program; they differ in their seeds and in what
:class:`vsc_jax.training.schedules.Hyperparameters` holds. Batches, keys and initial parameters are
functions of a member's own seed and configuration, so a member is the run that it would be alone, and its
run folder the same.
"""

import functools
import itertools
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.stages import Compiled

from vsc_jax.config import Config
from vsc_jax.config.errors import UserError
from vsc_jax.config.stopping import stop_requests
from vsc_jax.data.dataset import Dataset
from vsc_jax.models import build
from vsc_jax.training.batch_source import placement
from vsc_jax.training.batches import batches
from vsc_jax.training.checkpoints import Checkpoints
from vsc_jax.training.devices import MembersLayout
from vsc_jax.training.loop import (
    Numbers,
    OnStage,
    Trained,
    TrainingError,
    check,
    check_finite,
    initial_model,
    is_saved,
    row_of,
    stopped,
)
from vsc_jax.training.memory import bytes_needed, free_memory, largest_wave, memory_errors
from vsc_jax.training.run_folder import MetricsLog, Row
from vsc_jax.training.schedules import Hyperparameters, hyperparameters, without_hyperparameters
from vsc_jax.training.step import Keys, Method, TrainState, initial_state, keys_of, run_members, statics

OnRows = Callable[[list[Row]], None]
Asked = Callable[[], signal.Signals | None]
ONE_DEVICE = MembersLayout()


class Outcome(NamedTuple):
    """How a member ended.

    Attributes:
      number: its place among the configurations.
      trained: its model and history, or None.
      problem: why there is none: it diverged, or its checkpoint is damaged.
    """

    number: int
    trained: Trained | None
    problem: UserError | None


def check_members(config: Config, dataset: Dataset) -> None:
    """See that members of this configuration can be trained on the data, before anything is written.

    Raises:
      UserError: naming the field that does not suit the data.
    """
    check(config, dataset)
    if placement(config, dataset.train.x) == "stream":
        raise UserError(
            "data.placement: the members of a sweep share training examples on the device, and these would be"
            " streamed; train them one after the other, or use fewer (data.train_examples)"
        )


def train_members(
    configs: Sequence[Config],
    dataset: Dataset,
    workdirs: Sequence[Path | None],
    *,
    where: MembersLayout = ONE_DEVICE,
    memory: int | None = None,
    method: Method = "auto",
    on_rows: OnRows | None = None,
    on_stage: OnStage | None = None,
) -> Iterator[Outcome]:
    """Train runs together, in waves that fit memory; each resumes from its newest checkpoint.

    Args:
      configs: the runs, of one :func:`vsc_jax.training.schedules.without_hyperparameters`.
      dataset: their data.
      workdirs: their run folders, already claimed; None keeps a run in memory.
      where: the devices; waves are for a multiple of the groups over which members are spread, and what a
        wave lacks is made up by copies of its last member.
      memory: bytes that a wave may take on each device; most of what is free if not given.
      method: how members are put into one program, see :func:`vsc_jax.training.step.run_members`.
      on_rows: called after every stretch with the new rows of all members that go on.
      on_stage: called with ``compiling`` before a program is compiled, and with the wave's number and
        size before it starts.

    Yields:
      The outcome of each member when its wave is done, those that need no training first.

    Raises:
      UserError: if a configuration does not suit the data or the memory.
      Stopped: on SIGINT or SIGTERM, after a checkpoint of every member of the wave.
    """
    tell = on_stage or (lambda stage: None)
    shared = without_hyperparameters(configs[0])
    check_members(shared, dataset)
    steps = [_newest_step(workdir) for workdir in workdirs]
    waiting = []
    for number, step in enumerate(steps):
        if step == shared.train.steps:
            with ExitStack() as stack:
                try:
                    member = _Member(number, configs[number], dataset, workdirs[number], stack)
                except UserError as problem:
                    yield Outcome(number, None, problem)
                    continue
                steps[number] = int(member.state.step)  # earlier where the newest checkpoint is damaged
                if steps[number] == step:
                    yield member.outcome(member.state)
        if steps[number] < shared.train.steps:
            waiting.append(number)
    if not waiting:
        return
    with memory_errors(lambda: "data.train_examples: the training examples do not fit on the device"):
        program = _Program(shared, dataset, where, method, tell)
    if memory is None:
        memory = free_memory(1 if where.mesh is None else where.mesh.size)
    each = largest_wave(program.bytes_of, -(-len(waiting) // where.groups), memory, program.data.nbytes)
    waves = list(_waves(waiting, steps, each * where.groups))
    for count, wave in enumerate(waves, 1):
        tell(f"wave {count} of {len(waves)}: {len(wave)} members")
        with stop_requests() as asked:
            outcomes = list(_train_wave(program, wave, configs, dataset, workdirs, on_rows, asked))
        yield from outcomes


class _Member:
    """One run on the host: its log, its checkpoints, and whether it still goes on."""

    def __init__(self, number: int, config: Config, dataset: Dataset, workdir: Path | None, stack: ExitStack):
        self.number, self.config = number, config
        self.problem: TrainingError | None = None
        self._graph, params = nnx.split(initial_model(config, dataset))
        state = initial_state(params)
        self._checkpoints: Checkpoints | None = None
        path = None
        if workdir is not None:
            path = workdir / "metrics.jsonl"
            checkpoints = Checkpoints(workdir / "checkpoints", config.checkpoint)
            self._checkpoints = stack.enter_context(checkpoints)
            if checkpoints.latest_step() is not None:
                state = checkpoints.restore(state)
        # On the host: members may be more than one device holds.
        self.state: TrainState = jax.device_get(state)
        self._log = MetricsLog(path, int(self.state.step))

    def record(self, row: Row, before: int, state: Callable[[], TrainState], stop: bool) -> None:
        """Keep the row of the stretch from ``before``, and the state where one is due or all stops."""
        try:
            check_finite(row, before)
        except TrainingError as problem:
            self.problem = problem
            return
        self._log.append(row)
        if self._checkpoints is not None and (stop or is_saved(self.config, row["step"], before)):
            self._checkpoints.save(state())

    def outcome(self, state: TrainState) -> Outcome:
        """How it ended, with its last state."""
        if self.problem is not None:
            return Outcome(self.number, None, self.problem)
        params = jax.tree.map(jnp.asarray, state.params)
        trained = Trained(nnx.merge(self._graph, params), self._log.rows)
        return Outcome(self.number, trained, None)


class _Program:
    """The compiled program of each number of members, and what all of them read."""

    def __init__(self, config: Config, dataset: Dataset, where: MembersLayout, method: Method, tell: OnStage):
        self.config, self.where, self._method, self._tell = config, where, method, tell
        self.data = where.shared(np.asarray(dataset.train.x))
        self.longest = (min(config.train.log_every, config.train.steps), config.train.batch_size)
        self.of = functools.cache(self._compile)
        size = len(dataset.train)
        template = nnx.eval_shape(
            lambda: build(
                config.model,
                dataset.example_shape,
                jax.random.key(0),
                dataset_size=size,
                scaling=dataset.scaling,
            )
        )
        self._graph, params = nnx.split(template)
        self._one = jax.eval_shape(
            lambda params: (hyperparameters(config), initial_state(params), keys_of(0)), params
        )

    def bytes_of(self, each: int) -> int:
        """Memory that the program of so many members a group takes on each device."""
        return bytes_needed(self.of(each * self.where.groups))

    def _compile(self, size: int) -> Compiled:
        self._tell("compiling")
        order = jax.ShapeDtypeStruct(self.longest, jnp.int32)
        hyper, state, keys, order = self.where.shapes((*self._one, order), size)
        iterations = jax.ShapeDtypeStruct((), jnp.int32)
        return run_members.lower(
            self._graph,
            hyper,
            state,
            keys,
            self.data,
            order,
            iterations,
            **statics(self.config),
            method=self._method,
            mesh=self.where.mesh,
        ).compile()


def _newest_step(workdir: Path | None) -> int:
    if workdir is None or not (workdir / "checkpoints").is_dir():
        return 0
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        return checkpoints.latest_step() or 0


def _waves(waiting: Sequence[int], steps: Sequence[int], size: int) -> Iterator[list[int]]:
    """Members at one iteration in waves of about the same size, those furthest behind first."""
    for _, group in itertools.groupby(sorted(waiting, key=steps.__getitem__), key=steps.__getitem__):
        numbers = list(group)
        count = -(-len(numbers) // size)
        yield from (list(map(int, part)) for part in np.array_split(numbers, count))


def _train_wave(
    program: _Program,
    wave: Sequence[int],
    configs: Sequence[Config],
    dataset: Dataset,
    workdirs: Sequence[Path | None],
    on_rows: OnRows | None,
    asked: Asked,
) -> Iterator[Outcome]:
    with ExitStack() as stack:
        members: dict[int, list[_Member]] = {}
        for number in wave:
            try:
                member = _Member(number, configs[number], dataset, workdirs[number], stack)
            except UserError as problem:
                yield Outcome(number, None, problem)
            else:
                members.setdefault(int(member.state.step), []).append(member)
        # As a rule all are at one iteration: that of the newest checkpoints.
        for step in sorted(members):
            yield from _train_together(program, members[step], step, len(dataset.train), on_rows, asked)


def _train_together(
    program: _Program,
    members: Sequence[_Member],
    step: int,
    examples: int,
    on_rows: OnRows | None,
    asked: Asked,
) -> Iterator[Outcome]:
    train, where = program.config.train, program.where
    filled = [*members, *[members[-1]] * (-len(members) % where.groups)]
    run = program.of(len(filled))
    hyper: Hyperparameters = where.spread(_stacked([hyperparameters(m.config) for m in filled]))
    keys: Keys = where.spread(_stacked([keys_of(m.config.seed) for m in filled]))
    state: TrainState = where.spread(_stacked([m.state for m in filled]))
    order = np.zeros((len(filled), *program.longest), np.int32)
    while step < train.steps and any(member.problem is None for member in members):
        iterations = min(train.log_every, train.steps - step)
        for place, member in enumerate(members):
            order[place, :iterations] = batches(
                member.config.seed, step, iterations, batch_size=train.batch_size, examples=examples
            )
        with memory_errors(lambda: f"--memory: {len(members)} members at once do not fit; give less"):
            state, *metrics = jax.block_until_ready(
                run(
                    hyper,
                    state,
                    keys,
                    program.data,
                    where.spread(order.copy()),
                    where.shared(jnp.int32(iterations)),
                )
            )
        means, schedule = jax.device_get(metrics)
        stop = asked()
        rows = []
        for place, member in enumerate(members):
            if member.problem is None:
                row = row_of(step + iterations, *(_at(numbers, place) for numbers in (means, schedule)))
                member.record(row, step, functools.partial(where.member, state, place), stop is not None)
                rows.append(row)
        step += iterations
        if on_rows is not None:
            on_rows(rows)
        if stop is not None:
            raise stopped(stop, step, train.steps)
    for place, member in enumerate(members):
        yield member.outcome(where.member(state, place))


def _stacked(trees: Sequence[Any]) -> Any:
    def stacked(*leaves: Any) -> Any:
        return (jnp if isinstance(leaves[0], jax.Array) else np).stack(leaves)

    return jax.tree.map(stacked, *trees)


def _at(numbers: Numbers, place: int) -> Numbers:
    return {name: values[place] for name, values in numbers.items()}
