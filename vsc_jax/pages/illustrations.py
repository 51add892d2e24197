"""The figures of one run as PNG, each with its sentence, and a line for each that cannot be drawn."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from PIL import Image

from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset
from vsc_jax.evaluation.presentation import as_measured
from vsc_jax.figures import from_model, style
from vsc_jax.figures.from_model import Shown, draw_all
from vsc_jax.figures.history import draw_history
from vsc_jax.models import VSC, Model
from vsc_jax.pages import code_sentences, picture_sentences
from vsc_jax.pages.source import Source
from vsc_jax.run import load
from vsc_jax.run.reopen import run_dataset

TITLES = {
    "history": "Training",
    "reconstructions": "Reconstructions",
    "activation": "Which latents each class uses",
    "gate_histogram": "Gates",
    "latent_density": "Sparsity of the code",
    "pseudo_inputs": "Pseudo-inputs",
    "conditional_samples": "Conditional sampling",
    "interpolations": "Interpolation",
    "traversals": "Latent traversals",
    "latent_grid": "Two latents at once",
    "correlations": "Latents and true features",
}
"""Headings of all figures of one run, in the order of the report."""

_SENTENCES: dict[str, Callable[[Shown], str]] = {
    "reconstructions": picture_sentences.reconstructions,
    "activation": code_sentences.activation,
    "gate_histogram": code_sentences.gate_histogram,
    "latent_density": code_sentences.latent_density,
    "pseudo_inputs": code_sentences.pseudo_inputs,
    "conditional_samples": picture_sentences.conditional_samples,
    "interpolations": picture_sentences.interpolations,
    "traversals": picture_sentences.traversals,
    "latent_grid": picture_sentences.latent_grid,
    "correlations": code_sentences.correlations,
}


class Illustration(NamedTuple):
    """A figure as it goes into a report.

    Attributes:
      name: of the figure, as in ``vsc_jax.figures``.
      png: the file's bytes.
      sentence: what to look for, and what this run shows.
    """

    name: str
    png: bytes
    sentence: str


def illustrate(
    source: Source,
    directory: Path | None = None,
    *,
    dataset: Any = None,
    trained: tuple[Model, Dataset] | None = None,
    every_figure: bool = True,
) -> tuple[list[Illustration], list[str]]:
    """Draw a run's figures.

    Args:
      source: the run.
      directory: folder with prepared TFDS sets, if not the one that the run used.
      dataset: data that were given from Python, see :func:`vsc_jax.run.reopen.run_dataset`.
      trained: the run's model and data where they are in memory; read from disk if not given.
      every_figure: False draws only what ``vsc_jax.figures.overview`` does, which is quick.

    Returns:
      The figures in the order of ``TITLES``, and one sentence for each reason why some are not there.
    """
    pngs: dict[str, bytes] = {}
    sentences: dict[str, str] = {}
    missing = []

    def drawn(name: str, draw: Callable[[], Figure]) -> bytes:
        """The figure that training has just written, if it has; drawn anew otherwise."""
        file = source.folder / "figures" / f"{name}.png"
        return file.read_bytes() if trained and not every_figure and file.is_file() else style.as_png(draw())

    if source.history:
        pngs["history"] = drawn("history", lambda: draw_history(source.history))
        sentences["history"] = code_sentences.history(source.history)
    else:
        missing.append("no training history, as there is no metrics.jsonl: its figure is left out")
    try:
        model, dataset = trained or (
            load(source.folder),
            run_dataset(source.folder, source.config, directory, dataset),
        )
    except UserError as error:
        missing.append(f"no figures of the model: {error}")
    else:
        dataset = as_measured(dataset, source.config.data.binarize, source.config.seed)
        shown = Shown(model, dataset, seed=source.config.seed)
        if every_figure:
            figures = draw_all(model, dataset, seed=source.config.seed)
            pngs |= {name: style.as_png(figure) for name, figure in figures.items()}
        else:
            pngs["reconstructions"] = drawn("reconstructions", lambda: from_model.reconstructions(shown))
            if shown.test.labels is not None:
                pngs["activation"] = drawn("activation", lambda: from_model.activation(shown))
        sentences |= {name: _SENTENCES[name](shown) for name in pngs if name in _SENTENCES}
        missing += _not_drawn(shown, every_figure)
    names = [name for name in (*TITLES, *pngs) if name in pngs]
    return [Illustration(name, pngs[name], sentences.get(name, "")) for name in dict.fromkeys(names)], missing


def shrunk(png: bytes) -> bytes:
    """A PNG file with at most 256 colours, a quarter of the size and hard to tell apart."""
    small = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    palette = picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette.save(small, format="png", optimize=True)
    return small.getvalue()


def _not_drawn(shown: Shown, every_figure: bool) -> Sequence[str]:
    """Why figures of the model are left out: what the data or the model do not have."""
    name, reasons = shown.dataset.name, []
    if shown.test.labels is None:
        reasons.append(f"no figure of classes: {name} has no labels")
    if not every_figure:
        return reasons
    if not shown.sparse:
        reasons.append("no figures of gates and pseudo-inputs: the model has no gates, every latent is on")
    elif isinstance(shown.model, VSC) and shown.model.pseudo_inputs is None:
        reasons.append("no figure of pseudo-inputs: the model's prior is fixed")
    if shown.dataset.form != "image":
        reasons.append(f"no figures of decoded images: the examples of {name} are no images")
    elif not len(shown.used):
        reasons.append("no latent traversals: no latent is used, the code has collapsed")
    if shown.test.factors is None:
        reasons.append(f"no correlations with true features: {name} has none that are known")
    return reasons
