"""A sweep's curves: the bound against every number that was varied, and against the latents that are on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vsc_jax.figures.curves import Curve, draw_curves
from vsc_jax.figures.style import save
from vsc_jax.run.sweep.grid import Axis
from vsc_jax.run.sweep.table import Finished, Summary, summaries


def draw_pictures(folder: Path, axes: Sequence[Axis], members: Sequence[Finished]) -> list[Path]:
    """Draw ``bound_against_FIELD.png`` for every varied number, a curve for each setting of the others.

    Returns:
      The files; none where no number has two values with results.
    """
    rows = [row for row in summaries(members) if row.runs]
    if not rows:
        return []
    bound, words = ("elbo", "true bound") if "elbo" in rows[0].mean else ("reconstruction", "log p(x|z)")
    figures: dict[str, Figure] = {}
    for axis in axes:
        field = axis.fields[0]
        curves = curves_along(rows, axis.fields, bound)
        if not curves:
            continue
        figures[f"bound_against_{field}"] = draw_curves(field, curves, words)
        if field == "model.alpha" and (on := curves_along(rows, axis.fields, bound, "active_per_image")):
            figures["bound_against_active"] = draw_curves("active_per_image", on, words)
    if figures:
        folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.png" for name in figures]
    for file, figure in zip(files, figures.values(), strict=True):
        save(figure, file)
    return files


def curves_along(
    rows: Sequence[Summary], fields: Sequence[str], result: str, against: str | None = None
) -> list[Curve]:
    """A result along fields that have one value, a curve for each setting of the others.

    Empty where the values are no numbers, or where no curve has two. ``against`` is a result that is drawn
    along x in place of the value.
    """
    field = fields[0]
    groups: dict[str, list[Summary]] = {}
    for row in rows:
        if not isinstance(row.settings.get(field), int | float) or isinstance(row.settings[field], bool):
            return []  # also where the axis is the seed, over which the rows are means
        if result in row.mean and (against is None or against in row.mean):
            others = {name: value for name, value in row.settings.items() if name not in fields}
            groups.setdefault(json.dumps(others, sort_keys=True), []).append(row)
    if all(len(group) < 2 for group in groups.values()):
        return []
    return [
        Curve(
            name=_name(json.loads(others)),
            x=np.array([row.mean[against] if against else row.settings[field] for row in group], np.float64),
            mean=np.array([row.mean[result] for row in group]),
            sd=_spread(group, result),
            x_sd=None if against is None else _spread(group, against),
        )
        for others, group in groups.items()
    ]


def _spread(group: Sequence[Summary], result: str) -> np.ndarray | None:
    sd = np.array([row.sd[result] for row in group])
    return None if np.isnan(sd).all() else np.nan_to_num(sd)


def _name(others: dict[str, Any]) -> str:
    return ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in others.items()) or "members"
