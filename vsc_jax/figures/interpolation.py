"""From one image to another: their supports combined one latent at a time, or the straight line.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019: discrete and continuous
interpolation.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax.figures import style


class Path(NamedTuple):
    """A way from one code to another.

    Attributes:
      codes: ``[steps, latents]``; the first is the start, the last the end.
      names: what each step is, such as ``+17`` (latent 17 switched on) or ``0.25`` (share of the way).
    """

    codes: np.ndarray
    names: list[str]


class Interpolation(NamedTuple):
    """A decoded path.

    Attributes:
      pictures: decoded images ``[steps, height, width, ...]``.
      path: the codes behind them.
    """

    pictures: ArrayLike
    path: Path


def continuous_path(start: ArrayLike, end: ArrayLike, steps: int) -> Path:
    """Evenly spaced codes on the straight line from ``start`` to ``end``, both ``[latents]``."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    share = np.linspace(0, 1, steps)
    return Path(a + share[:, None] * (b - a), [f"{value:.2f}" for value in share])


def discrete_path(start: ArrayLike, end: ArrayLike, most: int | None = None) -> Path:
    """Codes from ``start`` to ``end`` that change one latent at a time, the supports united half-way.

    First the latents that are on only in ``end`` are switched on, then those on in both take their new
    value, then those on only in ``start`` are switched off; within each group the largest change comes
    first.

    Args:
      start: code ``[latents]``, exact zeros *off*.
      end: code ``[latents]``.
      most: at most so many steps are kept, evenly spaced, first and last among them; None keeps all.
        A kept step that holds other changes, too, has an ellipsis in its name.

    Returns:
      Steps named ``start``, ``+j`` (on), ``~j`` (new value), ``-j`` (off).
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    groups = (("+", (a == 0) & (b != 0)), ("~", (a != 0) & (b != 0) & (a != b)), ("-", (a != 0) & (b == 0)))
    codes, names = [a.copy()], ["start"]
    for sign, members in groups:
        latents = np.flatnonzero(members)
        for latent in latents[np.argsort(-np.abs(b - a)[latents], kind="stable")]:
            step = codes[-1].copy()
            step[latent] = b[latent]
            codes.append(step)
            names.append(f"{sign}{latent}")
    if most is not None and len(codes) > most:
        kept = np.round(np.linspace(0, len(codes) - 1, most)).astype(int)
        gaps = np.diff(kept, prepend=0)
        names = [names[i] if gap <= 1 else f"{names[i]}…" for i, gap in zip(kept, gaps, strict=True)]
        codes = [codes[i] for i in kept]
    return Path(np.stack(codes), names)


def draw_interpolations(discrete: Sequence[Interpolation], continuous: Sequence[Interpolation]) -> Figure:
    """Pairs of images: each pair's discrete path over its continuous one.

    Args:
      discrete: paths that change one latent at a time, one a pair; empty for a model without gates.
      continuous: straight paths of the same pairs.
    """
    blocks = []
    for number, straight in enumerate(continuous):
        if discrete:
            blocks.append(("one latent\nat a time", discrete[number]))
        blocks.append(("straight\nline", straight))
    shapes = [style.as_pictures(block.pictures).shape for _, block in blocks]
    most = max(shape[0] for shape in shapes)
    height, width = shapes[0][1:3]
    picture = 1.05 * (style.WIDTH - 0.9) / most * height / width
    title = "From one test image to another"
    if discrete:
        title += ": supports combined latent by latent, and along a straight line"
    figure = style.new_figure(len(blocks) * (picture + 0.28) + (1.0 if discrete else 0.65), title)
    panels = figure.subplots(len(blocks), 1, squeeze=False)[:, 0]
    for axes, (name, (pictures, path)) in zip(panels, blocks, strict=True):
        images = style.as_pictures(pictures)
        blank = np.full((most - len(images), *images.shape[1:]), np.nan)
        style.show_tiles(axes, np.concatenate([images, blank])[None], rows=(name,), columns=path.names)
    below = "straight line: share of the way"
    if discrete:
        below += "\none latent at a time: +j switched on, ~j given its new value, -j switched off,"
        below += "\n… and others since the picture before"
    style.label(panels[-1], x=below)
    style.bare(panels[-1])
    return figure
