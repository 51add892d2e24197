"""What a report reads of a run folder: all that is there, and a line for all that is not."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsc_jax.config import Config
from vsc_jax.config.errors import UserError
from vsc_jax.run.reopen import run_config
from vsc_jax.training.run_folder import Row, read_json, read_results, read_rows


@dataclass(frozen=True)
class Source:
    """A run as it lies on disk; its model and its data are read only when its figures are drawn.

    Attributes:
      label: a short name, different for every run of a report.
      folder: the run folder.
      config: its configuration.
      data: what ``data.json`` says, empty if it is not there.
      results: what ``results.json`` says, empty if it is not there.
      history: the rows of ``metrics.jsonl``.
      missing: one sentence for each part that could not be read.
    """

    label: str
    folder: Path
    config: Config
    data: dict[str, Any]
    results: dict[str, Any]
    history: list[Row]
    missing: tuple[str, ...]

    @property
    def step(self) -> int | None:
        """The last iteration in the training history; None without one."""
        return int(self.history[-1]["step"]) if self.history else None


def read_source(folder: Path, label: str) -> Source:
    """Read a run, however much of it is there.

    Raises:
      UserError: if there is not even a configuration that can be read.
    """
    config = run_config(folder)
    missing = []
    data, results = {}, {}
    try:
        data = read_json(folder / "data.json")
    except UserError as error:
        missing.append(str(error))
    history = read_rows(folder / "metrics.jsonl")
    steps, step = config.train.steps, history[-1]["step"] if history else 0
    if (folder / "results.json").is_file():
        try:
            results = read_results(folder / "results.json")
        except UserError as error:
            missing.append(str(error))
    elif step < steps:
        missing.append(f"no results yet: training is at iteration {step:,} of {steps:,}")
    else:
        missing.append(f"no results yet: python -m vsc_jax.evaluate {folder} measures them")
    return Source(label, folder, config, data, results, history, tuple(missing))


def labels(folders: Sequence[Path]) -> list[str]:
    """Short names of run folders: the last parts of each path, as many as tell them apart.

    A folder that is given twice has the same name twice.
    """
    whole = [Path(os.path.abspath(folder)).parts for folder in folders]
    longest = max((len(parts) for parts in whole), default=0)
    for count in range(1, longest + 1):
        names = ["/".join(parts[-count:]) for parts in whole]
        if len(set(names)) == len(set(whole)):
            return names
    return ["/".join(parts) for parts in whole]
