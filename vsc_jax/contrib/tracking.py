"""Metrics told to others while a run trains: TensorBoard and Weights & Biases, each behind an extra.

A tracker is anything with the three methods of :class:`Tracker`; ``metrics.jsonl`` and ``results.json`` are
written whether there is one or not.
"""

import importlib
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from vsc_jax.config import Config, to_dict
from vsc_jax.config.errors import UserError
from vsc_jax.training.run_folder import Row

TrackerName = Literal["tensorboard", "wandb"]


@runtime_checkable
class Tracker(Protocol):
    """What a run tells while it works."""

    def on_row(self, row: Row) -> None:
        """Take a row of ``metrics.jsonl``; a resumed run begins with its newest one."""

    def on_results(self, results: dict[str, Any]) -> None:
        """Take the test metrics of the finished run."""

    def close(self) -> None:
        """Write what is not written yet; called once, also where the run failed."""


def tracker(name: TrackerName, config: Config, workdir: Path) -> Tracker:
    """The tracker of that name, for one run.

    Raises:
      UserError: if its extra is not installed.
    """
    return TensorBoard(config, workdir) if name == "tensorboard" else WeightsAndBiases(config, workdir)


def scalars(values: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row or of results by name; those of a section as ``section/name``."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{inner}": number for inner, number in scalars(value).items()}
        elif isinstance(value, int | float):
            flat[name] = float(value)
    return flat


class TensorBoard:
    """Event files in ``WORKDIR/tensorboard``; a resumed run hides what was written after its checkpoint."""

    def __init__(self, config: Config, workdir: Path):
        self._library = _imported("tensorboardX", "tensorboard")
        self._folder = workdir / "tensorboard"
        self._steps = config.train.steps
        self._writer: Any = None

    def on_row(self, row: Row) -> None:
        """Add every number of the row at its step."""
        self._write("train", scalars(row), row["step"])

    def on_results(self, results: dict[str, Any]) -> None:
        """Add every number of the results at the last step."""
        self._write("test", scalars(results), self._steps)

    def close(self) -> None:
        """Write out and close the file."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, group: str, numbers: dict[str, float], step: int) -> None:
        if self._writer is None:
            self._writer = self._library.SummaryWriter(str(self._folder), purge_step=step)
        for name, number in numbers.items():
            if name != "step":
                self._writer.add_scalar(f"{group}/{name}", number, step)


class WeightsAndBiases:
    """A run of the project ``vsc_jax``, called like the run folder; where it goes is wandb's own setting."""

    def __init__(self, config: Config, workdir: Path):
        self._library = _imported("wandb", "wandb")
        self._config, self._workdir = config, workdir
        self._opened: Any = None

    def on_row(self, row: Row) -> None:
        """Log every number of the row at its step."""
        self._run().log(scalars(row), step=row["step"])

    def on_results(self, results: dict[str, Any]) -> None:
        """Put the results into the run's summary."""
        self._run().summary.update({f"test/{name}": number for name, number in scalars(results).items()})

    def close(self) -> None:
        """Finish the run."""
        if self._opened is not None:
            self._opened.finish()

    def _run(self) -> Any:
        # Opened when there is something to tell: until then the run folder may still be refused.
        if self._opened is None:
            self._opened = self._library.init(
                project="vsc_jax",
                name=self._workdir.resolve().name,
                dir=str(self._workdir),
                config=to_dict(self._config),
            )
        return self._opened


def _imported(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise UserError(f"--track {extra} needs {module}: pip install {module}") from None
