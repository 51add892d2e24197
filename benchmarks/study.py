"""Runs the studies behind docs/results.md: ``python -m benchmarks.study NAME [--seeds 0 1 2]``.

A study is a list of labelled settings; each is trained with every seed into ``runs/study/NAME/LABEL-SEED``
(a finished run is not trained again, a stopped one resumes), and ``benchmarks/results/NAME.csv`` gets one
row a setting: mean and standard deviation over seeds of the test metrics. ``--list`` shows the studies.
MNIST and Fashion-MNIST need ``TFDS_DATA_DIR``.
"""

import argparse
import csv
import dataclasses
import statistics
import time
from pathlib import Path

from benchmarks.studies import METRICS, STUDIES, Setting
from vsc_jax.config import load_preset, with_overrides
from vsc_jax.run import fit

ROOT = Path(__file__).resolve().parent


def train(study: str, setting: Setting, seed: int) -> dict[str, float]:
    """Test metrics of one setting and seed."""
    config = with_overrides(load_preset(setting.preset), {**setting.overrides, "seed": seed})
    config = dataclasses.replace(config, name=f"{study}-{setting.label}")
    start = time.monotonic()
    run = fit(config, Path("runs/study") / study / f"{setting.label}-{seed}")
    shown = "  ".join(f"{name} {run.results[name]:.4g}" for name in METRICS if name in run.results)
    print(f"{setting.label}  seed {seed}  {time.monotonic() - start:.0f} s  {shown}", flush=True)
    return run.results


def summarise(setting: Setting, results: list[dict[str, float]]) -> dict[str, object]:
    """One row of the table: mean and standard deviation of every metric over the seeds."""
    row: dict[str, object] = {"setting": setting.label, "seeds": len(results)}
    for name in METRICS:
        values = [result[name] for result in results if name in result]
        row[name] = f"{statistics.mean(values):.4f}" if values else ""
        row[f"{name}_sd"] = f"{statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return row


def main() -> None:
    """Train what is missing, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study", nargs="?", choices=sorted(STUDIES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--list", action="store_true", help="show the studies and their settings")
    arguments = parser.parse_args()
    if arguments.list or arguments.study is None:
        for name, settings in STUDIES.items():
            print(name, *(f"  {s.label}: {s.preset} {s.overrides}" for s in settings), sep="\n")
        return
    table = ROOT / "results" / f"{arguments.study}.csv"
    table.parent.mkdir(exist_ok=True)
    rows = []
    for setting in STUDIES[arguments.study]:
        rows.append(summarise(setting, [train(arguments.study, setting, seed) for seed in arguments.seeds]))
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    print(f"wrote {table.relative_to(ROOT.parent)}")


if __name__ == "__main__":
    main()
