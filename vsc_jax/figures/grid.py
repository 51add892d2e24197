"""The latent-space grid: two latents varied together, the others kept where one example has them.

The seed report's latent-space page, over the range that the codes span, where it used a fixed one.
"""

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax.figures import style

SPAN = (1.0, 99.0)
"""Percentiles of a latent's values, where it is on, that a grid or sweep goes from and to."""


class Grid(NamedTuple):
    """Codes on a grid of two latents.

    Attributes:
      codes: ``[values, values, latents]``; the first axis is the second latent's.
      x: values of the first latent, ascending.
      y: values of the second latent, ascending.
    """

    codes: np.ndarray
    x: np.ndarray
    y: np.ndarray


def spanned(codes: ArrayLike, latent: int, count: int) -> np.ndarray:
    """Evenly spaced values over the range that a latent's codes span where it is on, ``[count]``.

    Args:
      codes: codes of many examples, ``[n, latents]``; exact zeros are *off* and do not count.
      latent: which one.
      count: how many values. A latent that is never on gets values from -1 to 1.
    """
    values = np.asarray(codes, np.float64)[:, latent]
    values = values[values != 0]
    low, high = np.percentile(values, SPAN) if len(values) else (-1.0, 1.0)
    return np.linspace(low, high, count)


def grid_codes(base: ArrayLike, codes: ArrayLike, pair: tuple[int, int], count: int = 11) -> Grid:
    """Codes that vary two latents over the range spanned by the data and keep the others.

    Args:
      base: code of one example, ``[latents]``.
      codes: codes of many examples, ``[n, latents]``, which give the ranges.
      pair: the latents along x and along y.
      count: values of each.
    """
    x, y = (spanned(codes, latent, count) for latent in pair)
    grid = np.broadcast_to(np.asarray(base, np.float64), (count, count, np.shape(base)[0])).copy()
    grid[:, :, pair[0]] = x[None, :]
    grid[:, :, pair[1]] = y[:, None]
    return Grid(grid, x, y)


def draw_latent_grid(pictures: ArrayLike, x: ArrayLike, y: ArrayLike, pair: tuple[int, int]) -> Figure:
    """The decoded grid, values growing to the right and upwards.

    Args:
      pictures: decoded images ``[y values, x values, height, width, ...]``, as ``Grid.codes`` is ordered.
      x: values of the latent along x.
      y: values of the latent along y.
      pair: indices of the two latents, for the names of the axes.
    """
    tiles = style.as_pictures(pictures)
    rows, columns, height, width = tiles.shape[:4]
    title = f"What latents {pair[0]} and {pair[1]} change, the others kept where one test image has them"
    figure = style.new_figure((style.WIDTH - 0.8) * rows * height / (columns * width) + 0.9, title)
    axes = figure.subplots()
    names = [[style.number(value) for value in np.asarray(values)] for values in (x, y)]
    style.show_tiles(axes, tiles[::-1], rows=names[1][::-1], columns=names[0], gap=0)
    style.label(axes, x=f"value of latent {pair[0]}", y=f"value of latent {pair[1]}")
    style.bare(axes)
    return figure
