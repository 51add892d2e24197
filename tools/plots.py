"""Draws the curves of docs/results.md from ``benchmarks/results``: ``python -m tools.plots``."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

from vsc_jax.figures import Curve, draw_curves

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
BOUND = "importance-weighted bound"
NAMES = {"vae": "Gaussian VAE", "vsc": "VSC"}
Row = dict[str, str]


def rows_of(study: str, kind: str) -> list[Row]:
    """The rows of a study whose label begins with ``kind``."""
    with (ROOT / "benchmarks" / "results" / f"{study}.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["setting"].startswith(f"{kind}-J")]


def latents_of(row: Row) -> int:
    """J, as the label says it."""
    return int(row["setting"].partition("-J")[2])


def curve(study: str, kind: str, metric: str, against: str | None = None) -> Curve:
    """A metric of one model against J, or against another metric."""
    rows = rows_of(study, kind)

    def column(name: str) -> list[float]:
        return [float(row[name]) for row in rows]

    def spread(name: str) -> list[float] | None:
        return column(f"{name}_sd") if all(row[f"{name}_sd"] for row in rows) else None

    if against is None:
        return Curve(NAMES[kind], [latents_of(row) for row in rows], column(metric), spread(metric))
    return Curve(NAMES[kind], column(against), column(metric), spread(metric), spread(against))


def save(figure: Figure, name: str) -> None:
    """Write a figure to the documentation's images."""
    figure.savefig(IMAGES / f"{name}.png", dpi=110)
    print(f"wrote docs/images/{name}.png")


def main() -> None:
    """Draw the curves of both data sets."""
    for data in ("mnist", "fashion"):
        study = f"{data}_short"
        both = [curve(study, kind, "iwae") for kind in NAMES]
        save(draw_curves("model.latents", both, BOUND), f"{data}_bound_against_latents")
        accuracy = [curve(study, kind, "probe_accuracy") for kind in NAMES]
        save(draw_curves("model.latents", accuracy, "probe_accuracy"), f"{data}_accuracy_against_latents")
        against = [curve(study, kind, "iwae", "active_per_image") for kind in NAMES]
        save(draw_curves("active_per_image", against, BOUND), f"{data}_bound_against_active")


if __name__ == "__main__":
    main()
