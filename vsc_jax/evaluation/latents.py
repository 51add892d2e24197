"""What each latent means: when it is on, with which classes and other latents, and what it changes.

All of it is read off one :class:`~vsc_jax.evaluation.code_view.CodeView`. A latent without gates is always
on, and switched off it is set to zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import hypergeom, norm

from vsc_jax.config.errors import UserError
from vsc_jax.evaluation import factors
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.encoding import USED_SHARE
from vsc_jax.evaluation.reconstruction import total_variance
from vsc_jax.evaluation.recovery import areas, correlation
from vsc_jax.models.inputs import as_float

IDLE = 1e-3
"""A used latent is idle if switching it off moves the output by less than this share of the data's variance.

The mean squared move, over examples in which it is on. It is 3 % of a standard deviation, some three of 255
gray levels of black and white images, which nobody sees; and it is in a gap: on Smiley the least of the
latents that do something moves .012, the most of the idle ones .00001.
"""
VISIBLE = 0.25
"""A pixel has changed visibly when it moved by more than this share of its range."""
VISIBLE_DEVIATION = 0.5
"""Any other value has, when it moved by more than this share of its standard deviation."""
RANGE = (5.0, 95.0)
"""Percentiles of a latent's values, where it is on, that it is swept over."""
SIGNIFICANT = 0.05
"""What is called told has a p-value below this, times the number of tests (Bonferroni)."""
_EXAMPLES = 100  # in which a latent is switched off, spread evenly over those that have it on
_SAMPLED = 1000  # examples of which the variance of the data is taken
_TOGETHER = 1.1  # lift from which two latents are on together more often than by chance
_NEEDED = 0.95  # of the examples that have a latent on have those on that it needs
_SHOWN, _NAMED = 8, 4  # values or channels that a latent changes most: in its entry, and in its sentence
_PLACES = (
    ("top left", "top", "top right"),
    ("left", "middle", "right"),
    ("bottom left", "bottom", "bottom right"),
)


