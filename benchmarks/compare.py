"""Our training against PyTorch's, eager and compiled: ``python -m benchmarks.compare [--epoch]``.

The same networks, objectives, data and batches, alternating in one process on as many threads as the process
may use; needs ``pip install -e '.[benchmark]'``. Pinned to one core by ``taskset -c 0`` it counts CPU time.
Prints medians over the rounds and the medians of the rounds' ratios, and adds them to ``--output``, a CSV.
"""

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil

# In this process, before torch is imported: its compiling workers would take the cores of the first case.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
import torch

from benchmarks.steps import Chunk, flop, noise, peak, seconds
from benchmarks.torch_models import Trainer
from vsc_jax.config import Config, load_preset, with_overrides

CASES: dict[str, dict[str, Any]] = {
    "mlp-400": {"model.network": "mlp", "model.hidden": [400], "train.batch_size": 500},
    "mlp-3000": {"model.network": "mlp", "model.hidden": [3000], "train.batch_size": 500},
    "conv": {"model.network": "conv", "train.batch_size": 256},
}
KINDS = ("ae", "vae", "vsc")
EXAMPLES = 60_000
FIELDS = (
    *(
        "case",
        "kind",
        "precision",
        "threads",
        "iterations",
        "vsc_jax",
        "eager",
        "compiled",
        "eager_ratio",
        "compiled_ratio",
    ),
    *("peak_share", "gflop", "peak_gflops", "compile_s", "torch_compile_s"),
)


def configuration(case: str, kind: str, precision: str) -> Config:
    """What both sides train: 60 latents, and 32 pseudo-inputs for the VSC."""
    overrides = {**CASES[case], "model.latents": 60, "train.log_every": 100, "train.steps": 6000}
    overrides["train.precision"] = precision
    if kind == "vsc":
        overrides["model.pseudo_inputs"] = 32
    return with_overrides(load_preset(f"mnist_{kind}"), overrides)


def compare(config: Config, steps: int, rounds: int, compiled: bool) -> dict[str, Any]:
    """Milliseconds an iteration of each side, and PyTorch's over ours."""
    data = noise(EXAMPLES)
    ours = Chunk(config, data, steps)
    eager = Trainer(config, data, compiled=False)
    if eager.parameters != ours.parameters:
        raise SystemExit(
            f"not the same networks: {ours.parameters} parameters, {eager.parameters} in PyTorch"
        )
    sides: dict[str, Callable[[], float]] = {
        "vsc_jax": partial(ours.steps, steps),
        "eager": partial(eager.steps, steps),
    }
    if compiled:
        sides["compiled"] = partial(Trainer(config, data, compiled=True).steps, steps)
    first = {name: seconds(side) for name, side in sides.items()}
    wait_for_children()
    times: dict[str, list[float]] = {name: [] for name in sides}
    peaks = []
    for _ in range(rounds):
        peaks.append(peak())
        for name, side in sides.items():
            times[name].append(1e3 * seconds(side) / steps)
    result: dict[str, Any] = {name: statistics.median(values) for name, values in times.items()}
    for name in times:
        if name != "vsc_jax":
            ratios = [theirs / mine for theirs, mine in zip(times[name], times["vsc_jax"], strict=True)]
            result[f"{name}_ratio"] = statistics.median(ratios)
    share = [flop(config) / (1e-3 * mine) / top for mine, top in zip(times["vsc_jax"], peaks, strict=True)]
    return result | {
        "peak_share": statistics.median(share),
        "gflop": flop(config) / 1e9,
        "peak_gflops": statistics.median(peaks) / 1e9,
        "compile_s": ours.compile_seconds,
        "torch_compile_s": first.get("compiled"),
    }


def wait_for_children(interval: float = 0.5, longest: float = 120.0) -> None:
    """Wait until the processes that this one has started do no more work.

    Raises:
      SystemExit: if they still do after ``longest`` seconds.
    """
    end, before = time.monotonic() + longest, -1.0
    while (now := _work_of_children()) != before:
        if time.monotonic() > end:
            raise SystemExit(f"processes of torch.compile are still at work after {longest:g} s")
        before = now
        time.sleep(interval)


def _work_of_children() -> float:
    """CPU seconds of the processes that this one has started and that still run."""
    work = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            work += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10, help="iterations of a round")
    parser.add_argument("--epoch", action="store_true", help="a round is an epoch of 60,000 examples")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="of both sides' products"
    )
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--output", type=Path, help="CSV file that the numbers are added to")
    arguments = parser.parse_args()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads)
    print(
        f"torch {torch.__version__}, {threads} thread(s), {arguments.precision}, {arguments.rounds} rounds;"
        " ms an iteration"
    )
    print("| network | model | vsc_jax | eager | compiled | eager / ours | compiled / ours | share of peak |")
    print("|---|---|---|---|---|---|---|---|")
    for case in arguments.cases:
        for kind in arguments.kinds:
            config = configuration(case, kind, arguments.precision)
            steps = EXAMPLES // config.train.batch_size if arguments.epoch else arguments.steps
            result = compare(config, steps, arguments.rounds, not arguments.no_compile)
            names = ("vsc_jax", "eager", "compiled", "eager_ratio", "compiled_ratio", "peak_share")
            cells = [f"{result[name]:.2f}" if name in result else "-" for name in names]
            print(f"| {case} | {kind} | {' | '.join(cells)} |", flush=True)
            if arguments.output is not None:
                how = {"precision": arguments.precision, "threads": threads, "iterations": steps}
                append(arguments.output, {"case": case, "kind": kind, **how, **result})


def append(path: Path, row: dict[str, Any]) -> None:
    """Add a row to a CSV file, which is made with a header when missing."""
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if fresh:
            writer.writeheader()
        writer.writerow({name: f"{v:.4g}" if isinstance(v, float) else v for name, v in row.items()})


if __name__ == "__main__":
    main()
