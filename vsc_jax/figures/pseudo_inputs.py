"""The pseudo-inputs of the prior: what they look like, which latents they have on, how often they serve.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019, section 4.2.
"""

import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax.figures import style

PER_ROW = 10


def draw_pseudo_inputs(pictures: ArrayLike | None, gamma: ArrayLike, usage: ArrayLike) -> Figure:
    """Pseudo-inputs from the most to the least used, and under them which latents each has on.

    Args:
      pictures: the pseudo-inputs as images ``[components, height, width, ...]``; None for data that are
        no images.
      gamma: gate probabilities of their codes, ``[components, latents]``.
      usage: share of the examples that select each, ``[components]``.
    """
    share = np.asarray(usage, np.float64)
    order = np.argsort(-share, kind="stable")
    on = np.asarray(gamma, np.float64)[order]
    used = np.flatnonzero(on.max(axis=0) >= 0.5)
    latents = (
        used[np.argsort(-on[:, used].mean(axis=0), kind="stable")] if len(used) else np.arange(on.shape[1])
    )
    title = (
        f"{len(share)} pseudo-inputs, most used first: {np.count_nonzero(share)} serve at least one example"
    )
    matrix_height = min(0.3 + 0.11 * len(share), 4.5)
    if pictures is None:
        figure = style.new_figure(matrix_height + 0.9, title)
        bottom = figure.subplots()
    else:
        images = style.as_pictures(pictures)[order]
        columns = min(PER_ROW, len(images))
        rows = -(-len(images) // columns)
        blank = np.full((rows * columns - len(images), *images.shape[1:]), np.nan)
        tiles = np.concatenate([images, blank]).reshape(rows, columns, *images.shape[1:])
        height, width = images.shape[1:3]
        mosaic_height = rows * (style.WIDTH - 0.9) / columns * height / width
        figure = style.new_figure(mosaic_height + matrix_height + 1.2, title)
        top, bottom = figure.subplots(2, 1, height_ratios=[mosaic_height, matrix_height])
        style.label(top, "As images (number of the first of each row at the left)")
        style.show_tiles(top, tiles, rows=[f"{row * columns + 1}" for row in range(rows)])
    shown = bottom.imshow(
        on[:, latents], cmap=style.SEQUENTIAL, vmin=0, vmax=1, aspect="auto", interpolation="nearest"
    )
    style.label(
        bottom,
        f"Their supports: the {len(latents)} latents that any of them has on",
        "latent",
        "rank: share of the examples",
    )
    style.name_latents(bottom, latents)
    every = -(-len(share) // 16)
    bottom.set_yticks(
        range(0, len(share), every),
        [f"{number + 1}: {share[order[number]]:.1%}" for number in range(0, len(share), every)],
    )
    style.colour_bar(figure, shown, bottom, r"$\gamma$")
    return figure
