"""Explore a model's latents on a local page: ``python -m vsc_jax.explore RUN [--latent N] [--open]``."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsc_jax.cli.command_line import RunFolder, parse, run_command
from vsc_jax.config.errors import UserError


@dataclass(frozen=True)
class ExploreArguments:
    """Options of ``python -m vsc_jax.explore``."""

    run: RunFolder
    latent: int | None = None
    """Show this latent first, in the test example in which its value is the median."""
    port: int | None = None
    """Port on the loopback address, 0 for any that is free. Default: the first free one from 8765 on."""
    open: bool = False
    """Open the page in the web browser."""
    directory: Path | None = None
    """Folder with prepared TFDS sets, if not the one that the run used."""


def main(argv: Sequence[str] | None = None) -> None:
    """Serve the page until interrupted."""
    arguments = parse(
        ExploreArguments,
        "Serve a local page on which you pick a test image, see its latents as bars, switch and drag them, "
        "and watch the decoded image change. Ctrl-C stops it.",
        argv,
    )
    options = {name: getattr(arguments, name) for name in ("latent", "port", "open", "directory")}
    explore(arguments.run, **options)


def explore(
    run: str | Path,
    dataset: Any = None,
    *,
    latent: int | None = None,
    port: int | None = None,
    open: bool = False,
    directory: Path | None = None,
) -> None:
    """Serve the page of a run or a saved model until interrupted; see :class:`ExploreArguments`.

    ``dataset`` is what :func:`vsc_jax.fit` was given from Python, if the run folder does not keep it.

    Raises:
      UserError: if the folder is no run, the data are not those that it was trained on, the run has no such
        latent, or the port is taken.
    """
    if not 0 <= (port or 0) < 2**16:
        raise UserError(f"--port: expected a number from 0 to 65535, got {port}")
    for package in ("starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"the explorer needs {package}: pip install starlette uvicorn")
    from vsc_jax.run import open_run

    stored = open_run(run, "run")
    from vsc_jax.evaluation.code_view import CodeView
    from vsc_jax.evaluation.results import as_measured
    from vsc_jax.pages.explorer.server import Explorer, listen, server, url

    with listen(port) as listening:
        model, config, loaded = stored.model(), stored.config, stored.dataset(dataset, directory=directory)
        view = CodeView(model, as_measured(loaded, config.data.binarize, config.seed), seed=config.seed)
        if latent is not None and not 0 <= latent < view.latents:
            raise UserError(f"--latent: expected one from 0 to {view.latents - 1}, got {latent}")
        explorer = Explorer(view, stored.folder.resolve().name)
        address = url(listening) + (f"#latent={latent}" if latent is not None else "")
        print(f"{address} shows {explorer.name}; Ctrl-C stops it", flush=True)
        if open:
            import webbrowser

            webbrowser.open(address)
        try:
            server(explorer).run(sockets=[listening])
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    run_command(main)
