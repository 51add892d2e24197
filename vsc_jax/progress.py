"""Progress on the terminal: a bar with loss, bound and active latents, and what is done after it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from vsc_jax.config import Config

_SHOWN = {"loss": "loss", "elbo": "bound", "active_per_image": "on"}


@contextmanager
def progress_bar(config: Config) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar over iterations; what it yields takes each new row of metrics and ends with the last one.

    Args:
      config: the run; ``train.progress`` turns the bar off.
    """
    settings = {
        "total": config.train.steps,
        "unit": "step",
        "disable": not config.train.progress,
        "dynamic_ncols": True,
        "file": sys.stderr,
        "desc": "compiling",
    }
    with tqdm(**settings) as bar:

        def show(row: dict[str, Any]) -> None:
            if bar.n == 0:
                # What was done before this process started does not count for the speed.
                bar.initial = bar.n = max(0, row["step"] - config.train.log_every)
            bar.set_description("training", refresh=False)
            shown = {label: f"{row[name]:.1f}" for name, label in _SHOWN.items() if name in row}
            bar.set_postfix(shown, refresh=False)
            bar.update(row["step"] - bar.n)
            if row["step"] >= config.train.steps:
                bar.close()

        yield show


def tell(stage: str) -> None:
    """Show what is being done, on a line that the next call replaces; nothing where there is no terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{stage}")
        sys.stderr.flush()
