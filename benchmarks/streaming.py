"""What it costs to read training examples while training: throughput and peak memory.

``python -m benchmarks.streaming [--config mnist_vsc] [--rounds 5] [--gigabytes 2]``

Throughput: the preset on noise of MNIST's size, from both placements in turn within this process; the ratio
of the medians of the time that an iteration takes. Memory: a file of grey noise is written to a temporary
folder, a small model is trained and evaluated on it by the command line in a process of its own, and the file
is deleted. Pages of the file count as that process's memory while it looks at them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from vsc_jax.config import Config, load_preset, with_overrides
from vsc_jax.data import Dataset, Split
from vsc_jax.training import train

PLACEMENTS = ("device", "stream")
SHAPE = (28, 28)
WRITTEN = 2**15  # images written at a time


def noise(n: int, seed: int = 0) -> np.ndarray:
    """Grey noise, uint8 ``[n, 28, 28]``."""
    return np.random.default_rng(seed).integers(0, 256, (n, *SHAPE), np.uint8)


def seconds_an_iteration(config: Config, dataset: Dataset) -> np.ndarray:
    """Time of an iteration in each chunk of a run but the first, which compiles."""
    times: list[float] = []
    train(config, dataset, on_row=lambda row: times.append(time.perf_counter()))
    return np.diff(times) / config.train.log_every


def throughput(preset: str, rounds: int, chunks: int) -> None:
    """Print the time of an iteration from both placements, and their ratio."""
    config = load_preset(preset)
    config = replace(config, train=replace(config.train, steps=chunks * config.train.log_every))
    dataset = Dataset("noise", Split(noise(60_000)), Split(noise(100)))
    found = {placement: [] for placement in PLACEMENTS}
    for _ in range(rounds):
        for placement in PLACEMENTS:
            chosen = with_overrides(config, {"data.placement": placement})
            found[placement].append(seconds_an_iteration(chosen, dataset))
    medians = {placement: np.median(np.concatenate(times)) for placement, times in found.items()}
    for placement, median in medians.items():
        print(f"{preset} on {jax.devices()[0].device_kind}, {placement}: {median * 1e3:.3f} ms an iteration")
    ratios = [np.median(one) / np.median(other) for one, other in zip(*found.values(), strict=True)]
    print(
        f"throughput of the stream: {medians['device'] / medians['stream']:.3f} of the device's"
        f" (rounds from {min(ratios):.3f} to {max(ratios):.3f})"
    )


def write_images(path: Path, gigabytes: float) -> int:
    """A file of grey noise, a block at a time; how many images it holds."""
    n = round(gigabytes * 1e9 / np.prod(SHAPE))
    with path.open("wb") as file:  # not mapped: a process begins with the peak of the one that starts it
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (n, *SHAPE)}
        )
        for start in range(0, n, WRITTEN):
            file.write(noise(min(WRITTEN, n - start), start).tobytes())
    return n


def peak_memory(gigabytes: float, steps: int) -> None:
    """Print the peak memory of a process that trains on a large file, from each placement."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        n = write_images(path, gigabytes)
        print(f"{n:,} images, {path.stat().st_size / 1e9:.2f} GB")
        for placement in PLACEMENTS[::-1]:
            options = {
                "workdir": Path(folder) / placement,
                "data.path": path,
                "data.placement": placement,
                "data.test_examples": 5000,
                "train.steps": steps,
                "evaluate.samples": 10,
                "evaluate.figures": False,
            }
            command = [sys.executable, "-m", "vsc_jax.train", "--config", "mnist_vsc"]
            command += [f"--{name}={value}" for name, value in options.items()]
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            if status:
                raise SystemExit(f"{' '.join(command)} ended with status {status}")
            print(
                f"{placement}: peak resident memory {used.ru_maxrss * 1024 / 1e9:.2f} GB,"
                f" {time.perf_counter() - start:.0f} s in all"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="mnist_vsc", help="preset whose throughput is measured")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of both placements; 0 measures none")
    parser.add_argument("--chunks", type=int, default=5, help="log rows of a round")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the file; 0 writes none")
    parser.add_argument("--steps", type=int, default=500, help="iterations on the file")
    arguments = parser.parse_args()
    if arguments.rounds:
        throughput(arguments.config, arguments.rounds, arguments.chunks)
    if arguments.gigabytes:
        peak_memory(arguments.gigabytes, arguments.steps)


if __name__ == "__main__":
    main()
