"""Metrics for TensorBoard and Weights & Biases while a run trains, each behind an extra.

``metrics.jsonl`` and ``results.json`` are written whether there is a tracker or not.
"""

import importlib
from pathlib import Path
from typing import Any

from vsc_jax.config import Config, choices, to_dict
from vsc_jax.config.errors import UserError


class Tracker:
    """What listens to a run. It writes nothing before the first row: the run folder may still be refused.

    TensorBoard gets event files in ``WORKDIR/tensorboard``; a resumed run hides what was written after its
    checkpoint. Weights & Biases gets a run of the project ``vsc_jax``, called like the run folder; where it
    goes is wandb's own setting.

    Raises:
      UserError: if its extra is not installed.
    """

    def __init__(self, name: choices.Tracker, config: Config, workdir: Path):
        module = {"tensorboard": "tensorboardX", "wandb": "wandb"}[name]
        try:
            self._library: Any = importlib.import_module(module)
        except ModuleNotFoundError:
            raise UserError(f"--track {name} needs {module}: pip install {module}") from None
        self._write = self._to_tensorboard if name == "tensorboard" else self._to_wandb
        self._config, self._workdir = config, workdir
        self._opened: Any = None
        self._step = 0

    def on_row(self, row: dict[str, Any]) -> None:
        """Take a row of ``metrics.jsonl``; a resumed run begins with its newest one."""
        self._step = row["step"]
        self._write("train", scalars(row))

    def on_results(self, results: dict[str, Any]) -> None:
        """Take the test metrics of the finished run."""
        self._write("test", scalars(results))

    def close(self) -> None:
        """Write what is not written yet; called once, also where the run failed."""
        if self._opened is not None:
            self._opened.finish() if self._write == self._to_wandb else self._opened.close()

    def _to_tensorboard(self, group: str, numbers: dict[str, float]) -> None:
        if self._opened is None:
            folder = str(self._workdir / "tensorboard")
            self._opened = self._library.SummaryWriter(folder, purge_step=self._step)
        for name in numbers.keys() - {"step"}:
            self._opened.add_scalar(f"{group}/{name}", numbers[name], self._step)

    def _to_wandb(self, group: str, numbers: dict[str, float]) -> None:
        if self._opened is None:
            place = {"name": self._workdir.resolve().name, "dir": str(self._workdir)}
            self._opened = self._library.init(project="vsc_jax", config=to_dict(self._config), **place)
        if group == "train":
            self._opened.log(numbers, step=self._step)
        else:
            self._opened.summary.update({f"{group}/{name}": number for name, number in numbers.items()})


def scalars(values: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row or of results by name; those of a section as ``section/name``."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{inner}": number for inner, number in scalars(value).items()}
        elif isinstance(value, int | float):
            flat[name] = float(value)
    return flat
