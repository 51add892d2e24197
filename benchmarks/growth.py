"""How an iteration's time grows with J, U, batch and hidden layer: ``python -m benchmarks.growth``.

The VSC on noise of MNIST's size. Of each setting the exponent of a fit on logarithmic axes is printed, beside
the exponent of the matrix products' operations over the same values: the two agree where nothing else counts.
"""

import argparse
import statistics

import numpy as np

from benchmarks.steps import Chunk, flop, noise, seconds
from vsc_jax.config import load_preset, with_overrides

BASE = {"model.latents": 60, "model.pseudo_inputs": 32, "train.batch_size": 250, "model.hidden": [400]}
VALUES: dict[str, tuple[int, ...]] = {
    "model.latents": (125, 250, 500, 1000),
    "model.pseudo_inputs": (125, 250, 500, 1000),
    "train.batch_size": (125, 250, 500, 1000),
    "model.hidden": (400, 800, 1600, 3200),
}


def exponent(values: tuple[int, ...], measured: list[float]) -> float:
    """Slope of the least-squares line through the logarithms."""
    return float(np.polyfit(np.log(values), np.log(measured), 1)[0])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--settings", nargs="+", choices=VALUES, default=list(VALUES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="iterations of a round")
    arguments = parser.parse_args()
    data = noise(10_000)
    print("| setting | values | ms an iteration | exponent | of the operations |")
    print("|---|---|---|---|---|")
    for setting in arguments.settings:
        values = VALUES[setting]
        configs = [
            with_overrides(
                load_preset("mnist_vsc"), {**BASE, setting: [value] if setting == "model.hidden" else value}
            )
            for value in values
        ]
        chunks = [Chunk(config, data, arguments.steps) for config in configs]
        rounds = [
            [seconds(lambda s=chunk: s.steps(arguments.steps)) for chunk in chunks]
            for _ in range(arguments.rounds + 1)
        ][1:]
        measured = [statistics.median(times) / arguments.steps for times in zip(*rounds, strict=True)]
        shown = ", ".join(f"{1e3 * value:.1f}" for value in measured)
        expected = exponent(values, [flop(config) for config in configs])
        print(
            f"| {setting} | {', '.join(map(str, values))} | {shown} | {exponent(values, measured):.2f}"
            f" | {expected:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
