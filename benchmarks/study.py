"""Runs the studies behind docs/results.md: ``python -m benchmarks.study NAME [--only LABEL] [--seeds 0 1]``.

A study is a list of labelled settings; each is trained with every seed into ``runs/study/NAME/LABEL-SEED``
(a finished run is not trained again, a stopped one resumes), and ``benchmarks/results/NAME.csv`` gets one
row for each setting that has finished runs: mean and standard deviation over their seeds of the test
metrics. ``--list`` shows the studies. MNIST and Fashion-MNIST need ``TFDS_DATA_DIR``.
"""

import argparse
import csv
import dataclasses
import json
import statistics
import time
from pathlib import Path

from benchmarks.studies import METRICS, STUDIES, Setting
from vsc_jax.config import load_preset, with_overrides
from vsc_jax.run import fit

ROOT = Path(__file__).resolve().parent
RUNS = Path("runs/study")
# What presets of the VSC had when the tables were made.
BEFORE = {"model.prior": "pseudo", "model.noise": 0.0}
SLABS_BEFORE = {"schedule.slab_blend.begin": 0.75, "schedule.slab_blend.until": 1.0}


def train(study: str, setting: Setting, seed: int) -> None:
    """Train and measure one setting with one seed, unless that is done."""
    preset, before = load_preset(setting.preset), {}
    if preset.model.mixture and preset.model.prior_used == "components":
        before = BEFORE | (SLABS_BEFORE if preset.data.name == "smiley" else {})
    config = with_overrides(preset, {**before, **setting.overrides, "seed": seed})
    config = dataclasses.replace(config, name=f"{study}-{setting.label}")
    start = time.monotonic()
    run = fit(config, RUNS / study / f"{setting.label}-{seed}")
    shown = "  ".join(f"{name} {run.results[name]:.4g}" for name in METRICS if name in run.results)
    print(f"{setting.label}  seed {seed}  {time.monotonic() - start:.0f} s  {shown}", flush=True)


def finished(study: str, setting: Setting) -> list[dict[str, float]]:
    """Test metrics of every seed of a setting that has been measured."""
    found = sorted((RUNS / study).glob(f"{setting.label}-[0-9]*/results.json"))
    return [json.loads(path.read_text()) for path in found]


def summarise(setting: Setting, results: list[dict[str, float]]) -> dict[str, object]:
    """One row of the table: mean and standard deviation of every metric over the seeds."""
    row: dict[str, object] = {"setting": setting.label, "seeds": len(results)}
    for name in METRICS:
        values = [result[name] for result in results if name in result]
        row[name] = f"{statistics.mean(values):.4f}" if values else ""
        row[f"{name}_sd"] = f"{statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return row


def write_table(study: str) -> Path:
    """Write the table of a study's finished runs."""
    table = ROOT / "results" / f"{study}.csv"
    table.parent.mkdir(exist_ok=True)
    measured = [(setting, finished(study, setting)) for setting in STUDIES[study]]
    rows = [summarise(setting, results) for setting, results in measured if results]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return table


def main() -> None:
    """Train what is missing, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study", nargs="?", choices=sorted(STUDIES))
    parser.add_argument("--only", nargs="+", metavar="LABEL", help="train only these settings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--list", action="store_true", help="show the studies and their settings")
    arguments = parser.parse_args()
    if arguments.list or arguments.study is None:
        for name, settings in STUDIES.items():
            print(name, *(f"  {s.label}: {s.preset} {s.overrides}" for s in settings), sep="\n")
        return
    settings = STUDIES[arguments.study]
    if unknown := set(arguments.only or ()) - {setting.label for setting in settings}:
        parser.error(f"--only: no setting {', '.join(sorted(unknown))} in study {arguments.study}")
    for seed in arguments.seeds:
        for setting in settings:
            if not arguments.only or setting.label in arguments.only:
                train(arguments.study, setting, seed)
                table = write_table(arguments.study)
    print(f"wrote {table.relative_to(ROOT.parent)}")


if __name__ == "__main__":
    main()
