"""Kills training processes, and compares what they leave with runs that were never stopped.

``python -m tools.kills [--kills 12] [--runs vae-device ...] [--seed 0]`` trains small models in
processes of their own. A process is ended by SIGKILL: after a random time (``any``), while a checkpoint is
being written (``checkpoint``), in the middle of a row of metrics.jsonl (``row``), or between writing
results.json aside and moving it to its place (``results``). It is started again, killed again, and so on,
until it may end. Then every array of every checkpoint, metrics.jsonl and results.json must be those of the
undisturbed run, bit by bit. ``docs/reliability.md`` has the table.

A server process that has imported everything and started nothing forks each training process
(``multiprocessing``'s forkserver), which saves the seconds that imports take; XLA's compiled programs are
kept on disk.
"""

import argparse
import dataclasses
import itertools
import json
import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from vsc_jax.config import (
    CheckpointConfig,
    Config,
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    Ramp,
    ScheduleConfig,
    TrainConfig,
    from_dict,
    to_dict,
)

Kill = Literal["any", "checkpoint", "row", "results"]
_LOG_EVERY, _CHECKPOINT_EVERY = 5, 10
_LONGEST_SAVE = 0.12  # seconds within which a checkpoint of these models is written, and a little more
_TIME_LIMIT = 120.0


def run_configs(steps: int = 300) -> dict[str, Config]:
    """The runs by name: every model with data on the device and streamed, pixels drawn anew for the VAE."""
    models = {
        "ae": ModelConfig(kind="ae", latents=4, hidden=(16,)),
        "vae": ModelConfig(kind="vae", latents=4, hidden=(16,)),
        "vsc_wu": ModelConfig(kind="vsc", latents=4, hidden=(16,), pseudo_inputs=4),
    }
    configs = {}
    for kind, model in models.items():
        for placement in ("device", "stream"):
            config = Config(
                name=f"{kind}-{placement}",
                data=DataConfig(train_examples=200, test_examples=50, image_size=28),
                model=model,
                train=TrainConfig(steps=steps, batch_size=32, log_every=_LOG_EVERY, progress=False),
                checkpoint=CheckpointConfig(every=_CHECKPOINT_EVERY),
                evaluate=EvaluateConfig(samples=4, batch_size=50, figures=False),
            )
            data = dataclasses.replace(config.data, placement=placement)
            if kind == "vae":
                data = dataclasses.replace(data, binarize="dynamic")
            if kind == "vsc_wu":
                schedule = ScheduleConfig(warm_up=Ramp(0.0, 1.0, begin=0.0, until=0.5))
                config = dataclasses.replace(config, schedule=schedule)
            configs[config.name] = dataclasses.replace(config, data=data)
    return configs


