"""Progress on the terminal: a bar with loss, bound and active latents, and what is done after it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from vsc_jax.config import Config

_SHOWN = {"loss": "loss", "elbo": "bound", "active_per_image": "on"}


class Progress:
    """What a run tells while it works; its methods are the ``on_stage`` and ``on_row`` of ``fit``."""

    def __init__(self, config: Config):
        self._steps, self._log_every = config.train.steps, config.train.log_every
        self._shown = config.train.progress
        self._bar: tqdm | None = None

    def on_stage(self, stage: str) -> None:
        """Open the bar when compilation begins; show any other stage on a line of its own."""
        if not self._shown:
            return
        if stage == "compiling":
            self.open(stage)
        else:
            tell(stage)

    def open(self, description: str) -> None:
        """A new bar."""
        self.close()
        self._bar = tqdm(
            total=self._steps, unit="step", dynamic_ncols=True, file=sys.stderr, desc=description
        )

    def on_row(self, row: dict[str, Any]) -> None:
        """Move the bar to a row of metrics; the last one closes it."""
        bar = self._bar
        if bar is None:
            return
        if bar.n == 0:
            # What was done before this process started does not count for the speed.
            bar.initial = bar.n = max(0, row["step"] - self._log_every)
        bar.set_description("training", refresh=False)
        shown = {label: f"{row[name]:.1f}" for name, label in _SHOWN.items() if name in row}
        bar.set_postfix(shown, refresh=False)
        bar.update(row["step"] - bar.n)
        if row["step"] >= self._steps:
            self.close()

    def close(self) -> None:
        """Leave the bar as it is, on a finished line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class SweepProgress(Progress):
    """What a sweep tells: a bar for each wave of members, with the mean of those that go on."""

    def __init__(self, config: Config, quiet: bool = False):
        super().__init__(config)
        self._shown = self._shown and not quiet

    def on_stage(self, stage: str) -> None:
        """Open a bar for each wave; show any other stage on a line of its own."""
        if not self._shown:
            return
        if stage.startswith("wave"):
            tell("")
            self.open(stage)
        else:
            tell(stage)

    def on_rows(self, rows: list[dict[str, Any]]) -> None:
        """Move the bar to the rows of a wave's members."""
        names = [name for name in _SHOWN if rows and name in rows[0]]
        if rows:
            mean = {name: sum(row[name] for row in rows) / len(rows) for name in names}
            self.on_row({"step": rows[0]["step"], **mean})


@contextmanager
def sweep_progress(config: Config, quiet: bool = False) -> Iterator[SweepProgress]:
    """Progress of a sweep; ``quiet`` and ``train.progress`` turn it off."""
    shown = SweepProgress(config, quiet)
    try:
        yield shown
    finally:
        shown.close()
        tell("")


@contextmanager
def progress(config: Config) -> Iterator[Progress]:
    """Progress of one run; ``train.progress`` turns it off. The terminal is left on a fresh line."""
    shown = Progress(config)
    try:
        yield shown
    finally:
        shown.close()
        tell("")


@contextmanager
def progress_bar(config: Config) -> Iterator[Callable[[dict[str, Any]], None]]:
    """The bar alone, open from the start; what it yields takes each new row of metrics."""
    with progress(config) as shown:
        shown.on_stage("compiling")
        yield shown.on_row


def tell(stage: str) -> None:
    """Show what is being done, on a line that the next call replaces; nothing where there is no terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{stage}")
        sys.stderr.flush()