@dataclass(frozen=True)
class Latents:
    """All latents that are ever on, as :func:`describe` measured them.

    Attributes:
      view: the model's codes of the examples.
      table: a plain dictionary for each latent, in their order; ``docs/latents.md`` explains the entries.
      present: by the name of each class or attribute whether an example has it, ``[n]``.
      names: of the values of a vector or the channels of a signal; empty for images.
      likeness: of each two latents of the table, from 0 to 1: the Jaccard index of the examples that have
        them on or, without gates, the ``|correlation|`` of their values.
      tests: number of tests that p-values are corrected for, by multiplication.
    """

    view: CodeView
    table: list[dict[str, Any]]
    present: Mapping[str, np.ndarray]
    names: tuple[str, ...]
    likeness: Float[np.ndarray, "latents latents"]
    tests: int

    def __getitem__(self, latent: int) -> dict[str, Any]:
        """The entries of one latent; a UserError if there is none or it is never on."""
        for row in self.table:
            if row["latent"] == latent:
                return row
        last = self.view.latents - 1
        never = f"latent {latent}: is never on in these examples"
        raise UserError(never if 0 <= latent <= last else f"latent {latent}: expected one from 0 to {last}")

    def strongest(self, latent: int, count: int) -> np.ndarray:
        """Indices of the examples in which the latent is on with the largest magnitude, largest first."""
        rows, values = self.values(latent)
        return rows[np.argsort(-np.abs(values), kind="stable")[:count]]

    def spread(self, latent: int, count: int) -> np.ndarray:
        """Indices of examples at random quantiles of its value where on, one in each ``count``-th part."""
        rows, values = self.values(latent)
        quantiles = (np.arange(count) + np.random.default_rng(latent).random(count)) / count
        places = np.unique((quantiles * len(rows)).astype(int))
        return rows[np.argsort(values, kind="stable")[places]]

    def sweep(self, latent: int, count: int) -> tuple[np.ndarray, Float[np.ndarray, " count"], int]:
        """One example decoded with the latent off, then at ``count`` values; these values; the example.

        It is the example whose value is the median.
        """
        example = self.view.median_example(latent)
        assert example is not None
        swept = self.view.span(latent, count, RANGE)
        codes = np.tile(self.view.code[example].astype(np.float64), (count + 1, 1))
        codes[:, latent] = [0.0, *swept]
        return self.view.decode(codes), swept, example

    def values(self, latent: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the examples that have the latent on, and its values in them."""
        rows = np.flatnonzero(self.view.codes.on[:, latent])
        return rows, self.view.code[rows, latent]


def decoded(view: CodeView, latent: int, values: Sequence[float | None]) -> np.ndarray:
    """Examples that have a latent on, decoded with it at each of these values, None for its own.

    ``[values, examples, *example_shape]``; the same number of examples for every latent.
    """
    rows = np.flatnonzero(view.codes.on[:, latent])
    rows = rows[np.linspace(0, len(rows) - 1, _EXAMPLES).astype(int)]
    codes = np.tile(view.code[rows].astype(np.float64), (len(values), 1, 1))
    for part, value in zip(codes, values, strict=True):
        if value is not None:
            part[:, latent] = value
    return view.decode(codes)


def idle_latents(view: CodeView) -> list[int]:
    """The used latents whose removal moves the output by almost nothing; see :data:`IDLE`."""
    variance, used = _variance(view), view.used.tolist()
    return [j for j in used if _moved(view, decoded(view, j, (None, 0.0)), variance) < IDLE]


def idle_statistics(view: CodeView) -> dict[str, float]:
    """``idle_latents``, their number, and ``effective_active``, how many others an example has on."""
    idle = idle_latents(view)
    effective = view.density.sum() - view.density[idle].sum()
    return {"idle_latents": float(len(idle)), "effective_active": float(effective)}


def present_in(view: CodeView) -> dict[str, Bool[np.ndarray, " n"]]:
    """Which examples have each class, or each attribute of Smiley; nothing where neither is known."""
    test, names = view.test, list(view.dataset.label_names)
    if test.labels is not None:
        names += map(str, range(len(names), int(test.labels.max()) + 1))
        return {name: test.labels == number for number, name in enumerate(names)}
    if factors.has_factors(view.dataset):
        return {factor.name: factor.values > 0 for factor in factors.attributes(test)}
    return {}


def output_names(view: CodeView) -> tuple[str, ...]:
    """Names of the values of a vector or the channels of a signal; empty for images."""
    dataset = view.dataset
    names = () if dataset.form == "image" else dataset.channel_names or dataset.column_names
    if dataset.form == "vector" and not names:
        return tuple(f"column {number}" for number in range(view.model.decoder.pixels))
    return names


def describe(view: CodeView, present: Mapping[str, np.ndarray] | None = None) -> Latents:
    """Measure every latent that is on in any of the examples.

    Args:
      view: the model and its codes.
      present: by name, which examples have a class or an attribute; by default :func:`present_in`.
    """
    gated = view.gated
    present = present_in(view) if present is None else present
    names = output_names(view)
    ever = np.flatnonzero(view.density > 0)
    on = view.codes.on[:, ever]
    both = on.T.astype(np.float64) @ on
    count = np.diag(both)
    lift = both * len(on) / np.outer(count, count)
    likeness = both / (count[:, None] + count - both)
    if not gated:
        likeness = np.abs(correlation(view.code[:, ever], view.code[:, ever]))
    found = Latents(view, [], present, names, likeness, max(1, len(ever) * len(present) * (1 + gated)))
    has = np.stack([*present.values()], axis=1) if present else np.zeros((len(on), 0), bool)
    classes, features, variance = list(present), _features(view), _variance(view)
    areas_on, p_on = _switched(on, has)
    for place, latent in enumerate(map(int, ever)):
        rows, values = found.values(latent)
        low, high = map(float, np.percentile(values.astype(np.float64), RANGE))
        switch = _told(classes, areas_on[place], p_on[place], found.tests, ("on", "off"))
        value = _told(classes, *_valued(values, has[rows]), found.tests, ("larger", "smaller"))
        follows, r = features.get(latent, (None, None))
        others = [k for k in np.argsort(-likeness[place], kind="stable").tolist() if k != place]
        together = [
            {"latent": int(ever[k]), "likeness": float(likeness[place, k]), "lift": float(lift[place, k])}
            for k in others
            if lift[place, k] > _TOGETHER or not gated
        ]
        found.table.append({
            "latent": latent,
            "gated": gated,
            "on": float(view.density[latent]),
            "low": low,
            "high": high,
            **switch,
            **{f"value_{name}": entry for name, entry in value.items()},
            "follows": follows,
            "correlation": r,
            **_effect(found, latent, low, high, variance),
            "together": together[:3],
            "by_class": {name: float(on[who, place].mean()) for name, who in present.items() if who.any()},
        })  # fmt: skip
    return found


def needs(found: Latents) -> dict[int, list[int]]:
    """The latents without which each used latent is hardly ever on, and those that these need.

    Read off the entries ``together``; nothing for a model without gates.
    """
    share = {row["latent"]: row["on"] for row in found.table}
    needed = {
        row["latent"]: {
            other["latent"]
            for other in row["together"]
            if row["gated"] and row["on"] >= USED_SHARE and other["lift"] * share[other["latent"]] >= _NEEDED
        }
        for row in found.table
    }
    for through in needed:
        for reached in needed.values():
            if through in reached:
                reached |= needed[through]
    return {latent: sorted(reached - {latent}) for latent, reached in needed.items()}


def _sampled(view: CodeView) -> np.ndarray:
    """Test examples, spread evenly, that stand for all of them."""
    rows = np.linspace(0, len(view.test) - 1, min(len(view.test), _SAMPLED)).astype(int)
    return np.asarray(as_float(view.test.x[rows]))


def _seen(view: CodeView, x: np.ndarray) -> np.ndarray:
    return np.asarray(view.model.decoder.scaled(as_float(x)))


def _variance(view: CodeView) -> float:
    """Of a value of the data, as the likelihood sees it."""
    return total_variance(_seen(view, _sampled(view))) or 1.0


def _moved(view: CodeView, pair: np.ndarray, variance: float) -> float:
    """Mean squared distance of outputs ``[2, ...]`` as a share of the variance."""
    return float(np.square(np.subtract(*(_seen(view, x) for x in pair))).mean(dtype=np.float64)) / variance


def _switched(on: np.ndarray, has: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How being on tells each class, ``[latents, classes]``: AUC, and Fisher's exact p, twice a tail."""
    both, size, active = on.T.astype(np.int64) @ has, has.sum(axis=0), on.sum(axis=0)[:, None]
    tails = hypergeom.sf(both - 1, len(on), size, active), hypergeom.cdf(both, len(on), size, active)
    return areas(on, has), np.minimum(1.0, 2 * np.minimum(*tails))


def _valued(values: np.ndarray, has: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How a value, where on, tells each class: AUC, and p of Mann and Whitney's statistic, as a normal."""
    area, size = areas(values[:, None], has)[0], has.sum(axis=0)
    deviation = np.sqrt((len(values) + 1) / (12.0 * np.maximum(1, size * (len(values) - size))))
    return area, 2 * norm.sf(np.abs(area - 0.5) / deviation)


def _told(
    names: Sequence[str], area: np.ndarray, p: np.ndarray, tests: int, when: tuple[str, str]
) -> dict[str, Any]:
    """The class that is told best, of those that are told at all."""
    p = np.minimum(1.0, p * tests)
    # Of two classes, one is told as well by being on as the other by being off.
    score = np.where(p < SIGNIFICANT, np.maximum(area, 1 - area) + 1e-9 * (area > 0.5), 0.0)
    if not score.any():
        return {"tells": None, "when": None, "auc": None, "p": None}
    k = int(score.argmax())
    return {
        "tells": names[k],
        "when": when[int(area[k] < 0.5)],
        "auc": float(max(area[k], 1 - area[k])),
        "p": float(p[k]),
    }


def _features(view: CodeView) -> dict[int, tuple[str, float]]:
    """The true factor that a latent's value follows best, where that is present, and their correlation."""
    test = view.test
    if test.factors is None or test.presence is None:
        return {}
    _, signed = view.correlations()
    freedom = np.maximum(test.presence.sum(axis=0, dtype=np.int64) - 3, 0)[:, None]
    z = np.arctanh(np.minimum(np.abs(signed), 1 - 1e-12)) * np.sqrt(freedom)  # Fisher's
    size = np.where(2 * norm.sf(z) * signed.size < SIGNIFICANT, np.abs(signed), 0)
    best = size.argmax(axis=0).tolist()
    names = view.dataset.factor_names
    return {j: (names[k], float(signed[k, j])) for j, k in enumerate(best) if size[k, j] > 0}


def _effect(found: Latents, latent: int, low: float, high: float, variance: float) -> dict[str, Any]:
    """What switching a latent off and sweeping it changes, in numbers and in words."""
    view, form, sample = found.view, found.view.dataset.form, _sampled(found.view)
    outputs = decoded(view, latent, (None, 0.0, low, high))
    moved, swept = (_moved(view, pair, variance) for pair in (outputs[:2], outputs[2:]))
    own, off, small, large = outputs.astype(np.float64)
    deviation = sample.std(axis=0, dtype=np.float64)
    step = VISIBLE * np.ptp(sample) if form == "image" else VISIBLE_DEVIATION * deviation
    visible = (np.abs(own - off) > step).reshape(len(own), -1)
    effect: dict[str, Any] = {
        "moved": moved,
        "values_changed": float(visible.mean()),
        "outputs_changed": float(visible.any(axis=1).mean()),
        "idle": bool(moved < IDLE and view.density[latent] >= USED_SHARE),
        **dict.fromkeys(("where", "switched", "larger", "by")),
        **{name: [] for name in ("raises", "lowers", "moves", "changes")},
    }
    if form == "image":
        shape = (*own.shape[:3], -1)
        by_switch, by_value = ((a - b).reshape(shape).mean(axis=-1) for a, b in ((own, off), (large, small)))
        between = ((small + large) / 2).reshape(shape).mean(axis=-1)
        return effect | {
            "where": _where(np.square(by_switch if moved >= IDLE else by_value).mean(axis=0)),
            "switched": ("darkens", "changes", "brightens")[1 + _sign(by_switch)],
            "larger": _larger(by_value, between) if swept >= IDLE else None,
        }
    scale = np.where(deviation > 0, deviation, np.inf)
    by_switch, by_value = ((a - b) / scale for a, b in ((own, off), (large, small)))
    size = np.sqrt(np.square(by_switch).mean(axis=0))
    if form == "signal":  # how far each channel moves
        by_switch, by_value = (np.sqrt(np.square(each).mean(axis=(0, 1))) for each in (by_switch, by_value))
        size = by_switch
    else:
        by_switch, by_value = by_switch.mean(axis=0), by_value.mean(axis=0)
    told = by_switch if view.gated and np.abs(by_switch).max() >= 0.5 * size.max() else by_value
    order = np.argsort(-np.maximum(size, np.abs(by_value)), kind="stable")[:_SHOWN]
    first = np.argsort(-np.abs(told), kind="stable")[:_NAMED]
    first = first[np.abs(told[first]) >= 0.5 * np.abs(told).max()] if max(moved, swept) >= IDLE else first[:0]
    raised, lowered = ([found.names[k] for k in first if sign * told[k] > 0] for sign in (1, -1))
    words = {"moves": raised} if form == "signal" else {"raises": raised, "lowers": lowered}
    changes = [(found.names[k], float(by_switch[k]), float(by_value[k])) for k in order]
    keys = ("name", "switched", "swept")
    return effect | {
        "by": "value" if told is by_value else "switch",
        **words,
        "changes": [dict(zip(keys, change, strict=True)) for change in changes],
    }


def _center(weight: np.ndarray) -> tuple[float, float]:
    """Center of mass of a picture, down and across, from 0 to 1."""
    total = weight.sum() or 1.0
    down, across = ((np.arange(side) + 0.5) / side for side in weight.shape)
    return float(weight.sum(axis=1) @ down / total), float(weight.sum(axis=0) @ across / total)


def _where(energy: np.ndarray) -> str:
    """The part of a picture in which most of the change is."""
    down, across = _center(energy)
    y, x = ((np.arange(side) + 0.5) / side for side in energy.shape)
    spread = energy * ((y[:, None] - down) ** 2 + (x - across) ** 2)
    if spread.sum() > 0.09 * energy.sum():
        return "whole picture"
    return _PLACES[min(2, int(3 * down))][min(2, int(3 * across))]


def _sign(change: np.ndarray) -> int:
    """Whether changes ``[n, height, width]`` are mostly to brighter, 1, to darker, -1, or both, 0."""
    balance = change.sum() / (np.abs(change).sum() or 1.0)
    return int(np.sign(balance)) if abs(balance) > 0.5 else 0


def _larger(change: np.ndarray, between: np.ndarray) -> str:
    """What larger values do: brighten, darken, or move what is bright, or dark on bright ground."""
    if sign := _sign(change):
        return "brighten it" if sign > 0 else "darken it"
    change = change.mean(axis=0)
    (up, left), (down, right) = _center(np.maximum(-change, 0)), _center(np.maximum(change, 0))
    y, x = down - up, right - left
    near = np.abs(change) > 0.2 * np.abs(change).max()
    around = np.logical_or.reduce([near, *(np.roll(near, by, axis) for by in (-1, 1) for axis in (0, 1))])
    on_bright = bool(between.mean(axis=0)[around].mean() > 0.5)
    if np.hypot(y, x) < 0.02:
        return "reshape it"
    y, x = (-y, -x) if on_bright else (y, x)
    way = ("down" if y > 0 else "up") if abs(y) >= abs(x) else "right" if x > 0 else "left"
    return f"move what is {'dark' if on_bright else 'bright'} there {way}"