def _work(config: dict[str, Any], workdir: str, kill: Kill | None, number: int, delay: float) -> None:
    """What a training process does: the run, with a deadly trap laid in it.

    Args:
      config: the run.
      workdir: its folder.
      kill: which trap.
      number: the checkpoint, or the row, at which it closes.
      delay: seconds after the start of the checkpoint.
    """
    import jax

    jax.config.update("jax_compilation_cache_dir", str(Path(workdir).parent / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

    import vsc_jax
    from vsc_jax import run
    from vsc_jax.training import checkpoints, run_folder

    calls = iter(range(1, 10**9))

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if kill == "checkpoint":
        save = checkpoints.Checkpoints.save

        def deadly_save(self: Any, state: Any) -> None:
            if next(calls) == number:
                threading.Timer(delay, die).start()
            save(self, state)

        checkpoints.Checkpoints.save = deadly_save
    if kill == "row":
        append = run_folder.MetricsLog.append

        def deadly_append(self: Any, row: dict[str, Any]) -> None:
            if next(calls) == number:
                line = json.dumps(row)
                with open(Path(workdir) / "metrics.jsonl", "a") as file:
                    file.write(line[: int(delay / _LONGEST_SAVE * len(line))])
                die()
            append(self, row)

        run_folder.MetricsLog.append = deadly_append
    if kill == "results":

        def deadly_write(path: Path, value: Any) -> None:
            path.with_name(path.name + ".tmp").write_text(json.dumps(value)[: number * 10])
            die()

        run.write_json = deadly_write
    vsc_jax.fit(from_dict(config), workdir)


class Outcome(NamedTuple):
    """What was killed, and whether it showed.

    Attributes:
      hits: how many kills fell where.
      runs: how many runs came to their end.
      differences: what differed from the undisturbed run, over all of them.
    """

    hits: Counter[str]
    runs: int
    differences: list[str]


class Killer:
    """Starts training processes and ends them.

    Args:
      folder: where run folders and compiled programs live.
      rng: when to kill.
    """

    def __init__(self, folder: Path, rng: random.Random):
        self._folder, self._rng = folder, rng
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            ["vsc_jax.run", "vsc_jax.evaluation", "orbax.checkpoint", "grain"]
        )

    def undisturbed(self, config: Config) -> tuple[Path, float]:
        """The folder of the run that is never stopped, and the seconds that it takes."""
        workdir, start = self._folder / f"{config.name}-undisturbed", time.monotonic()
        self._start(config, workdir, None)
        return workdir, time.monotonic() - start

    def kill(self, config: Config, undisturbed: Path, kinds: Iterable[Kill], longest: float) -> "Outcome":
        """Kill a run in every way that ``kinds`` says, and look at what is there whenever it reaches its end.

        Args:
          config: the run.
          undisturbed: the folder that it is compared with.
          kinds: the kills, one after the other; a run that ends before it is killed is begun anew.
          longest: seconds within which a kill at any moment falls.
        """
        outcome = Outcome(Counter(), 0, [])

        def ended(workdir: Path) -> None:
            outcome.differences.extend(differences(undisturbed, workdir))

        workdirs = (self._folder / f"{config.name}-killed-{number}" for number in itertools.count())
        workdir = next(workdirs)
        for kind in kinds:
            while self._start(config, workdir, kind, longest):
                ended(workdir)
                workdir = next(workdirs)
                outcome = outcome._replace(runs=outcome.runs + 1)
            outcome.hits[self._hit(config, workdir, kind)] += 1
        self._start(config, workdir, None)
        ended(workdir)
        return outcome._replace(runs=outcome.runs + 1)

    def _start(self, config: Config, workdir: Path, kind: Kill | None, longest: float = 0.0) -> bool:
        """Run one process; whether it lived to its end."""
        delay = self._rng.uniform(0, _LONGEST_SAVE)
        # Few enough that a run lives through several kills.
        number = self._rng.randint(1, 4 if kind == "checkpoint" else 8)
        process = self._context.Process(
            target=_work, args=(to_dict(config), str(workdir), kind, number, delay)
        )
        process.start()
        process.join(self._rng.uniform(0, longest) if kind == "any" else _TIME_LIMIT)
        if process.is_alive():
            if kind != "any":
                raise RuntimeError(f"{config.name}: no end after {_TIME_LIMIT} s")
            process.kill()
            process.join()
        if process.exitcode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"{config.name}: the process ended with {process.exitcode}")
        return process.exitcode == 0

    @staticmethod
    def _hit(config: Config, workdir: Path, kind: Kill) -> str:
        """What a kill interrupted, seen from what it left."""
        if kind in ("row", "results"):
            return kind
        if any((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*")):
            return "checkpoint"
        if not (workdir / "metrics.jsonl").exists():
            return "start"
        return "evaluation" if (workdir / "checkpoints" / str(config.train.steps)).exists() else "training"


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two finished runs: arrays by checkpoint and name, and files."""
    found = [
        name
        for name in ("metrics.jsonl", "results.json")
        if (one / name).read_bytes() != (other / name).read_bytes()
    ]
    arrays, others = _arrays(one), _arrays(other)
    found += [
        name
        for name in sorted(arrays.keys() | others.keys())
        if name not in arrays
        or name not in others
        or arrays[name].dtype != others[name].dtype
        or arrays[name].tobytes() != others[name].tobytes()
    ]
    return found


def _arrays(workdir: Path) -> dict[str, np.ndarray]:
    """All arrays of all checkpoints: parameters, optimizer and step."""
    import orbax.checkpoint as ocp

    arrays = {}
    for folder in (workdir / "checkpoints").iterdir():
        with ocp.StandardCheckpointer() as checkpointer:
            tree = checkpointer.restore(folder.resolve() / "default")
        arrays |= {f"{folder.name}/{name}": np.asarray(leaf) for name, leaf in tree.items()}
    return arrays


def kinds_in_turn(count: int, rng: random.Random) -> list[Kill]:
    """So many kills in random order: half of them at any moment, one at the results."""
    kinds: list[Kill] = [("any", "checkpoint", "any", "row")[i % 4] for i in range(count - 1)]
    kinds.append("results")
    rng.shuffle(kinds)
    return kinds


def report(names: list[str], kills: int, seed: int, folder: Path) -> bool:
    """Kill every run so many times and print a line each; whether all were as the undisturbed ones."""
    rng = random.Random(seed)
    killer, good = Killer(folder, rng), True
    for name in names:
        config = run_configs()[name]
        killer.undisturbed(dataclasses.replace(config, name=f"{name}-first"))  # compiles
        undisturbed, seconds = killer.undisturbed(config)
        outcome = killer.kill(config, undisturbed, kinds_in_turn(kills, rng), seconds)
        hits = ", ".join(f"{count} {what}" for what, count in sorted(outcome.hits.items()))
        found = outcome.differences
        good &= not found
        said = "identical" if not found else f"DIFFERENT: {', '.join(found[:5])}"
        print(f"| {name} | {outcome.hits.total()} | {hits} | {outcome.runs} | {said} |", flush=True)
    return good


def main() -> None:
    """Kill, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", nargs="+", choices=sorted(run_configs()), default=sorted(run_configs()))
    parser.add_argument("--kills", type=int, default=12, help="kills a run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| run | kills | where they fell | runs ended | compared to the undisturbed run |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        good = report(arguments.runs, arguments.kills, arguments.seed, Path(folder))
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
