"""A run's training history on one page, from the rows of ``metrics.jsonl``."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter

from vsc_jax.evaluation.diagnosis import late_gain
from vsc_jax.figures import style
from vsc_jax.figures.style import Drawn

Row = Mapping[str, Any]

# Keys of a row, and their names in the legend.
_BOUND = {"elbo": "bound", "reconstruction": "reconstruction"}
_DIVERGENCES = {"kl": "KL", "selection_kl": "its selection part", "sparsity_kl": "sparsity term"}
_DIVERGENCES["total_correlation"] = "total correlation"
# Of the row's schedule; those of a sparse model alone come after the first two.
_FACTORS = {".learning_rate": "learning rate", ".kl": "KL weight", ".warm_up": r"warm-up $\lambda$"}
_FACTORS |= {".sparsity": "sparsity weight", ".prior_blend": r"gate blend $\epsilon$"}
_SETTLED = 0.05  # the first share of the rows may leave the panel of the bound


def draw_history(rows: Sequence[Row]) -> Drawn:
    """Bound and parts, schedules, active latents and gradient norm against the iteration.

    Panels of what the rows do not hold, such as gates of a Gaussian model, are left out. The rows hold means
    between two log points, each with ``step`` and the dictionary ``schedule``.

    Facts: ``last``, the value of ``quantity`` (bound or reconstruction, in nats) at ``step``; ``gain`` over
    the last tenth of the iterations, None if there are too few rows; ``active`` latents or None.

    Raises:
      ValueError: if there are no rows.
    """
    if not rows:
        raise ValueError("rows: expected at least one row of training metrics, got none")
    keys = set().union(*rows)
    optional = {"kl": _divergences, "active_per_image": _active, "gradient_norm": _gradient}
    panels = [_bound, *(panel for key, panel in optional.items() if key in keys)]
    lines, schedules = -(-len(panels) // 2), "schedule" in keys
    title = "Training history: means over the batches between two log points"
    figure = style.new_figure(1.95 * lines + 2.35 * schedules + 0.75, title)
    grid = figure.add_gridspec(lines + schedules, 2)
    places = [grid[number // 2, number % 2] for number in range(len(panels))]
    if schedules:
        panels, places = [*panels, _schedules], [*places, grid[lines, :]]
    for place, panel in zip(places, panels, strict=True):
        axes = figure.add_subplot(place)
        panel(axes, rows)
        axes.set_xlim(0, rows[-1]["step"])
        axes.locator_params(axis="x", nbins=4)
        style.open_frame(axes)
    key = "elbo" if "elbo" in rows[-1] else "reconstruction"
    last, step = rows[-1][key], rows[-1]["step"]
    active = rows[-1].get("active_per_image")
    facts = {"quantity": _BOUND[key], "last": last, "step": step, "active": active}
    return Drawn(figure, {**facts, "gain": late_gain(rows)})


def _series(rows: Sequence[Row], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a metric, or of an entry of the schedule if ``key`` begins with a dot."""
    values = [row.get("schedule", {}).get(key[1:]) if key.startswith(".") else row.get(key) for row in rows]
    there = [(row["step"], value) for row, value in zip(rows, values, strict=True) if value is not None]
    steps, numbers = zip(*there, strict=True) if there else ((), ())
    return np.asarray(steps, np.float64), np.asarray(numbers, np.float64)


def _curves(axes: Axes, rows: Sequence[Row], names: Mapping[str, str]) -> list[np.ndarray]:
    drawn = []
    for number, (key, name) in enumerate(names.items()):
        steps, values = _series(rows, key)
        if len(steps):
            marker = "." if len(steps) < 3 else ""
            axes.plot(steps, values, color=style.PALETTE[number], lw=1.2, marker=marker, label=name)
            drawn.append(values)
    return drawn


def _legend(axes: Axes, columns: int = 2) -> None:
    """Under the panel, where no curve can be."""
    style.legend(axes, loc="upper center", bbox_to_anchor=(0.5, -0.26), ncols=columns)


def _bound(axes: Axes, rows: Sequence[Row]) -> None:
    drawn = _curves(axes, rows, _BOUND)
    style.label(axes, "Bound and reconstruction" if len(drawn) > 1 else "Reconstruction", "iteration", "nats")
    settled = np.concatenate([values[int(np.ceil(_SETTLED * len(values))) :] for values in drawn])
    if settled.size and np.ptp(settled) > 0:
        margin = 0.05 * float(np.ptp(settled))
        axes.set_ylim(float(settled.min()) - margin, float(settled.max()) + margin)
    _legend(axes)


def _divergences(axes: Axes, rows: Sequence[Row]) -> None:
    _curves(axes, rows, _DIVERGENCES)
    style.label(axes, "Divergences and regularizers", "iteration", "nats")
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    _legend(axes)


def _active(axes: Axes, rows: Sequence[Row]) -> None:
    _curves(axes, rows, {"active_per_image": ""})
    style.label(axes, r"Latents that are on ($\gamma$ above 1/2)", "iteration", "latents")
    axes.set_ylim(bottom=0)


def _gradient(axes: Axes, rows: Sequence[Row]) -> None:
    drawn = _curves(axes, rows, {"gradient_norm": ""})
    if min(values.min() for values in drawn) > 0:
        axes.set_yscale("log")
        for ticks in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            ticks(LogFormatter(minor_thresholds=(2, 0.5)))
    style.label(axes, "Gradient norm", "iteration", "norm")


def _schedules(axes: Axes, rows: Sequence[Row]) -> None:
    keys = set().union(*rows)
    sparse = "active_per_image" in keys
    count = len(_FACTORS) if sparse else 2 if "kl" in keys else 1
    _curves(axes, rows, dict(list(_FACTORS.items())[:count]))
    steps, slope = _series(rows, ".sharpness")
    if sparse and len(steps):
        name = f"gate slope c / {slope.max():.3g}"
        axes.plot(steps, slope / slope.max(), color=style.PALETTE[count], lw=1.2, ls=":", label=name)
    for number, line in enumerate(axes.lines[:count]):  # so that one curve on another shows
        line.set_linestyle(("-", "--", "-.")[number % 3])
    style.label(axes, "Schedules", "iteration", "factor")
    axes.set_ylim(-0.04, max(1.04, axes.get_ylim()[1]))
    _legend(axes, columns=3)
