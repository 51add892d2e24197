"""Does the default recipe hold everywhere? ``python -m benchmarks.stability [--data NAME ...]``.

Twelve data sets, three networks, three widths of the code and several seeds, short trainings, with the
default configuration: only data, likelihood, network, ``model.latents``, ``model.active`` and
``train.steps`` are given. :func:`asked` is how many latents are asked to be on. Beside each code trains a VAE
of the same network and steps.

Every run is a row of ``benchmarks/results/stability.csv``; one that is there is not made again. Verdicts are
made from the rows by :func:`vsc_jax.evaluation.diagnosis.diagnose`, and by the VAE's bound of the median test
example (a mean can be one example). What is :data:`NOTED` does not count: the budget is the study's.
``--table`` trains nothing. MNIST and Fashion-MNIST need ``TFDS_DATA_DIR``, embeddings what
``benchmarks/peers/embeddings.py`` says.
"""

import argparse
import dataclasses
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np

from benchmarks.peers import data as peers
from benchmarks.peers.results import Row, markdown, put, read
from vsc_jax import data
from vsc_jax.config import Config, DataConfig, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, Split
from vsc_jax.evaluation import evaluate
from vsc_jax.evaluation.diagnosis import diagnose
from vsc_jax.figures import style
from vsc_jax.training.loop import train_members

PATH = Path(__file__).resolve().parent / "results" / "stability.csv"
IMAGES = {"smiley": "smiley", "mnist": "mnist", "inverted": "mnist", "fashion": "fashion_mnist"}
PEERS = ("digits", "breast_cancer", "patches", "embeddings", "dictionary64", "dictionary32", "counts")
DATA = (*IMAGES, "har", *PEERS)
NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "linear": {"model.decoder": "linear"},
    "conv": {"model.network": "conv"},
}
LATENTS = (8, 32, 128)
KEY = ("data", "network", "latents", "kind", "steps", "seed")
MEASURES = (
    "elbo", "elbo_median", "train_elbo_median", "median_error", "iwae", "reconstruction", "kl",
    "active_per_image", "used_latents", "always_on_latents", "fixed_gates", "gamma_std",
    "mean_gamma", "undecided_gates", "explained_variance", "late_gain",
)  # fmt: skip
COLUMNS = (*KEY, *MEASURES, "seconds", "error")
BELOW = 0.5  # nats under the VAE that are not held against a code
NOTED = ("too short", "overfitted", "mean iwae below VAE's")


class Case(NamedTuple):
    """What is trained with several seeds."""

    data: str
    network: str
    latents: int
    kind: str
    steps: int


def asked(latents: int) -> float:
    """How many latents are asked to be on in an example."""
    return min(5.0, latents / 4)


def config_of(case: Case, seed: int = 0) -> Config:
    """The default configuration with what is known of a case."""
    given: dict[str, Any] = {
        "name": "stability",
        "seed": seed,
        "model.kind": case.kind,
        "model.latents": case.latents,
        "model.likelihood": "bernoulli" if case.data in IMAGES else "gaussian",
        "train.steps": case.steps,
        "evaluate.samples": 20,
        "evaluate.examples": 500,
        "evaluate.probe_examples": 2000,
        **NETWORKS[case.network],
    }
    if case.kind == "vsc":
        given["model.active"] = asked(case.latents)
    return with_overrides(Config(), given)


def load(name: str, har: Path | None) -> Dataset:
    """A data set, without labels, and with at most 2,000 test examples; the same for all seeds."""
    if name in PEERS:
        rows = peers.load(name)
        return Dataset(name, Split(rows.train), Split(rows.test[:2000]))
    settings = DataConfig(name=IMAGES.get(name, "uci_har"), path=har if name == "har" else None)
    found = data.load(dataclasses.replace(settings, test_examples=2000))
    x, x_test = found.train.x, found.test.x
    if name == "inverted":
        x, x_test = 255 - np.asarray(x), 255 - np.asarray(x_test)
    return Dataset(name, Split(x), Split(x_test))


