"""Which latents follow which true features: correlation matrices, ordered into blocks by attribute.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019, Smiley experiment: the paper's
form correlates sizes, ``corr(|S V|, |z|)``; the signed form looks only where the feature is present.
"""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vsc_jax.figures import style


def correlation(features: ArrayLike, latents: ArrayLike) -> np.ndarray:
    """Pearson correlation of every feature with every latent over the examples.

    Args:
      features: ``[n, features]``.
      latents: ``[n, latents]``.

    Returns:
      ``[features, latents]``; 0 where either does not vary.
    """
    a, b = (_standardised(np.asarray(values, np.float64)) for values in (features, latents))
    return a.T @ b / max(len(a), 1)


def size_correlation(factors: ArrayLike, codes: ArrayLike) -> np.ndarray:
    """The paper's form, ``corr(|S V|, |z|)``.

    Args:
      factors: true features S * V, ``[n, features]``.
      codes: ``[n, latents]``.

    Returns:
      ``[features, latents]``, mostly positive.
    """
    return correlation(np.abs(np.asarray(factors)), np.abs(np.asarray(codes)))


def signed_correlation(factors: ArrayLike, presence: ArrayLike, codes: ArrayLike) -> np.ndarray:
    """``corr(V, z)`` over the examples in which the feature is present.

    Args:
      factors: true features S * V, ``[n, features]``.
      presence: 0 or 1, ``[n, features]``.
      codes: ``[n, latents]``.

    Returns:
      ``[features, latents]``, signed.
    """
    values, present, z = np.asarray(factors), np.asarray(presence, bool), np.asarray(codes)
    rows = [correlation(values[on, k, None], z[on])[0] for k, on in enumerate(present.T)]
    return np.stack(rows)


def order_into_blocks(size: ArrayLike, signed: ArrayLike, groups: ArrayLike) -> np.ndarray:
    """Latents ordered by the group of features they follow, within it by the feature, then by strength.

    Args:
      size: correlations ``[features, latents]`` that choose the group, by the mean of their magnitude.
      signed: correlations ``[features, latents]`` that choose the feature, by their magnitude.
      groups: group of every feature, ``[features]``, ascending.

    Returns:
      Indices of all latents, ``[latents]``.
    """
    between, within, member = np.abs(np.asarray(size)), np.abs(np.asarray(signed)), np.asarray(groups)
    names = np.unique(member)
    group = np.stack([between[member == name].mean(axis=0) for name in names]).argmax(axis=0)
    own = np.where(member[:, None] == names[group][None, :], within, -1)
    return np.lexsort((-own.max(axis=0), own.argmax(axis=0), group))


def draw_correlations(
    size: ArrayLike,
    signed: ArrayLike,
    names: Sequence[str],
    groups: ArrayLike,
    latents: ArrayLike,
) -> Figure:
    """Both matrices, features against the same latents, ordered into blocks.

    Args:
      size: :func:`size_correlation`, ``[features, latents]``.
      signed: :func:`signed_correlation`, ``[features, latents]``.
      names: names of the features.
      groups: attribute of every feature, ``[features]``, ascending.
      latents: which latents to show, such as those that are used.
    """
    shown = np.asarray(latents)
    absolute, with_sign = np.asarray(size), np.asarray(signed)
    order = shown[order_into_blocks(absolute[:, shown], with_sign[:, shown], groups)]
    title = f"Which of {len(order)} latents follow which true features"
    figure = style.new_figure(2 * (0.16 * len(names) + 0.75) + 0.4, title)
    top, bottom = figure.subplots(2, 1)
    panels = (
        (top, absolute, "Size against size: correlation of |feature| with |z|"),
        (bottom, with_sign, "Where the feature is present: correlation of its value with z"),
    )
    for axes, matrix, panel_title in panels:
        picture = axes.imshow(
            matrix[:, order], cmap=style.DIVERGING, vmin=-1, vmax=1, aspect="auto", interpolation="nearest"
        )
        style.label(axes, panel_title, "latent", "feature")
        axes.set_yticks(range(len(names)), names, parse_math=False)
        style.name_latents(axes, order)
        _separate(axes, groups)
        style.colour_bar(figure, picture, axes, "correlation")
    return figure


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0) if len(values) else values
    deviation = centred.std(axis=0) if len(values) else np.zeros(values.shape[1])
    # What does not vary beyond rounding counts as constant.
    varies = deviation > 1e-9 * np.abs(values).max(axis=0, initial=0)
    return np.where(varies, centred / np.where(varies, deviation, 1), 0)


def _separate(axes: Axes, groups: ArrayLike) -> None:
    for boundary in np.flatnonzero(np.diff(np.asarray(groups))):
        axes.axhline(boundary + 0.5, color="black", lw=0.8)
