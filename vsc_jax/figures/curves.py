"""Numbers of several runs as curves: bounds against alpha, J and active latents, accuracy against J.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019: evaluation against the number of
latents and against the sparsity of the prior.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from vsc_jax.figures import style

MARKERS = "osD^vP*"


class Curve(NamedTuple):
    """One quantity of one model at several settings.

    Attributes:
      name: of the model, for the legend.
      x: the settings, or a measured quantity, ``[settings]``; None for a model that the setting does not
        touch, drawn as a level line.
      mean: mean over the seeds at each setting, ``[settings]``.
      sd: sample standard deviation (n - 1) over the seeds, ``[settings]``; None for a single seed.
      x_sd: the same of a measured ``x``.
    """

    name: str
    x: ArrayLike | None
    mean: ArrayLike
    sd: ArrayLike | None = None
    x_sd: ArrayLike | None = None


def draw_bound_against_alpha(curves: Sequence[Curve], bound: str = "true bound") -> Figure:
    """Bound in nats against alpha, on a logarithmic axis."""
    figure, axes = _panel(f"The {bound} against the sparsity asked for")
    axes.set_xscale("log")
    _mark_settings(axes, curves)
    _draw(axes, curves)
    style.label(axes, "", r"$\alpha$: prior probability that a latent is on", f"{bound} (nats an example)")
    return figure


def draw_bound_against_latents(curves: Sequence[Curve], bound: str = "true bound") -> Figure:
    """Bound in nats against the number J of latents, on a logarithmic axis."""
    figure, axes = _panel(f"The {bound} against the number of latents")
    axes.set_xscale("log")
    _mark_settings(axes, curves)
    _draw(axes, curves)
    style.label(axes, "", "number of latents J", f"{bound} (nats an example)")
    return figure


def draw_bound_against_active(curves: Sequence[Curve], bound: str = "true bound") -> Figure:
    """Bound in nats against the latents that are on in an example, on a logarithmic axis over a decade."""
    figure, axes = _panel(f"The {bound} against the latents that are on")
    _draw(axes, curves)
    if _span_a_decade(curves):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.minorticks_off()
    else:
        axes.set_xlim(left=0)
    style.label(axes, "", "latents on in an example", f"{bound} (nats an example)")
    return figure


def draw_accuracy_against_latents(curves: Sequence[Curve]) -> Figure:
    """Accuracy of a class probe, as shares, against the number J of latents, on a logarithmic axis."""
    figure, axes = _panel("How well the class is read off the code, against the number of latents")
    axes.set_xscale("log")
    _mark_settings(axes, curves)
    _draw(axes, curves, scale=100.0)
    style.label(axes, "", "number of latents J", "accuracy on the test set (%)")
    return figure


def draw_against_setting(setting: str, curves: Sequence[Curve], quantity: str = "true bound") -> Figure:
    """A quantity in nats against any other setting, on a logarithmic axis where it spans a decade."""
    figure, axes = _panel(f"The {quantity} against {setting}")
    if _span_a_decade(curves):
        axes.set_xscale("log")
    _mark_settings(axes, curves)
    _draw(axes, curves)
    style.label(axes, "", setting, f"{quantity} (nats an example)")
    return figure


def _panel(title: str) -> tuple[Figure, Axes]:
    figure = style.new_figure(3.4, title)
    axes = figure.subplots()
    style.open_frame(axes)
    return figure, axes


def _span_a_decade(curves: Sequence[Curve]) -> bool:
    values = np.concatenate([_numbers(curve.x) for curve in curves if curve.x is not None])
    return bool(values.min() > 0 and values.max() >= 10 * values.min())


def _mark_settings(axes: Axes, curves: Sequence[Curve]) -> None:
    """Ticks at the settings that were run, on an axis that is already logarithmic."""
    values = np.unique(np.concatenate([[], *(_numbers(curve.x) for curve in curves if curve.x is not None)]))
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.minorticks_off()


def _draw(axes: Axes, curves: Sequence[Curve], scale: float = 1) -> None:
    for number, curve in enumerate(curves):
        colour = style.PALETTE[number % len(style.PALETTE)]
        mean, sd = scale * _numbers(curve.mean), None if curve.sd is None else scale * _numbers(curve.sd)
        if curve.x is None:
            axes.axhline(mean[0], color=colour, lw=1.2, ls="--", label=curve.name)
            if sd is not None:
                axes.axhspan(mean[0] - sd[0], mean[0] + sd[0], color=colour, alpha=0.15, lw=0)
            continue
        x, x_sd = _numbers(curve.x), None if curve.x_sd is None else _numbers(curve.x_sd)
        order = np.argsort(x, kind="stable")
        axes.errorbar(
            x[order],
            mean[order],
            yerr=None if sd is None else sd[order],
            xerr=None if x_sd is None else x_sd[order],
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            lw=1.2,
            capsize=2,
            label=curve.name,
        )
    spread = any(curve.sd is not None for curve in curves)
    legend = style.legend(
        axes, title="bars and bands: ± 1 sd over seeds" if spread else None, title_fontsize=style.SMALL
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _numbers(values: ArrayLike) -> np.ndarray:
    return np.atleast_1d(np.asarray(values, np.float64))