def measured(case: Case, seeds: Sequence[int], dataset: Dataset) -> Iterator[Row]:
    """Train a case with several seeds by one program; a row for each."""
    configs = [config_of(case, seed) for seed in seeds]
    start = time.monotonic()
    for number, trained in train_members(configs, dataset, [None] * len(seeds)):
        row = dict.fromkeys(COLUMNS, "") | {name: str(value) for name, value in case._asdict().items()}
        row["seed"] = str(seeds[number])
        if isinstance(trained, UserError):
            row["error"] = str(trained)
        else:
            results = evaluate(trained.model, dataset, configs[number], history=trained.history)
            row |= {name: f"{results[name]:.5g}" for name in MEASURES if name in results}
        row["seconds"] = f"{(time.monotonic() - start) / len(seeds):.1f}"
        yield row


def case_of(row: Row) -> Case:
    """What a row is about."""
    return Case(row["data"], row["network"], int(row["latents"]), row["kind"], int(row["steps"]))


def problems(row: Row, vae: Row | None) -> list[str]:
    """What is wrong with a run, given that of the VAE."""
    if row["error"]:
        return ["not finite"]
    results = {name: float(row[name]) for name in MEASURES if row[name]}
    found: list[str] = [finding.name for finding in diagnose(results, config_of(case_of(row)))]
    if vae is not None and not vae["error"]:
        bounds = {"elbo_median": "below VAE", "iwae": "mean iwae below VAE's"}
        found += [what for name, what in bounds.items() if results[name] < float(vae[name]) - BELOW]
    return found


