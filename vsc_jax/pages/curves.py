"""Curves over several runs that differ in alpha or in the number of latents."""

import json
from collections.abc import Sequence

import numpy as np

from vsc_jax.data import streams
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.reconstruction import denoising, noise_unit
from vsc_jax.figures.curves import Curve, draw_curves, draw_under_noise
from vsc_jax.figures.style import as_png
from vsc_jax.pages.sentences import nats, percent, sentence
from vsc_jax.pages.source import Illustration, Source, comparable
from vsc_jax.run.sweep import curves_along, summaries
from vsc_jax.training.run_folder import identity

# By the name of the file: a title, the setting in which the runs differ, the result, what to look for, and a
# result to draw against, in place of the setting.
_CURVES: dict[str, tuple[str, str, str, str, str | None]] = {
    "bound_against_alpha": ("The bound against alpha", "alpha", "elbo", "how little sparsity costs", None),
    "bound_against_active": (
        *("The bound against the latents that are on", "alpha", "elbo"),
        *("a high bound with few latents on", "active_per_image"),
    ),
    "bound_against_latents": (
        *("The bound against the number of latents", "latents", "elbo"),
        *("a bound that does not fall as latents are added", None),
    ),
    "accuracy_against_latents": (
        *("The class read off the code, against the number of latents", "latents", "probe_accuracy"),
        *("codes that keep the class in few latents", None),
    ),
}
_NOISE = "explained_against_noise"
TITLES = {name: title for name, (title, *_) in _CURVES.items()} | {_NOISE: "What is left under noise"}
_NOISY = 2000  # test examples, at most, that are given noise


def curves_over(sources: Sequence[Source]) -> dict[str, Illustration]:
    """The curves that these runs allow: at least two values of a setting, all else but the seed the same."""
    drawn = {}
    for name, (_, setting, result, look, against) in _CURVES.items():
        if comparable(sources) and (curves := _curves(sources, setting, result, against)):
            quantity, written = ("true bound", nats) if result == "elbo" else (result, percent)
            figure = draw_curves(against or f"model.{setting}", curves, quantity)
            best = max(curves, key=lambda curve: np.max(curve.mean))
            place = int(np.argmax(best.mean))
            where = "" if best.x is None else f" at {np.asarray(best.x)[place]:.3g}"
            value = written(float(np.max(best.mean)))
            text = f"Look for {look}: here the best value, {value}, is that of {best.name}{where}."
            drawn[name] = Illustration(as_png(figure), text)
    rows = {s.label: s for s in sources if s.under_noise}
    if len(rows) > 1 and comparable(sources) and len({s.noise_unit for s in rows.values()}) == 1:
        drawn[_NOISE] = _under_noise(list(rows.values()))
    return drawn


def measure_noise(source: Source, view: CodeView) -> None:
    """Measure what is left of the first test examples under noise that is the same for every run."""
    x, key = view.test.x[:_NOISY], streams.key(0, streams.Stream.SHOWN_NOISE)
    source.noise_unit, source.under_noise = noise_unit(view.model, x), denoising(view.model, x, key)


def _under_noise(sources: Sequence[Source]) -> Illustration:
    levels = list(sources[0].under_noise or {})
    explained = {s.label: [row.explained_variance for row in (s.under_noise or {}).values()] for s in sources}
    kept = {
        s.label: [row.same_support for row in (s.under_noise or {}).values()]
        for s in sources
        if s.config.model.kind == "vsc"
    }
    ranks = []  # at each level the best, the second, and how far apart they are
    for place in range(len(levels)):
        first, second, *_ = sorted(explained, key=lambda name: -explained[name][place])
        ranks.append((first, second, 100 * (explained[first][place] - explained[second][place])))
    errors = {name: 1 - values[-1] for name, values in explained.items() if values[-1] < 0}
    facts = {"levels": levels, "ranks": ranks, "errors": errors, "kept": {n: k[-1] for n, k in kept.items()}}
    unit = "data's range" if sources[0].noise_unit == 1 else "data's deviation"
    png = as_png(draw_under_noise(levels, explained, kept, unit))
    return Illustration(png, sentence(_NOISE, {**facts, "most": _NOISY}))


def _curves(sources: Sequence[Source], setting: str, result: str, against: str | None) -> list[Curve]:
    """A curve for each group of runs; empty where no group has two settings."""
    groups = _groups([source for source in sources if result in source.results], setting)
    value = "rate" if setting == "alpha" else setting  # alpha, where it is given
    rows = {}
    for name, group in groups.items():
        settings = [{setting: getattr(s.config.model, value), "seed": s.config.seed} for s in group]
        rows[name] = summaries([(each, s.results) for each, s in zip(settings, group, strict=True)])
    curves = curves_along(rows, setting, result, against)
    if setting != "alpha" or against is not None:
        return curves
    # A model without gates has no alpha: a level line.
    gated = {name for name, group in groups.items() if any(s.config.model.kind == "vsc" for s in group)}
    return [c._replace(x=None) if len(c.mean) == 1 and c.name not in gated else c for c in curves]


def _groups(sources: Sequence[Source], setting: str) -> dict[str, list[Source]]:
    """Runs that differ only in a setting and in the seed, by the preset's or the model's name."""
    groups = _alike(sources, setting, "alpha")
    # Alpha may follow the number of latents, and is then swept along with it.
    rates = [{(s.config.model.latents, s.config.model.rate) for s in group} for group in groups]
    if setting == "latents" and any(len(pairs) > len({latents for latents, _ in pairs}) for pairs in rates):
        groups = _alike(sources, setting)
    named: dict[str, list[Source]] = {}
    for group in groups:
        names = {source.config.name for source in group}
        name = names.pop() if len(names) == 1 else group[0].config.model.kind.upper()
        named[name if name not in named else f"{name} ({len(named) + 1})"] = group
    return named


def _alike(sources: Sequence[Source], *swept: str) -> list[list[Source]]:
    ignored = {"seed", *(f"model.{name}" for name in swept)}
    ignored |= {"model.prior_rate"} if "alpha" in swept else set()
    groups: dict[str, list[Source]] = {}
    for source in sources:
        items = identity(source.config).items()
        values = {n: v for n, v in items if n not in ignored and not n.startswith("evaluate.")}
        groups.setdefault(json.dumps(values, sort_keys=True), []).append(source)
    return list(groups.values())
