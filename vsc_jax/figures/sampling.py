"""Conditional sampling: keep which latents are on in an image, draw their values anew.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019, section on conditional sampling.
"""

import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax.figures import style


def draw_conditional_samples(
    originals: ArrayLike, reconstructions: ArrayLike, samples: ArrayLike, active: ArrayLike
) -> Figure:
    """A row for every image: the image, its reconstruction, and samples with the same latents on.

    Args:
      originals: images ``[n, height, width, ...]``.
      reconstructions: of the same shape.
      samples: decoded draws ``[n, samples, height, width, ...]``.
      active: how many latents are on in each image, ``[n]``.
    """
    first = np.stack([style.as_pictures(originals), style.as_pictures(reconstructions)], axis=1)
    drawn = style.as_pictures(samples)
    n, count, height, width = drawn.shape[:4]
    picture = 1.08 * (style.WIDTH - 1.0) / (count + 2.2) * height / width
    title = "Conditional sampling: the latents that are on stay on, their values are drawn anew"
    figure = style.new_figure(n * picture + 0.75, title)
    left, right = figure.subplots(1, 2, width_ratios=[2, count])
    style.label(left, "Image and\nreconstruction")
    style.show_tiles(left, first, rows=[f"{number} on" for number in np.asarray(active)])
    style.label(right, "Samples from the prior, given which latents are on")
    style.show_tiles(right, drawn)
    return figure
