"""Curves over several runs that differ in alpha or in the number of latents."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vsc_jax.figures.curves import Curve, draw_curves
from vsc_jax.figures.style import as_png
from vsc_jax.pages.sentences import comparable, nats, percent
from vsc_jax.pages.source import Illustration, Source
from vsc_jax.run.grid import Member
from vsc_jax.run.sweep import Finished, curves_along, summaries
from vsc_jax.training.run_folder import identity


class _Curves(NamedTuple):
    title: str
    setting: str  # in which the runs differ
    result: str
    look: str
    measured: str | None = None  # a result to draw against, in place of the setting


_CURVES = {
    "bound_against_alpha": _Curves("The bound against alpha", "alpha", "elbo", "how little sparsity costs"),
    "bound_against_active": _Curves(
        "The bound against the latents that are on",
        *("alpha", "elbo", "a high bound with few latents on", "active_per_image"),
    ),
    "bound_against_latents": _Curves(
        "The bound against the number of latents",
        *("latents", "elbo", "a bound that does not fall as latents are added"),
    ),
    "accuracy_against_latents": _Curves(
        "The class read off the code, against the number of latents",
        *("latents", "probe_accuracy", "codes that keep the class in few latents"),
    ),
}
TITLES = {name: each.title for name, each in _CURVES.items()}


def curves_over(sources: Sequence[Source]) -> dict[str, Illustration]:
    """The curves that these runs allow: at least two values of a setting, all else but the seed the same."""
    if not comparable(sources):
        return {}
    drawn = {}
    for name, (_, setting, result, look, measured) in _CURVES.items():
        if curves := _curves(sources, setting, result, measured):
            quantity, words = ("true bound", nats) if result == "elbo" else (result, percent)
            figure = draw_curves(measured or f"model.{setting}", curves, quantity)
            best = max(curves, key=lambda curve: np.max(curve.mean))
            place = int(np.argmax(best.mean))
            where = "" if best.x is None else f" at {np.asarray(best.x)[place]:.3g}"
            value = words(float(np.max(best.mean)))
            text = f"Look for {look}: here the best value, {value}, is that of {best.name}{where}."
            drawn[name] = Illustration(as_png(figure), text)
    return drawn


def _curves(sources: Sequence[Source], setting: str, result: str, measured: str | None) -> list[Curve]:
    """A curve for each group of runs; empty where no group has two settings."""
    groups = _groups([source for source in sources if result in source.results], setting)
    members = [
        Finished(_member(source, name, setting), source.folder, source.results, None)
        for name, group in groups.items()
        for source in group
    ]
    curves = []
    for curve in curves_along(summaries(members), [setting], result, measured):
        curve = curve._replace(name=curve.name.removeprefix("group "))
        kinds = {source.config.model.kind for source in groups[curve.name]}
        level = (
            setting == "alpha" and measured is None and len(np.asarray(curve.x)) == 1 and "vsc" not in kinds
        )
        curves.append(curve._replace(x=None) if level else curve)
    return curves


def _member(source: Source, group: str, setting: str) -> Member:
    value = getattr(source.config.model, setting)
    return Member(source.label, {"group": group, setting: value, "seed": source.config.seed}, source.config)


def _groups(sources: Sequence[Source], setting: str) -> dict[str, list[Source]]:
    """Runs that differ only in a setting and in the seed, by the preset's or the model's name."""
    groups = _alike(sources, setting, "alpha")
    # Alpha may follow the number of latents, and is then swept along with it.
    if setting == "latents" and not all(_one_rate_a_size(group) for group in groups):
        groups = _alike(sources, setting)
    named: dict[str, list[Source]] = {}
    for group in groups:
        names = {source.config.name for source in group}
        name = names.pop() if len(names) == 1 else group[0].config.model.kind.upper()
        named[name if name not in named else f"{name} ({len(named) + 1})"] = group
    return named


def _one_rate_a_size(group: Sequence[Source]) -> bool:
    models = [source.config.model for source in group]
    return len({(model.latents, model.alpha) for model in models}) == len({m.latents for m in models})


def _alike(sources: Sequence[Source], *swept: str) -> list[list[Source]]:
    members: dict[str, list[Source]] = {}
    for source in sources:
        values: dict[str, Any] = identity(source.config)
        settings = {*swept, "prior_rate"} if "alpha" in swept else swept
        for name in [name for name in values if name == "seed" or name.startswith("evaluate.")]:
            del values[name]
        for name in settings:
            del values[f"model.{name}"]
        members.setdefault(json.dumps(values, sort_keys=True), []).append(source)
    return list(members.values())
