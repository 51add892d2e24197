"""What a report reads of a run: all that is there, its figures, and a line for all that is not."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vsc_jax.config import Config
from vsc_jax.config.errors import UserError
from vsc_jax.config.fields import read_json
from vsc_jax.evaluation.reconstruction import Denoised
from vsc_jax.run import Run, find, open_run
from vsc_jax.training.run_folder import Row, read_results, read_rows


class Illustration(NamedTuple):
    """A figure as it goes into a report: its file, and what to look for and what this run shows."""

    png: bytes
    sentence: str


@dataclass
class Source:
    """A run of a report: what its folder holds, its figures once drawn, a line for each missing part."""

    label: str  # different for every run
    folder: Path
    config: Config
    data: dict[str, Any]
    results: dict[str, Any]
    history: list[Row]
    run: Run | None = None  # if it is in memory
    missing: list[str] = field(default_factory=list)
    figures: dict[str, Illustration] = field(default_factory=dict)
    under_noise: Mapping[float, Denoised] | None = None  # what is left of its test examples, beside others
    noise_unit: float = 1.0
    latents: dict[str, Any] | None = None  # what the page of its latents shows, if it is asked for


def read_source(run: Path | Run, label: str) -> Source:
    """Read a run folder, however much of it is there; a UserError if it has no configuration."""
    if isinstance(run, Run):
        return Source(label, folder_of(run), run.config, run.data, run.results, run.history, run)
    config = open_run(run).config
    source = Source(label, run, config, {}, {}, read_rows(run / "metrics.jsonl"))
    steps, step = config.train.steps, source.history[-1]["step"] if source.history else 0
    measured = (run / "results.json").is_file()
    try:
        source.data = read_json(run / "data.json")
    except UserError as error:
        source.missing.append(str(error))
    try:
        source.results = read_results(run / "results.json") if measured else {}
    except UserError as error:
        source.missing.append(str(error))
    if not measured:
        how = f"python -m vsc_jax.evaluate {run} measures them"
        if steps == "auto" or step < steps:
            how = f"training is at iteration {step:,} of {steps}"
        source.missing.append(f"no results yet: {how}")
    return source


def folder_of(run: Path | Run) -> Path:
    """The run folder, of a pretrained model its own; a UserError if a run was trained without one."""
    folder = run.workdir if isinstance(run, Run) else find(run)
    if folder is None:
        raise UserError("report: expected a run with a run folder; this one was trained without")
    return folder


def labels(folders: Sequence[Path]) -> list[str]:
    """Short names of run folders: the last parts of each path, as many as tell them apart."""
    whole = [Path(os.path.abspath(folder)).parts for folder in folders]
    names: list[str] = []
    for count in range(1, max(map(len, whole), default=0) + 1):
        names = ["/".join(parts[-count:]) for parts in whole]
        if len(set(names)) == len(set(whole)):
            break
    return names


def comparable(sources: Sequence[Source], about: str = "data") -> bool:
    """Whether all results are about the same data (or samples), so that their nats may be compared."""
    return len({source.results.get(about) for source in sources if source.results}) <= 1
