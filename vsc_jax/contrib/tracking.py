"""Metrics for TensorBoard and Weights & Biases while a run trains, each behind an extra.

``metrics.jsonl`` and ``results.json`` are written whether there is a tracker or not.
"""

import importlib
from pathlib import Path
from typing import Any

from vsc_jax.config import Config, choices, to_dict
from vsc_jax.config.errors import UserError


class Tracker:
    """What listens to a run. It writes nothing before the first row: the run folder may still be refused."""

    ending = "close"  # the method of the library that ends it

    def __init__(self, library: Any, config: Config, workdir: Path):
        self.library, self.config, self.workdir = library, config, workdir
        self.opened: Any = None
        self.step = 0

    def on_row(self, row: dict[str, Any]) -> None:
        """Take a row of ``metrics.jsonl``; a resumed run begins with its newest one."""
        self.step = row["step"]
        self.write("train", scalars(row), self.step)

    def on_results(self, results: dict[str, Any]) -> None:
        """Take the test metrics of the finished run."""
        self.write("test", scalars(results), self.step)

    def write(self, group: str, numbers: dict[str, float], step: int) -> None:
        """Write numbers of ``train`` or ``test``."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what is not written yet; called once, also where the run failed."""
        if self.opened is not None:
            getattr(self.opened, self.ending)()


def tracker(name: choices.Tracker, config: Config, workdir: Path) -> Tracker:
    """The tracker of that name, for one run.

    Raises:
      UserError: if its extra is not installed.
    """
    module, kind = {"tensorboard": ("tensorboardX", TensorBoard), "wandb": ("wandb", WeightsAndBiases)}[name]
    try:
        return kind(importlib.import_module(module), config, workdir)
    except ModuleNotFoundError:
        raise UserError(f"--track {name} needs {module}: pip install {module}") from None


def scalars(values: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row or of results by name; those of a section as ``section/name``."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{inner}": number for inner, number in scalars(value).items()}
        elif isinstance(value, int | float):
            flat[name] = float(value)
    return flat


class TensorBoard(Tracker):
    """Event files in ``WORKDIR/tensorboard``; a resumed run hides what was written after its checkpoint."""

    def write(self, group: str, numbers: dict[str, float], step: int) -> None:  # noqa: D102
        if self.opened is None:
            self.opened = self.library.SummaryWriter(str(self.workdir / "tensorboard"), purge_step=step)
        for name in numbers.keys() - {"step"}:
            self.opened.add_scalar(f"{group}/{name}", numbers[name], step)


class WeightsAndBiases(Tracker):
    """A run of the project ``vsc_jax``, called like the run folder; where it goes is wandb's own setting."""

    ending = "finish"

    def write(self, group: str, numbers: dict[str, float], step: int) -> None:  # noqa: D102
        if self.opened is None:
            place = {"name": self.workdir.resolve().name, "dir": str(self.workdir)}
            self.opened = self.library.init(project="vsc_jax", config=to_dict(self.config), **place)
        if group == "train":
            self.opened.log(numbers, step=step)
        else:
            self.opened.summary.update({f"{group}/{name}": number for name, number in numbers.items()})
