"""Seconds of training until the test bound is good: ``python -m benchmarks.time_to [--data fashion_mnist]``.

The preset of the VSC and of the VAE at J = 200, each with several lengths, since a schedule ends with its
run, beside the same VAE in PyTorch: eager and through ``torch.compile``, plain Adam at the best of
:data:`RATES` after a short run. Only training counts, compilation and the choice of a rate do not. The sides
take turns, a chunk each, so that other work on the machine slows all of them alike. Pinned to one core by
``taskset -c 0`` seconds are those of the processor.

Rows go to ``--output``, a CSV; ``--table`` prints what is there and trains nothing. It needs
``TFDS_DATA_DIR`` and ``pip install -e '.[benchmark]'``.
"""

import argparse
import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # before torch is imported
import jax
import numpy as np
import torch
from flax import nnx
from matplotlib import pyplot as plt

from benchmarks.peers.results import markdown
from benchmarks.steps import Chunk, seconds
from benchmarks.torch_models import Trainer
from vsc_jax import data
from vsc_jax.config import Config, DataConfig, load_preset, with_overrides
from vsc_jax.evaluation.bounds import importance_weighted

PRESETS = {"mnist": "mnist", "fashion_mnist": "fashion"}
TARGETS = {"mnist": (-104.0, -102.5, -101.0), "fashion_mnist": (-241.0, -239.0, -237.0)}
RATES = (5e-4, 1e-3, 2e-3)
TRIED = 1000  # steps after which a rate is chosen
CHUNK = 500  # steps between two measurements
FIELDS = ("data", "side", "length", "step", "seconds", "elbo")
PATH = Path(__file__).resolve().parent / "results" / "time_to.csv"


class Ours(Chunk):
    """A preset of ours, with its schedules."""

    def bound(self, x: np.ndarray) -> float:
        """Importance-weighted bound of the test, one sample for each image, in nats.

        For a VAE it is the ELBO; for a VSC a little more, as its mixture prior is exact here.
        """
        model: Any = nnx.merge(self._graph, self._state.params)
        return float(np.mean(importance_weighted(model, x, jax.random.key(0), samples=1)))


class Theirs(Trainer):
    """The VAE in PyTorch."""

    def bound(self, x: np.ndarray) -> float:
        """The same of PyTorch's model."""
        with torch.no_grad():
            flat = torch.from_numpy(x.reshape(len(x), -1))
            return -float(self.model(flat, *torch.tensor([1.0, 1.0, 0.0, 0.0]).unbind()))


def configuration(name: str, kind: str, length: int, seed: int) -> Config:
    """A preset of 200 latents, of which a twentieth should be on, with a length."""
    changes: dict[str, Any] = {"model.latents": 200, "train.steps": length, "seed": seed}
    changes |= {"train.log_every": CHUNK} | ({"model.alpha": 0.05} if kind == "vsc" else {})
    return with_overrides(load_preset(f"{PRESETS[name]}_{kind}"), changes)


def rate_of(config: Config, x: np.ndarray, x_test: np.ndarray) -> float:
    """The rate with which PyTorch's VAE is best after some steps."""
    bounds = {}
    for rate in RATES:
        trial = Theirs(with_overrides(config, {"train.learning_rate": rate}), x, compiled=False)
        trial.steps(TRIED)
        bounds[rate] = trial.bound(x_test)
    print({rate: round(bound, 2) for rate, bound in bounds.items()}, flush=True)
    return max(bounds, key=lambda rate: bounds[rate])


