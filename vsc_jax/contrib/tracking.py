"""Metrics for TensorBoard and Weights & Biases while a run trains, each behind an extra.

``metrics.jsonl`` and ``results.json`` are written whether there is a tracker or not.
"""

import importlib
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from vsc_jax.config import Config, to_dict
from vsc_jax.config.errors import UserError

TrackerName = Literal["tensorboard", "wandb"]


@runtime_checkable
class Tracker(Protocol):
    """What listens to a run."""

    def on_row(self, row: dict[str, Any]) -> None:
        """Take a row of ``metrics.jsonl``; a resumed run begins with its newest one."""

    def on_results(self, results: dict[str, Any]) -> None:
        """Take the test metrics of the finished run."""

    def close(self) -> None:
        """Write what is not written yet; called once, also where the run failed."""


def tracker(name: TrackerName, config: Config, workdir: Path) -> Tracker:
    """The tracker of that name, for one run. Nothing is written before the first row.

    Raises:
      UserError: if its extra is not installed.
    """
    module = {"tensorboard": "tensorboardX", "wandb": "wandb"}[name]
    try:
        library = importlib.import_module(module)
    except ModuleNotFoundError:
        raise UserError(f"--track {name} needs {module}: pip install {module}") from None
    return (_TensorBoard if name == "tensorboard" else _WeightsAndBiases)(library, config, workdir)


def scalars(values: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row or of results by name; those of a section as ``section/name``."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{inner}": number for inner, number in scalars(value).items()}
        elif isinstance(value, int | float):
            flat[name] = float(value)
    return flat


class _TensorBoard:
    """Event files in ``WORKDIR/tensorboard``; a resumed run hides what was written after its checkpoint."""

    def __init__(self, library: Any, config: Config, workdir: Path):
        self._library, self._config, self._folder = library, config, workdir / "tensorboard"
        self._writer: Any = None

    def on_row(self, row: dict[str, Any]) -> None:
        self._write("train", row, row["step"])

    def on_results(self, results: dict[str, Any]) -> None:
        self._write("test", results, self._config.train.steps)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _write(self, group: str, values: dict[str, Any], step: int) -> None:
        if self._writer is None:
            self._writer = self._library.SummaryWriter(str(self._folder), purge_step=step)
        for name, number in scalars(values).items():
            if name != "step":
                self._writer.add_scalar(f"{group}/{name}", number, step)


class _WeightsAndBiases:
    """A run of the project ``vsc_jax``, called like the run folder; where it goes is wandb's own setting."""

    def __init__(self, library: Any, config: Config, workdir: Path):
        self._library, self._config, self._workdir = library, config, workdir
        self._run: Any = None

    def on_row(self, row: dict[str, Any]) -> None:
        self._opened().log(scalars(row), step=row["step"])

    def on_results(self, results: dict[str, Any]) -> None:
        self._opened().summary.update({f"test/{name}": number for name, number in scalars(results).items()})

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()

    def _opened(self) -> Any:
        if self._run is None:
            place = {"name": self._workdir.resolve().name, "dir": str(self._workdir)}
            self._run = self._library.init(project="vsc_jax", config=to_dict(self._config), **place)
        return self._run
