"""Numbers of several runs as curves: bounds against alpha, J and active latents, accuracy against J.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019: evaluation against the number of
latents and against the sparsity of the prior.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from vsc_jax.figures import style

Numbers = Sequence[float | int] | np.ndarray

MARKERS = "osD^vP*"

# Words for the title and for the axis.
_AGAINST = {
    "model.alpha": ("the sparsity asked for", r"$\alpha$: prior probability that a latent is on"),
    "model.latents": ("the number of latents", "number of latents J"),
    "active_per_image": ("the latents that are on", "latents on in an example"),
}


class Curve(NamedTuple):
    """One quantity of one model at several settings.

    ``x`` are the settings or a measured quantity, ``[settings]``, None for a model that the setting does not
    touch, drawn as a level line; ``mean`` is that over the seeds, ``sd`` the sample standard deviation
    (n - 1), None for a single seed, and ``x_sd`` that of a measured ``x``.
    """

    name: str
    x: Numbers | None
    mean: Numbers
    sd: Numbers | None = None
    x_sd: Numbers | None = None


def draw_curves(
    against: str,
    curves: Sequence[Curve],
    quantity: str = "true bound",
    *,
    spread: str = "1 sd over seeds",
) -> Figure:
    """A quantity of each model against a setting, or against the latents that are on.

    ``against`` is the setting, such as ``model.alpha``, or ``active_per_image``; ``quantity`` is in nats an
    example, or ``probe_accuracy``, shares that are drawn in percent; ``spread`` says what ``sd`` is.
    """
    title, name = _AGAINST.get(against, (against, against))
    what, unit, scale = f"The {quantity}", f"{quantity} (nats per example)", 1.0
    if quantity == "probe_accuracy":
        what, unit, scale = "How well the class is read off the code,", "accuracy on the test set (%)", 100.0
    figure = style.new_figure(3.4, f"{what} against {title}")
    axes = figure.subplots()
    style.open_frame(axes)
    settings = np.unique([value for curve in curves if curve.x is not None for value in curve.x])
    decade = bool(settings.size and settings[0] > 0 and settings[-1] >= 10 * settings[0])
    if decade or against in ("model.alpha", "model.latents"):
        axes.set_xscale("log")
    if against != "active_per_image":  # at the settings that were run
        axes.set_xticks(settings, [f"{value:g}" for value in settings])
        axes.minorticks_off()
    for number, curve in enumerate(curves):
        _draw(axes, curve, scale, style.PALETTE[number % len(style.PALETTE)], MARKERS[number % len(MARKERS)])
    spreads = [curve for curve in curves if curve.sd is not None]
    marks = "bars and bands" if any(curve.x is None for curve in spreads) else "bars"
    heading = f"{marks}: ± {spread}" if spreads else None
    for text in style.legend(axes, title=heading, title_fontsize=style.SMALL).get_texts():
        text.set_parse_math(False)
    if against == "active_per_image":
        if decade:
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.minorticks_off()
        else:
            axes.set_xlim(left=0)
    style.label(axes, "", name, unit)
    return figure


def draw_under_noise(
    levels: Numbers, explained: Mapping[str, Numbers], kept: Mapping[str, Numbers], unit: str
) -> Figure:
    """What models explain of clean examples from noisy ones, and the latents that stay on, of gates.

    ``explained`` and ``kept`` have a value for each of ``levels``, deviations of the noise in ``unit``.
    """
    figure = style.new_figure(3.4, "What is left under noise")
    panels = figure.subplots(1, 2 if kept else 1, squeeze=False)[0]
    for number, name in enumerate(explained):
        look = {"color": style.PALETTE[number % len(style.PALETTE)], "marker": MARKERS[number % len(MARKERS)]}
        panels[0].plot(levels, explained[name], label=name, markersize=4, lw=1.2, **look)
        if name in kept:
            panels[1].plot(levels, kept[name], markersize=4, lw=1.2, **look)
    panels[0].axhline(0, color=style.GRAY, lw=1, ls="--", label="the mean example")
    titles = (
        ("Clean examples from noisy ones", "explained variance"),
        ("Latents that stay on", "Jaccard index"),
    )
    for axes, (title, y) in zip(panels, titles, strict=False):
        style.open_frame(axes)
        style.label(axes, title, f"deviation of the noise ({unit} = 1)", y)
    if kept:
        panels[1].set_ylim(0, 1.03)
    handles, names = panels[0].get_legend_handles_labels()
    legend = figure.legend(
        handles, names, loc="outside lower center", ncols=2, fontsize=style.SMALL, frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _draw(axes: Axes, curve: Curve, scale: float, color: str, marker: str) -> None:
    mean = scale * np.asarray(curve.mean, np.float64)
    sd = None if curve.sd is None else scale * np.asarray(curve.sd, np.float64)
    if curve.x is None:
        axes.axhline(mean[0], color=color, lw=1.2, ls="--", label=curve.name)
        if sd is not None:
            axes.axhspan(mean[0] - sd[0], mean[0] + sd[0], color=color, alpha=0.15, lw=0)
        return
    x, order = np.asarray(curve.x), np.argsort(curve.x, kind="stable")
    yerr, xerr = (None if error is None else np.asarray(error)[order] for error in (sd, curve.x_sd))
    look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 4, "lw": 1.2, "capsize": 2}
    axes.errorbar(x[order], mean[order], yerr, xerr, label=curve.name, **look)