def measured(
    name: str, lengths: list[int], theirs: int, seed: int, compiled: bool
) -> Iterator[dict[str, Any]]:
    """A row for each side and chunk."""
    found = data.load(DataConfig(name=name))
    x, test = np.asarray(found.train.x), np.asarray(found.test.x)
    x_test = test.astype(np.float32) / 255
    dense = configuration(name, "vae", theirs, seed)
    best = with_overrides(dense, {"train.learning_rate": rate_of(dense, x, x_test)})
    sides: dict[tuple[str, int], Callable[[], Ours | Theirs]] = {}
    for kind in ("vsc", "vae"):
        for length in lengths:
            sides[f"vsc_jax, {kind}", length] = partial(
                Ours, configuration(name, kind, length, seed), x, CHUNK
            )
    sides["PyTorch, vae, eager", theirs] = partial(Theirs, best, x, compiled=False)
    if compiled:
        sides["PyTorch, vae, compiled", theirs] = partial(Theirs, best, x, compiled=True)
    running = {}
    for key, make in sides.items():
        running[key] = (make(), 0.0)
        if isinstance(running[key][0], Theirs):
            running[key][0].steps(3)  # what compiles
    for step in range(CHUNK, max(*lengths, theirs) + 1, CHUNK):
        for (side, length), (run, spent) in running.items():
            if step <= length:
                spent += seconds(partial(run.steps, CHUNK))
                running[side, length] = run, spent
                elbo = run.bound(x_test)
                yield dict(
                    zip(FIELDS, (name, side, length, step, round(spent, 2), round(elbo, 2)), strict=True)
                )


def table(rows: list[dict[str, str]]) -> str:
    """By side the seconds to each target, and the best bound with its seconds."""
    runs: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        runs[row["data"], row["side"], row["length"]].append((float(row["seconds"]), float(row["elbo"])))
    lines = [["data", "side", "steps", "seconds to", "best bound", "its seconds"]]
    for (name, side, length), points in runs.items():
        spent = {target: [at for at, elbo in points if elbo >= target] for target in TARGETS[name]}
        reached = ", ".join(f"{target:g}: {min(at):.0f}" for target, at in spent.items() if at) or "none"
        last, best = max(points, key=lambda point: point[1])
        lines.append([name, side, length, reached, f"{best:.2f}", f"{last:.0f}"])
    return markdown(lines)


def draw(rows: list[dict[str, str]], name: str, path: Path) -> None:
    """The test bound against the seconds of training."""
    runs: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if row["data"] == name:
            runs[row["side"], row["length"]].append((float(row["seconds"]), float(row["elbo"])))
    plt.switch_backend("agg")
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for number, ((side, length), points) in enumerate(runs.items()):
        color = {"vsc": "tab:orange", "vae": "tab:blue"}[side.split(", ")[1]]
        ours = side.startswith("vsc_jax")
        marker = "osD^v*"[number % 6]
        axes.plot(
            *zip(*points, strict=True),
            "-" if ours else "--",
            color=color if ours else "0.4",
            marker=marker,
            markersize=3,
            label=f"{side}, {int(length):,} steps",
        )
    for target in TARGETS[name]:
        axes.axhline(target, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="seconds of training", ylabel="test bound in nats", title=f"Time to a bound: {name}")
    best = max(elbo for points in runs.values() for _, elbo in points)
    axes.set_ylim(TARGETS[name][0] - 8, max(best, TARGETS[name][-1]) + 0.5)
    axes.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Train, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", choices=tuple(PRESETS), default="mnist")
    parser.add_argument("--lengths", type=int, nargs="+", default=[4000, 8000, 16_000], help="of our runs")
    parser.add_argument("--theirs", type=int, default=16_000, help="steps of PyTorch's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile")
    parser.add_argument("--output", type=Path, default=PATH)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the curves of --data")
    arguments = parser.parse_args()
    if not arguments.table:
        new = not arguments.output.exists()
        with arguments.output.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            if new:
                writer.writeheader()
            for row in measured(
                arguments.data, arguments.lengths, arguments.theirs, arguments.seed, not arguments.no_compile
            ):
                writer.writerow(row)
                file.flush()
    rows = list(csv.DictReader(arguments.output.open(newline="")))
    print(table(rows))
    if arguments.figure:
        draw(rows, arguments.data, arguments.figure)


if __name__ == "__main__":
    main()
