"""Draws the curves of docs/results.md from ``benchmarks/results``: ``python -m tools.plots``."""

import csv
import math
from pathlib import Path

from matplotlib.figure import Figure

from vsc_jax.figures import Curve, draw_curves

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
DATA = {"mnist": "MNIST", "fashion": "Fashion-MNIST"}
NAMES = {"vae": "Gaussian VAE", "vsc": "VSC"}
Row = dict[str, str]


def rows_of(study: str, kind: str) -> list[Row]:
    """The rows of a study whose label begins with ``kind``."""
    with (ROOT / "benchmarks" / "results" / f"{study}.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["setting"].startswith(f"{kind}-J")]


def latents_of(row: Row) -> int:
    """J, as the label says it."""
    return int(row["setting"].partition("-J")[2])


def curve(study: str, kind: str, metric: str) -> Curve:
    """A metric of one model against J."""
    rows = rows_of(study, kind)
    columns = ([float(row[name]) for row in rows] for name in (metric, f"{metric}_sd"))
    return Curve(NAMES[kind], [latents_of(row) for row in rows], *columns)


def gain(study: str, name: str) -> Curve:
    """The bound of the VSC minus that of the VAE against J, with the standard error of the difference."""
    vae, vsc = (curve(study, kind, "iwae") for kind in ("vae", "vsc"))
    assert vae.x == vsc.x
    assert vae.sd is not None
    assert vsc.sd is not None
    above = [sparse - dense for sparse, dense in zip(vsc.mean, vae.mean, strict=True)]
    seeds = [int(row["seeds"]) for row in rows_of(study, "vsc")]
    errors = [math.hypot(a, b) / math.sqrt(n) for a, b, n in zip(vae.sd, vsc.sd, seeds, strict=True)]
    return Curve(name, vsc.x, above, errors)


def save(figure: Figure, name: str) -> None:
    """Write a figure to the documentation's images."""
    figure.savefig(IMAGES / f"{name}.png", dpi=110)
    print(f"wrote docs/images/{name}.png")


def main() -> None:
    """Draw the curves of both data sets."""
    gains = [gain(f"{data}_short", name) for data, name in DATA.items()]
    quantity = "bound (iwae-20), VSC minus VAE"
    figure = draw_curves("model.latents", gains, quantity, spread="standard error of the difference")
    figure.axes[0].axhline(0, color="0.55", lw=1, ls="--")
    save(figure, "gain_against_latents")
    for data, name in DATA.items():
        accuracy = [curve(f"{data}_short", kind, "probe_accuracy") for kind in NAMES]
        figure = draw_curves("model.latents", accuracy, "probe_accuracy")
        figure.suptitle(f"{name}: how well the class is read off the code", fontsize=9, fontweight="bold")
        save(figure, f"{data}_accuracy_against_latents")


if __name__ == "__main__":
    main()
