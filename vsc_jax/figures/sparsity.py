"""How sparse a code is: gate probabilities, how often each latent is on, how many are on in an example."""

import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax.evaluation.statistics import USED_SHARE
from vsc_jax.figures import style

UNDECIDED = (0.1, 0.9)
"""A gate between these is undecided."""


def draw_gate_histogram(gamma: ArrayLike) -> Figure:
    """Histogram of the gate probabilities of all examples and latents, on a logarithmic count.

    Args:
      gamma: ``[n, latents]``.
    """
    values = np.asarray(gamma, np.float64).ravel()
    low, high = UNDECIDED
    undecided = float(((values > low) & (values < high)).mean())
    title = f"{undecided:.1%} of the gates are undecided, between {low} and {high}"
    figure = style.new_figure(2.7, title)
    axes = figure.subplots()
    axes.axvspan(low, high, color="0.93", zorder=0)
    axes.hist(values, bins=50, range=(0, 1), color=style.PALETTE[0], edgecolor="white", linewidth=0.3)
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    style.label(axes, "", r"gate probability $\gamma$", "gates of all examples")
    style.open_frame(axes)
    return figure


def draw_latent_density(on: ArrayLike) -> Figure:
    """How often each latent is on, sorted, and how many latents are on in an example.

    Args:
      on: which latents are on, booleans ``[n, latents]``.
    """
    density = np.sort(np.asarray(on).mean(axis=0))[::-1]
    count = np.count_nonzero(np.asarray(on), axis=1)
    latents = len(density)
    used, dead = int((density >= USED_SHARE).sum()), int((density == 0).sum())
    title = f"{used} of {latents} latents are used, {dead} never on; {count.mean():.1f} are on in an example"
    figure = style.new_figure(2.9, title)
    left, right = figure.subplots(1, 2)
    place = np.arange(1, latents + 1)
    left.bar(place, density, width=1.0, color=np.where(density >= USED_SHARE, style.PALETTE[0], style.GREY))
    left.axhline(
        USED_SHARE, color=style.PALETTE[1], lw=1, ls="--", label=f"used: on in {USED_SHARE:.0%} or more"
    )
    left.set_xlim(0.5, latents + 0.5)
    left.set_ylim(0, 1)
    style.label(left, "How often a latent is on", "latents, most used first", "share of examples")
    style.legend(left, loc="upper right")
    bins = np.arange(count.min(), count.max() + 2) - 0.5
    right.hist(count, bins=bins, weights=np.full(len(count), 1 / len(count)), color=style.PALETTE[0])
    style.label(right, "How many are on at once", "latents on in an example", "share of examples")
    for axes in (left, right):
        style.open_frame(axes)
    return figure
