"""Latent traversals: on one image, each latent switched off, kept, and swept over its range."""

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax.figures import style
from vsc_jax.figures.grid import spanned

ONE_BLOCK = 8
"""More rows than this are set in two blocks side by side."""


class Traversals(NamedTuple):
    """Codes of one image with one latent changed.

    Attributes:
      codes: ``[traversed, 1 + values, latents]``; the first of each row has the latent off (zero).
      values: what the latent is set to after that, ``[traversed, values]``.
      latents: which latents are traversed, ``[traversed]``.
    """

    codes: np.ndarray
    values: np.ndarray
    latents: np.ndarray


def traversal_codes(base: ArrayLike, codes: ArrayLike, latents: ArrayLike, count: int = 6) -> Traversals:
    """Switch each latent off and sweep it over the range it spans where it is on.

    Args:
      base: code of one image, ``[latents]``.
      codes: codes of many examples, ``[n, latents]``, which give the ranges.
      latents: indices of the latents to traverse.
      count: values of each sweep.
    """
    chosen = np.asarray(latents)
    values = np.stack([spanned(codes, int(latent), count) for latent in chosen])
    start = np.asarray(base, np.float64)
    changed = np.broadcast_to(start, (len(chosen), count + 1, len(start))).copy()
    rows = np.arange(len(chosen))
    changed[rows, 0, chosen] = 0
    changed[rows[:, None], np.arange(1, count + 1)[None, :], chosen[:, None]] = values
    return Traversals(changed, values, chosen)


def draw_traversals(
    reconstruction: ArrayLike, pictures: ArrayLike, traversals: Traversals, base: ArrayLike
) -> Figure:
    """A row for every latent: switched off, then swept from low to high; before them the image as coded.

    Args:
      reconstruction: the image decoded from its own code, ``[height, width, ...]``.
      pictures: decoded ``traversals.codes``, ``[traversed, 1 + values, height, width, ...]``.
      traversals: what was decoded.
      base: the image's code, ``[latents]``; latents that are on in it are marked with their value.
    """
    changed = style.as_pictures(pictures)
    first = np.full_like(changed[:1], np.nan)
    first[0, 0] = style.as_pictures(reconstruction)
    code = np.asarray(base, np.float64)
    mark = "on: " if (code == 0).any() else ""  # in a dense code every latent is on
    names = ["as coded"]
    for latent, values in zip(traversals.latents, traversals.values, strict=True):
        here = f"{latent} ({mark}{style.number(code[latent])})" if code[latent] else f"{latent} (off)"
        names.append(f"{here}\n{style.number(values[0])} to {style.number(values[-1])}")
    tiles = np.concatenate([first, changed])
    blocks = 1 if len(tiles) <= ONE_BLOCK else 2
    rows, (columns, height, width) = -(-len(tiles) // blocks), tiles.shape[1:4]
    picture = 1.03 * (style.WIDTH / blocks - 1.05) / columns * height / width
    title = "One test image, one latent changed at a time: switched off, and swept over the values it takes"
    figure = style.new_figure(rows * max(picture, 0.26) + 1.05, title)
    figure.supxlabel("rows: latent (its value in this image), range of the sweep", fontsize=style.SMALL)
    sweep = ["off", "low", *[""] * (columns - 3), "high"]
    for block, axes in enumerate(figure.subplots(1, blocks, squeeze=False)[0]):
        own = slice(block * rows, (block + 1) * rows)
        blank = np.full((rows - len(tiles[own]), *tiles.shape[1:]), np.nan)
        style.show_tiles(axes, np.concatenate([tiles[own], blank]), rows=names[own], columns=sweep)
        axes.xaxis.tick_top()
        style.bare(axes)
    return figure