def verdicts(rows: Sequence[Row]) -> dict[Case, list[tuple[Row, list[str], float]]]:
    """By case the runs of the VSC: their rows, what is wrong, and their median bound less the VAE's."""
    by_key = {tuple(row[name] for name in KEY): row for row in rows}
    found: dict[Case, list[tuple[Row, list[str], float]]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "vsc":
            vae = by_key.get(tuple("vae" if name == "kind" else row[name] for name in KEY))
            beyond = np.nan
            if vae is not None and not (row["error"] or vae["error"]):
                beyond = float(row["elbo_median"]) - float(vae["elbo_median"])
            found[case_of(row)].append((row, problems(row, vae), beyond))
    return found


def healthy(found: Sequence[str]) -> bool:
    """Whether nothing is wrong that counts."""
    return not set(found) - set(NOTED)


def table(rows: Sequence[Row]) -> str:
    """Healthy runs by data, network and latents, what failed, and how often each thing did."""
    judged = verdicts(rows)
    widths = sorted({case.latents for case in judged})
    lines = [["data", "network", *(f"J = {latents}" for latents in widths)]]
    for name, network in itertools.product(DATA, NETWORKS):
        cells = []
        for latents in widths:
            runs = [run for case, members in judged.items() for run in members
                    if case[:3] == (name, network, latents)]  # fmt: skip
            cells.append(_cell(runs))
        if any(cells):
            lines.append([name, network, *cells])
    runs = [run for members in judged.values() for run in members]
    good = sum(healthy(found) for _, found, _ in runs)
    share = f"{good} of {len(runs)} runs healthy"
    failed = Counter(problem for _, found, _ in runs for problem in found)
    counted = [["what is wrong", "runs", *(f"J = {latents}" for latents in widths), *NETWORKS]]
    for problem, count in failed.most_common():
        of = [row for row, found, _ in runs if problem in found]
        by_width = [str(sum(int(row["latents"]) == latents for row in of)) for latents in widths]
        by_network = [str(sum(row["network"] == network for row in of)) for network in NETWORKS]
        counted.append([problem + " (noted)" * (problem in NOTED), str(count), *by_width, *by_network])
    return f"{share}.\n\n{markdown(lines)}\n\n{markdown(counted)}"


def _cell(runs: Sequence[tuple[Row, list[str], float]]) -> str:
    """``1/2 mixed: always on, below VAE (-3.1 nats)``."""
    if not runs:
        return ""
    good = sum(healthy(found) for _, found, _ in runs)
    mark = "**ok**" if good == len(runs) else "fails" if good == 0 else "mixed"
    failed = dict.fromkeys(p for _, found, _ in runs for p in found if p not in NOTED)
    beyond = [nats for *_, nats in runs if np.isfinite(nats)]
    against = f" ({np.mean(beyond):+.1f})" if beyond else ""
    return f"{good}/{len(runs)} {mark}{against}{': ' * bool(failed)}{', '.join(failed)}"


def draw(rows: Sequence[Row], path: Path) -> None:
    """The share of healthy seeds as a map of data by networks and latents, with what fails most."""
    judged = verdicts(rows)
    widths = sorted({case.latents for case in judged})
    columns = [(network, latents) for network in NETWORKS for latents in widths
               if any(case[1:3] == (network, latents) for case in judged)]  # fmt: skip
    names = [name for name in DATA if any(case.data == name for case in judged)]
    share = np.full((len(names), len(columns)), np.nan)
    figure = style.new_figure(
        0.8 + 0.32 * len(names), "Stability: share of healthy seeds, and what fails most"
    )
    axes = figure.subplots()
    for (i, name), (j, column) in itertools.product(enumerate(names), enumerate(columns)):
        runs = [run for case, members in judged.items() for run in members if case[:3] == (name, *column)]
        if not runs:
            continue
        share[i, j] = np.mean([healthy(found) for _, found, _ in runs])
        failed = Counter(p for _, found, _ in runs for p in found if p not in NOTED)
        word = failed.most_common(1)[0][0] if failed else "ok"
        color = "white" if share[i, j] < 0.5 else "black"
        axes.text(j, i, word.replace(" ", "\n"), ha="center", va="center", fontsize=5.5, color=color)
    image = axes.imshow(share, cmap=matplotlib.colormaps["cividis"], vmin=0, vmax=1, aspect="auto")
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(range(len(columns)), [f"{network}\n{latents}" for network, latents in columns])
    style.label(axes, "", "network, latents", "")
    style.bare(axes)
    style.color_bar(image, axes, "healthy")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(style.as_png(figure))


def main() -> None:
    """Train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--latents", type=int, nargs="+", default=list(LATENTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=2000, help="iterations of each training")
    parser.add_argument("--har", type=Path, help="the UCI HAR archive; else it is downloaded")
    parser.add_argument("--output", type=Path, default=PATH, help="file of the rows")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the verdicts")
    parser.add_argument("--table", action="store_true", help="train nothing, print the table")
    arguments = parser.parse_args()
    rows = read(arguments.output)
    done = {tuple(row[name] for name in KEY) for row in rows}
    for network, name in itertools.product(arguments.networks, () if arguments.table else arguments.data):
        if network == "conv" and name not in IMAGES:
            continue
        dataset = None
        for latents, kind in itertools.product(arguments.latents, ("vae", "vsc")):
            case = Case(name, network, latents, kind, arguments.steps)
            seeds = [seed for seed in arguments.seeds if (*map(str, case), str(seed)) not in done]
            if not seeds:
                continue
            try:
                dataset = dataset or load(name, arguments.har)
            except SystemExit as missing:
                print(missing, flush=True)
                break
            for row in measured(case, seeds, dataset):
                put(arguments.output, row, KEY)
                shown: Mapping[str, str] = {n: v for n, v in row.items() if v}
                print(*(f"{n} {v}" for n, v in shown.items()), flush=True)
    rows = [row for row in read(arguments.output) if _chosen(row, arguments)]
    print(f"\n{table(rows)}")
    if arguments.figure:
        draw(rows, arguments.figure)


def _chosen(row: Row, arguments: argparse.Namespace) -> bool:
    case = case_of(row)
    chosen = (arguments.data, arguments.networks, arguments.latents, ("vae", "vsc"), [arguments.steps])
    inside = all(value in among for value, among in zip(case, chosen, strict=True))
    return inside and int(row["seed"]) in arguments.seeds


if __name__ == "__main__":
    main()
