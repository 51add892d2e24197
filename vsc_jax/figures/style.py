"""The look that all figures share: sizes, color maps, pictures as tiles, and how a figure reaches disk.

Figures are built with matplotlib's objects alone, so that they need no display and leave no global
state. They are ``WIDTH`` inches wide and their text is sized to be read when that is 600 pixels.
"""

import io
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.legend import Legend

WIDTH = 6.0  # of every figure in inches: 600 pixels at 100 dots an inch
DPI = 150  # dots an inch of the files
TEXT, SMALL = 9.0, 8.0  # font sizes in points, of titles and labels, and of ticks, legends and notes
SEQUENTIAL, DIVERGING, PICTURES = "viridis", "RdBu_r", "gray"  # amounts from 0, signed values, images
# Okabe and Ito's colors, which the color-blind can tell apart; used in this order.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GRAY = "0.55"  # of reference lines and of what is left out
_TITLE_CHARACTERS = 76  # of bold text that fit into the width
_TICKS: dict[str, Any] = {"labelsize": SMALL, "width": 0.6, "length": 2.5}


class Drawn(NamedTuple):
    """A figure and its facts: the numbers and names that a sentence about it needs."""

    figure: Figure
    facts: dict[str, Any]

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return as_png(self.figure)


def new_figure(height: float, title: str) -> Figure:
    """An empty figure of the shared width and of ``height`` inches, with a title over everything."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor="white")
    lines: list[str] = []
    for part in title.split("\n"):  # in as few lines as fit, about equally long
        count = len(textwrap.wrap(part, _TITLE_CHARACTERS))
        widths = range(len(part) // max(count, 1), _TITLE_CHARACTERS + 1)
        lines += next((wrapped for w in widths if len(wrapped := textwrap.wrap(part, w)) <= count), [part])
    figure.suptitle("\n".join(lines), fontsize=TEXT, fontweight="bold")
    return figure


def label(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Name a panel and its axes, in the shared sizes."""
    if title:
        axes.set_title(title, fontsize=TEXT, loc="left")
    axes.set_xlabel(x, fontsize=SMALL)
    axes.set_ylabel(y, fontsize=SMALL)
    axes.tick_params(which="both", **_TICKS)


def bare(axes: Axes) -> None:
    """No frame and no tick marks: for pictures, whose tick labels stay."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=SMALL)


def open_frame(axes: Axes) -> None:
    """A frame on the left and below only, with a faint grid: for curves."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def legend(axes: Axes, **options: Any) -> Legend:
    """A small legend without a frame."""
    return axes.legend(fontsize=SMALL, frameon=False, handlelength=1.4, borderaxespad=0.3, **options)


def color_bar(image: AxesImage, axes: Any, text: str) -> None:
    """A slim color bar beside ``axes`` (one panel or several), named ``text``."""
    bar = image.axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, aspect=25)
    bar.set_label(text, fontsize=SMALL)
    bar.ax.tick_params(**_TICKS)
    bar.outline.set_linewidth(0.4)


def as_pictures(images: ArrayLike) -> np.ndarray:
    """Images as float64 in [0, 1]: uint8 stands for x / 255, floats are clipped."""
    stored = np.asarray(images)
    return np.clip(stored.astype(np.float64) / (255 if stored.dtype == np.uint8 else 1), 0, 1)


def padded(images: np.ndarray, count: int) -> np.ndarray:
    """Blank pictures after ``images`` ``[n, ...]``, so that there are ``count``."""
    return np.concatenate([images, np.full((count - len(images), *images.shape[1:]), np.nan)])


def show_tiles(
    axes: Axes,
    images: ArrayLike,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    colors: str = PICTURES,
    high: float = 1.0,
    gap: int = 1,
) -> AxesImage:
    """Draw pictures ``[rows, columns, height, width]``, or with channels, side by side in one panel, upright.

    Three channels are colors, others are averaged to gray; a picture of NaN stays blank. ``colors`` go from 0
    to ``high``; ``gap`` is in pixels.
    """
    pictures = np.asarray(images, np.float64)
    if pictures.ndim == 5 and pictures.shape[-1] != 3:
        pictures = pictures.mean(axis=-1)
    n, m, height, width, *channels = pictures.shape
    down, across = height + gap, width + gap
    canvas = np.full((n, down, m, across, *channels), np.nan)
    canvas[:, :height, :, :width] = pictures.swapaxes(1, 2)
    canvas = canvas.reshape(n * down, m * across, *channels)[: n * down - gap, : m * across - gap]
    if channels:
        visible = ~np.isnan(canvas).any(axis=-1, keepdims=True)
        canvas = np.concatenate([np.where(visible, canvas, 0), visible], axis=-1)
    drawn = axes.imshow(canvas, cmap=colors, vmin=0.0, vmax=high, origin="upper")
    axes.set_yticks((np.arange(n) * down + (height - 1) / 2)[: len(rows)], rows)
    axes.set_xticks((np.arange(m) * across + (width - 1) / 2)[: len(columns)], columns)
    bare(axes)
    return drawn


def number(value: float | np.floating) -> str:
    """A value with one decimal, and no minus before a zero."""
    return f"{round(float(value), 1) + 0.0:.1f}"


def as_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, metadata={"Software": None})
    return drawn.getvalue()
