"""Examples beside their reconstructions and the error, from clean and from noisy input.

After the reconstruction page of the seed report, with the error it did not show.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax.figures import style


class Reconstructed(NamedTuple):
    """What a model was given and what it made of it.

    Attributes:
      inputs: examples as the model saw them, ``[n, *example_shape]``.
      outputs: their reconstructions, ``[n, *example_shape]``.
      name: what the inputs are, such as ``clean`` or ``noisy (sd 0.2)``.
    """

    inputs: ArrayLike
    outputs: ArrayLike
    name: str


def draw_reconstructions(originals: ArrayLike, parts: Sequence[Reconstructed]) -> Figure:
    """Images: input, reconstruction and squared error against the original, a block for every input.

    Args:
      originals: the images without noise, ``[n, height, width]`` or ``[n, height, width, channels]``,
        uint8 or float in [0, 1].
      parts: clean input, noisy input, ... of the same examples.
    """
    clean = style.as_pictures(originals)
    outputs = [style.as_pictures(part.outputs) for part in parts]
    errors = [np.square(output - clean) for output in outputs]
    if clean.ndim == 4:
        errors = [error.mean(axis=-1) for error in errors]
    n, height, width = clean.shape[:3]
    # A little more height than the pictures need, so that their width decides and the rows line up.
    picture = 1.1 * (style.WIDTH - 1.8) / n * height / width
    figure = style.new_figure(
        len(parts) * (3 * picture + 0.55) + 0.35,
        "Test examples, their reconstructions and the error that is left",
    )
    panels = figure.subplots(2 * len(parts), 1, height_ratios=[2, 1] * len(parts), squeeze=False)[:, 0]
    high = max(float(error.max()) for error in errors) or 1.0
    for number, (part, output, error) in enumerate(zip(parts, outputs, errors, strict=True)):
        top, bottom = panels[2 * number : 2 * number + 2]
        pictures = np.stack([style.as_pictures(part.inputs), output])
        style.label(top, f"{_sentence(part.name)} input")
        style.show_tiles(top, pictures, rows=("input", "reconstruction"))
        style.label(bottom, x="squared error against the original, summed over the image")
        sums = [f"{total:.1f}" for total in error.sum(axis=(1, 2))]
        shown = style.show_tiles(
            bottom, error[None], rows=("squared error",), columns=sums, colours=style.SEQUENTIAL, high=high
        )
    style.colour_bar(figure, shown, list(panels), "squared error of a pixel")
    return figure


def draw_vector_reconstructions(originals: ArrayLike, parts: Sequence[Reconstructed]) -> Figure:
    """Vectors: input and reconstruction as curves over the dimensions, a column for every input.

    Args:
      originals: the vectors without noise, ``[n, d]``; each becomes one row of panels.
      parts: clean input, noisy input, ... of the same examples.
    """
    clean = _as_floats(originals)
    n, dimensions = clean.shape
    figure = style.new_figure(1.25 * n + 0.75, "Test examples and their reconstructions")
    panels = figure.subplots(n, len(parts), sharex=True, sharey="row", squeeze=False)
    place = np.arange(dimensions)
    marker = "." if dimensions <= 40 else ""
    for column, part in enumerate(parts):
        inputs, outputs = _as_floats(part.inputs), _as_floats(part.outputs)
        for row in range(n):
            axes = panels[row, column]
            axes.plot(place, inputs[row], color=style.GREY, lw=1.2, marker=marker, label="input")
            axes.plot(
                place, outputs[row], color=style.PALETTE[0], lw=1.0, marker=marker, label="reconstruction"
            )
            error = float(np.square(outputs[row] - clean[row]).sum())
            name = f"{_sentence(part.name)} input\n" if row == 0 else ""
            below = "dimension" if row == n - 1 else ""
            style.label(axes, f"{name}squared error {error:.3g}", below, "value" if column == 0 else "")
            style.open_frame(axes)
            axes.margins(x=0.01)
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=style.SMALL, frameon=False)
    return figure


def draw_signal_reconstructions(
    originals: ArrayLike, parts: Sequence[Reconstructed], channels: Sequence[str]
) -> Figure:
    """Signals: input and reconstruction over time, a row for every channel.

    Args:
      originals: the signals without noise, ``[n, time, channels]``; each becomes a column of every part.
      parts: clean input, noisy input, ... of these examples, and maybe more.
      channels: their names.
    """
    clean = _as_floats(originals)
    n, steps, _ = clean.shape
    place = np.arange(steps)
    figure = style.new_figure(0.7 * len(channels) + 1.2, "Test examples and their reconstructions")
    panels = figure.subplots(len(channels), n * len(parts), sharex=True, sharey="row", squeeze=False)
    for column, (example, part) in enumerate((e, p) for e in range(n) for p in parts):
        inputs, outputs = _as_floats(part.inputs)[example], _as_floats(part.outputs)[example]
        error = float(np.square(outputs - clean[example]).sum())
        for row, channel in enumerate(channels):
            axes = panels[row, column]
            axes.plot(place, inputs[:, row], color=style.GREY, lw=1.0, label="input")
            axes.plot(place, outputs[:, row], color=style.PALETTE[0], lw=1.0, label="reconstruction")
            title = f"{_sentence(part.name.split(' ')[0])} input\nerror {error:.3g}" if row == 0 else ""
            below = "time step" if row == len(channels) - 1 else ""
            style.label(axes, title, below, _in_two_lines(channel) if column == 0 else "")
            axes.yaxis.label.set_parse_math(False)
            style.open_frame(axes)
            axes.margins(x=0.01)
    figure.align_ylabels(panels[:, 0])
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=style.SMALL, frameon=False)
    return figure


def _in_two_lines(name: str) -> str:
    """``body_acc_x`` as *body acc* over *x*."""
    first, _, last = name.rpartition("_")
    return f"{first.replace('_', ' ')}\n{last}".strip()


def _sentence(name: str) -> str:
    return name[:1].upper() + name[1:]


def _as_floats(vectors: ArrayLike) -> np.ndarray:
    stored = np.asarray(vectors)
    return stored.astype(np.float64) / (255 if stored.dtype == np.uint8 else 1)
