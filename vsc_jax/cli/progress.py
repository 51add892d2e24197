"""Progress on the terminal: a bar with loss, bound and active latents, and the stages around it."""

import sys
from typing import Any

from tqdm import tqdm

from vsc_jax.config import TrainConfig

_METRICS = {"loss": "loss", "elbo": "bound", "active_per_image": "on"}


class Progress:
    """Progress of a run, or of a sweep's waves; a context that leaves the terminal on a fresh line.

    ``quiet`` and ``train.progress`` turn it off. Its methods are what ``fit`` and ``sweep`` call. A line
    stays of each number of steps that ``train.steps`` auto tries.
    """

    def __init__(self, config: TrainConfig, *, quiet: bool = False, sweep: bool = False):
        self._config, self._on = config, config.progress and not quiet
        self._opens = "wave" if sweep else "compiling"
        self._bar: tqdm | None = None

    def on_stage(self, stage: str) -> None:
        """Open a bar when training begins; show any other stage on a line that the next one replaces."""
        if self._on and stage.startswith(self._opens):
            self.__exit__()
            steps = self._config.steps
            total = None if steps == "auto" else steps
            self._bar = tqdm(total=total, unit="step", dynamic_ncols=True, file=sys.stderr, desc=stage)
        elif self._on:
            if self._config.steps == "auto":  # the bar does not know where it ends
                self._close()
            if stage.startswith("train.steps"):
                show_stage("")
                print(stage, file=sys.stderr, flush=True)
            else:
                show_stage(stage)

    def on_row(self, row: dict[str, Any]) -> None:
        """Move the bar to a row of metrics; the last one closes it."""
        self.on_rows([row])

    def on_rows(self, rows: list[dict[str, Any]]) -> None:
        """Move the bar to the rows of a wave's members; it shows their means."""
        bar = self._bar
        if bar is None or not rows:
            return
        step = rows[0]["step"]
        if bar.n == 0:
            # What was done before this process started does not count for the speed.
            bar.initial = bar.n = max(0, step - self._config.log_every)
        bar.set_description("training", refresh=False)
        shown = {name: label for name, label in _METRICS.items() if name in rows[0]}
        means = {label: sum(row[name] for row in rows) / len(rows) for name, label in shown.items()}
        bar.set_postfix({label: f"{mean:.1f}" for label, mean in means.items()}, refresh=False)
        bar.update(step - bar.n)
        if bar.total is not None and step >= bar.total:
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        show_stage("")


def show_stage(stage: str) -> None:
    """Show what is being done, on a line that the next call replaces; nothing where there is no terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{stage}")
        sys.stderr.flush()
