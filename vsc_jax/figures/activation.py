"""Which latents each class uses: how often each is on and how large the code is, class by class.

The seed report's "activated dimensions", with the sparse code where it plotted the slab's mean.
"""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax.evaluation.statistics import USED_SHARE
from vsc_jax.figures import style


def class_means(values: ArrayLike, labels: ArrayLike, classes: int) -> np.ndarray:
    """Mean of ``values`` ``[n, latents]`` over the examples of each class, ``[classes, latents]``.

    Classes without examples are NaN.
    """
    values, labels = np.asarray(values, np.float64), np.asarray(labels)
    member = labels[None, :] == np.arange(classes)[:, None]
    count = member.sum(axis=1, keepdims=True)
    return np.where(count > 0, member @ values / np.maximum(count, 1), np.nan)


def order_by_class(means: np.ndarray) -> np.ndarray:
    """Latents by the class that they are largest for and, within a class, largest first.

    Args:
      means: ``[classes, latents]``; classes of NaN are ignored.

    Returns:
      Indices of all latents, ``[latents]``.
    """
    filled = np.where(np.isnan(means), -np.inf, means)
    return np.lexsort((-filled.max(axis=0), filled.argmax(axis=0)))


def draw_activation(
    on: ArrayLike | None, code: ArrayLike, labels: ArrayLike, label_names: Sequence[str] = ()
) -> Figure:
    """Two heat maps, class against latent: how often it is on, and mean |z|; latents ordered by class.

    Args:
      on: which latents are on, booleans ``[n, latents]``, or None for a model without gates, which gets
        the second map alone. Latents that are not used are left out.
      code: deterministic codes ``[n, latents]``, exact zeros *off*.
      labels: class of every example, ``[n]``.
      label_names: names of the classes; numbers if not given.
    """
    classes = max(len(label_names), int(np.max(np.asarray(labels))) + 1)
    names = list(label_names) + [str(number) for number in range(len(label_names), classes)]
    size = class_means(np.abs(np.asarray(code, np.float64)), labels, classes)
    maps = [(size, "Mean |z|: how large the code is", "mean |z|", float(np.nanmax(size)))]
    used = np.ones(size.shape[1], bool)
    if on is not None:
        share = class_means(on, labels, classes)
        maps.insert(0, (share, "How often a latent is on", "share of examples", 1.0))
        used = np.asarray(on).mean(axis=0) >= USED_SHARE
    order = order_by_class(maps[0][0])
    order = order[used[order]] if used.any() else order
    title = f"Class by class: {len(order)} latents, ordered by the class that uses them most"
    hidden = size.shape[1] - len(order)
    if hidden:
        title += (
            f"\n({hidden} of {size.shape[1]} are left out: on in fewer than {USED_SHARE:.0%} of the examples)"
        )
    figure = style.new_figure(len(maps) * (0.17 * max(classes, 6) + 0.75) + 0.4, title)
    panels = figure.subplots(len(maps), 1, squeeze=False)[:, 0]
    for axes, (means, panel_title, bar, high) in zip(panels, maps, strict=True):
        shown = axes.imshow(
            means[:, order],
            cmap=style.SEQUENTIAL,
            vmin=0,
            vmax=high or 1.0,
            aspect="auto",
            interpolation="nearest",
        )
        style.label(axes, panel_title, "latent", "class")
        axes.set_yticks(range(classes), names, parse_math=False)
        style.name_latents(axes, order)
        style.colour_bar(figure, shown, axes, bar)
    return figure
