"""Curves over several runs that differ in alpha or in the number of latents."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vsc_jax.config import to_dict
from vsc_jax.figures.curves import (
    Curve,
    draw_accuracy_against_latents,
    draw_bound_against_active,
    draw_bound_against_alpha,
    draw_bound_against_latents,
)
from vsc_jax.figures.style import as_png
from vsc_jax.pages.illustrations import Illustration
from vsc_jax.pages.source import Source
from vsc_jax.pages.tables import comparable
from vsc_jax.pages.words import nats, percent

TITLES = {
    "bound_against_alpha": "The bound against alpha",
    "bound_against_active": "The bound against the latents that are on",
    "bound_against_latents": "The bound against the number of latents",
    "accuracy_against_latents": "The class read off the code, against the number of latents",
}

Group = tuple[str, list[Source]]
"""Runs that differ only in the setting that is swept and in the seed, and their name."""


def sweeps(sources: Sequence[Source]) -> list[Illustration]:
    """The curves that these runs allow: at least two values of a setting, all else but the seed the same."""
    if not comparable(sources):
        return []
    by_alpha, by_latents = _groups(sources, "alpha"), _groups(sources, "latents")
    drawn = []
    if curves := _curves(by_alpha, "alpha", "elbo"):
        look = "Look for how little sparsity costs"
        drawn.append(
            _illustration("bound_against_alpha", draw_bound_against_alpha(curves), curves, look, nats)
        )
        if on := _curves(by_alpha, "alpha", "elbo", against="active_per_image"):
            look = "Look for a high bound with few latents on"
            drawn.append(_illustration("bound_against_active", draw_bound_against_active(on), on, look, nats))
    if curves := _curves(by_latents, "latents", "elbo"):
        figure, look = (
            draw_bound_against_latents(curves),
            "Look for a bound that does not fall as latents are added",
        )
        drawn.append(_illustration("bound_against_latents", figure, curves, look, nats))
    if curves := _curves(by_latents, "latents", "probe_accuracy"):
        figure, look = (
            draw_accuracy_against_latents(curves),
            "Look for codes that keep the class in few latents",
        )
        drawn.append(_illustration("accuracy_against_latents", figure, curves, look, percent))
    return drawn


def _groups(sources: Sequence[Source], setting: str) -> list[Group]:
    measured = [source for source in sources if source.results]
    groups = _alike(measured, setting, "alpha")
    if setting == "latents" and not all(_has_one_rate_a_size(group) for group in groups):
        groups = _alike(measured, setting)
    named: list[Group] = []
    for group in groups:
        names = {source.config.name for source in group}
        name = names.pop() if len(names) == 1 else group[0].config.model.kind.upper()
        taken = {other for other, _ in named}
        named.append((name if name not in taken else f"{name} ({len(named) + 1})", group))
    return named


def _alike(sources: Sequence[Source], *swept: str) -> list[list[Source]]:
    """The runs in groups that differ in the swept settings and the seed alone."""
    members: dict[str, list[Source]] = {}
    for source in sources:
        members.setdefault(_all_but(source, swept), []).append(source)
    return list(members.values())


def _has_one_rate_a_size(group: Sequence[Source]) -> bool:
    """Whether alpha follows the number of latents, so that it may be swept along with it."""
    models = [source.config.model for source in group]
    return len({(model.latents, model.alpha) for model in models}) == len({m.latents for m in models})


def _all_but(source: Source, swept: Sequence[str]) -> str:
    """Everything that defines the run but the swept settings and the seed, to compare by."""
    values: dict[str, Any] = to_dict(source.config)
    for field in ("name", "seed", "checkpoint", "evaluate"):
        values.pop(field)
    values["train"].pop("progress")
    for setting in {*swept, "prior_rate"} if "alpha" in swept else swept:
        values["model"].pop(setting)
    return json.dumps(values, sort_keys=True)


def _curves(groups: Sequence[Group], setting: str, result: str, against: str | None = None) -> list[Curve]:
    """A curve for each group with two settings or more; empty when there is no such group."""
    curves, swept = [], False
    for name, group in groups:
        measured = [source for source in group if result in source.results]
        settings = sorted({getattr(source.config.model, setting) for source in measured})
        if not settings:
            continue
        rows = [[s for s in measured if getattr(s.config.model, setting) == value] for value in settings]
        values = [np.array([s.results[result] for s in row], np.float64) for row in rows]
        x: np.ndarray | None = np.array(settings, np.float64)
        if against is not None:
            x = np.array([np.mean([s.results[against] for s in row]) for row in rows])
        elif len(settings) == 1 and measured[0].config.model.kind != "vsc" and setting == "alpha":
            x = None
        repeated = any(len(value) > 1 for value in values)
        sd = (
            np.array([np.std(value, ddof=1) if len(value) > 1 else 0 for value in values])
            if repeated
            else None
        )
        swept |= len(settings) > 1
        curves.append(Curve(name, x, np.array([value.mean() for value in values]), sd))
    return curves if swept else []


def _illustration(
    name: str,
    figure: Figure,
    curves: Sequence[Curve],
    look: str,
    words: Callable[[float], str],
) -> Illustration:
    means = [np.atleast_1d(np.asarray(curve.mean, np.float64)) for curve in curves]
    best = int(np.argmax([mean.max() for mean in means]))
    place = int(means[best].argmax())
    x = curves[best].x
    where = "" if x is None else f" at {np.atleast_1d(np.asarray(x))[place]:.3g}"
    value = words(float(means[best][place]))
    sentence = f"{look}: here the best value, {value}, is that of {curves[best].name}{where}."
    return Illustration(name, as_png(figure), sentence)
