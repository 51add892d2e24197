"""Figures of codes: gates, densities, classes, pseudo-inputs and true features.

The two last after Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019, section 4.2 and
the Smiley experiment.
"""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes

from vsc_jax.data import smiley
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.encoding import ALWAYS, USED_SHARE
from vsc_jax.figures import style
from vsc_jax.figures.style import Drawn
from vsc_jax.models import VSC
from vsc_jax.models.inference import hard_code
from vsc_jax.models.nets import Components
from vsc_jax.models.nets.dictionary import Dictionary

UNDECIDED = (0.1, 0.9)  # a gate between these is undecided
OFTEN, RARELY = 0.5, 0.1  # on in more and in less of the examples of two classes, a latent tells them apart
MOST_LATENT_NAMES = 32  # how many latents' indices fit under a panel of full width
MOST_ATOMS = 200  # in one figure
_PER_ROW = 10  # pseudo-inputs as images


def draw_gate_histogram(view: CodeView) -> Drawn:
    """Histogram of the gate probabilities of all examples and latents, on a logarithmic count.

    Facts: the shares of gates ``off`` and ``on``, and the largest ``deviation`` of a gate over the examples.
    """
    gamma = view.codes.gamma
    low, high = UNDECIDED
    values = np.asarray(gamma, np.float64).ravel()
    undecided = float(((values > low) & (values < high)).mean())
    figure = style.new_figure(2.7, f"{undecided:.1%} of the gates are undecided, between {low} and {high}")
    axes = figure.subplots()
    axes.axvspan(low, high, color="0.93", zorder=0)
    axes.hist(values, bins=50, range=(0, 1), color=style.PALETTE[0], edgecolor="white", linewidth=0.3)
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    style.label(axes, "", r"gate probability $\gamma$", "gates of all examples")
    style.open_frame(axes)
    off, on = float((gamma <= low).mean()), float((gamma >= high).mean())
    return Drawn(figure, {"off": off, "on": on, "deviation": float(gamma.std(axis=0).max())})


def draw_latent_density(view: CodeView) -> Drawn:
    """How often each latent is on, sorted, and how many latents are on in an example.

    Facts: ``used``, ``latents`` and ``always``, how many latents are used, there, and on in nearly all
    examples; ``active``, ``low`` and ``high``, how many are on in an example: mean, 5th and 95th percentile.
    """
    density = np.sort(view.density)[::-1]
    count = np.count_nonzero(view.codes.on, axis=1)
    latents, used, dead = len(density), len(view.used), int((density == 0).sum())
    title = f"{used} of {latents} latents are used, {dead} never on; {count.mean():.1f} are on in an example"
    figure = style.new_figure(2.9, title)
    left, right = figure.subplots(1, 2)
    colors = np.where(density >= USED_SHARE, style.PALETTE[0], style.GRAY)
    left.bar(np.arange(1, latents + 1), density, width=1.0, color=colors)
    threshold = f"used: on in {USED_SHARE:.0%} or more"
    left.axhline(USED_SHARE, color=style.PALETTE[1], lw=1, ls="--", label=threshold)
    left.set(xlim=(0.5, latents + 0.5), ylim=(0, 1))
    style.label(left, "How often a latent is on", "latents, most used first", "share of examples")
    style.legend(left, loc="upper right")
    bins = np.arange(count.min(), count.max() + 2) - 0.5
    right.hist(count, bins=bins, weights=np.full(len(count), 1 / len(count)), color=style.PALETTE[0])
    style.label(right, "How many are on at once", "latents on in an example", "share of examples")
    for axes in (left, right):
        style.open_frame(axes)
    low, high = map(float, np.percentile(count, [5, 95]))
    facts = {"used": used, "latents": latents, "always": int((density > ALWAYS).sum())}
    return Drawn(figure, {**facts, "active": float(count.mean()), "low": low, "high": high})


def class_means(values: ArrayLike, labels: ArrayLike, classes: int) -> np.ndarray:
    """Mean of ``values`` ``[n, latents]`` over each class, ``[classes, latents]``; NaN without examples."""
    values, labels = np.asarray(values, np.float64), np.asarray(labels)
    member = labels[None, :] == np.arange(classes)[:, None]
    count = member.sum(axis=1, keepdims=True)
    return np.where(count > 0, member @ values / np.maximum(count, 1), np.nan)


def order_by_class(means: np.ndarray) -> np.ndarray:
    """Latents by the class that they are largest for and, within a class, largest first, ``[latents]``."""
    filled = np.where(np.isnan(means), -np.inf, means)
    return np.lexsort((-filled.max(axis=0), filled.argmax(axis=0)))


def draw_activation(view: CodeView) -> Drawn:
    """Heat maps, class against latent: how often it is on, and mean |z|; latents ordered by class.

    Without gates there is the second map alone. The data must have labels.

    Facts: ``telling``, how many latents are on for most of one class and hardly ever for another; of the
    ``latent`` that differs most its ``high`` and ``low`` mean and these classes' names.
    """
    labels = np.asarray(view.test.labels)
    names = list(view.dataset.label_names)
    names += map(str, range(len(names), int(labels.max()) + 1))
    size = class_means(np.abs(view.code.astype(np.float64)), labels, len(names))
    maps = [(size, "Mean |z|: how large the code is", "mean |z|", float(np.nanmax(size)))]
    if view.gated:
        share = class_means(view.codes.on, labels, len(names))
        maps.insert(0, (share, "How often a latent is on", "share of examples", 1.0))
    first = maps[0][0]
    order = order_by_class(first)
    order = order[np.isin(order, view.used)] if len(view.used) else order
    high, low = np.nanmax(first, axis=0), np.nanmin(first, axis=0)
    latent = int(np.argmax(high - low))
    title = f"Class by class: {len(order)} latents, ordered by the class that uses them most"
    if hidden := view.latents - len(order):
        rarely = f"on in fewer than {USED_SHARE:.0%} of the examples"
        title += f"\n({hidden} of {view.latents} are left out: {rarely})"
    figure = style.new_figure(len(maps) * (0.17 * max(len(names), 6) + 0.75) + 0.4, title)
    panels = figure.subplots(len(maps), 1, squeeze=False)[:, 0]
    for axes, (means, heading, bar, top) in zip(panels, maps, strict=True):
        _heat_map(axes, means, order, bar, top or 1.0, names=names, told=latent)
        style.label(axes, heading, "latent", "class")
    telling = int(((high > OFTEN) & (low < RARELY)).sum())
    sharpest = first[:, latent]
    ends = {"high": float(high[latent]), "high_class": names[int(np.nanargmax(sharpest))]}
    ends |= {"low": float(low[latent]), "low_class": names[int(np.nanargmin(sharpest))]}
    counts = {"used": len(view.used), "telling": telling, "latent": latent}
    return Drawn(figure, {"gated": view.gated, **counts, **ends})


def draw_pseudo_inputs(view: CodeView) -> Drawn:
    """The pseudo-inputs as images, from the most to the least used, over the gates of their codes.

    Of a prior of components their decoded means are shown. Each serves the examples whose nearest component
    it is. The model must be a VSC with a mixture for its prior.

    Facts: ``name`` says what they are; ``serving`` of ``components`` serve an example, the ``busiest`` such a
    share of them; they have ``fewest`` to ``most`` of ``latents`` on.
    """
    assert isinstance(view.model, VSC)
    assert view.model.pseudo_inputs is not None
    components = view.model.components()
    name = "components" if isinstance(view.model.pseudo_inputs, Components) else "pseudo-inputs"
    gamma = np.asarray(components.gamma)
    share = np.bincount(view.nearest, minlength=len(gamma)) / len(view.nearest)
    order = np.argsort(-share, kind="stable")
    on = np.asarray(gamma, np.float64)[order]
    latents = np.flatnonzero(on.max(axis=0) >= 0.5)
    latents = latents[np.argsort(-on[:, latents].mean(axis=0), kind="stable")]
    latents = latents if len(latents) else np.arange(view.latents)
    serving = np.count_nonzero(share)
    title = f"{len(share)} {name}, most used first: {serving} serve at least one example"
    matrix_height = min(0.3 + 0.11 * len(share), 4.5)
    if view.dataset.form != "image":
        figure = style.new_figure(matrix_height + 0.9, title)
        bottom = figure.subplots()
    else:
        decoded = name == "components"
        shown = view.model.decode(hard_code(components)) if decoded else view.model.pseudo_inputs()
        images = style.as_pictures(np.asarray(shown))[order]
        tiles, numbers, mosaic_height = _mosaic(images, _PER_ROW)
        figure = style.new_figure(mosaic_height + matrix_height + 1.2, title)
        top, bottom = figure.subplots(2, 1, height_ratios=[mosaic_height, matrix_height])
        what = "Their means, decoded" if decoded else "As images"
        style.label(top, f"{what} (number of the first of each row at the left)")
        style.show_tiles(top, tiles, rows=numbers)
    _heat_map(bottom, on, latents, r"$\gamma$")
    heading = f"Their supports: the {len(latents)} latents that any of them has on"
    style.label(bottom, heading, "latent", "rank: share of the examples")
    every = range(0, len(share), -(-len(share) // 16))
    bottom.set_yticks(every, [f"{number + 1}: {share[order[number]]:.1%}" for number in every])
    active = (gamma > 0.5).sum(axis=1)
    facts = {"serving": serving, "components": len(share), "busiest": float(share.max())}
    span = {"fewest": int(active.min()), "most": int(active.max())}
    return Drawn(figure, {"name": name, **facts, **span, "latents": view.latents})


def draw_atoms(view: CodeView) -> Drawn:
    """The atoms of a linear decoder as images, from the latent that is on most often; white is 0.

    Facts: ``shown`` of ``latents`` atoms; the first is on in a share ``most`` of the examples, the last in
    ``least``; the two that are most alike have the cosine ``alike``, sign left out.
    """
    trunk = view.model.decoder.trunk
    assert isinstance(trunk, Dictionary)
    order = np.argsort(-view.density, kind="stable")[:MOST_ATOMS]
    atoms = np.asarray(trunk.atoms, np.float64)[order]
    unit = atoms / np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), 1e-12)
    alike = np.abs(unit @ unit.T - np.eye(len(unit))).max()
    images = 0.5 + 0.5 * atoms / np.maximum(np.abs(atoms).max(axis=1, keepdims=True), 1e-12)
    images = images.reshape(-1, *view.model.decoder.example_shape)
    tiles, numbers, height = _mosaic(images, 2 * _PER_ROW)
    title = f"{len(images)} of {view.latents} atoms, the one that is on most often first"
    figure = style.new_figure(height + 0.8, title)
    axes = figure.subplots()
    style.show_tiles(axes, tiles, rows=numbers, colors=style.DIVERGING)
    style.label(axes, x="each from minus (blue) to plus (red) its largest entry")
    ends = {"most": float(view.density[order[0]]), "least": float(view.density[order[-1]])}
    facts = {"shown": len(images), "latents": view.latents, **ends, "alike": float(alike)}
    return Drawn(figure, facts)


def _mosaic(images: np.ndarray, most: int) -> tuple[np.ndarray, list[str], float]:
    """Images as rows of at most ``most``, the number of each row's first, and the height in inches."""
    columns = min(most, len(images))
    rows = -(-len(images) // columns)
    tiles = style.padded(images, rows * columns).reshape(rows, columns, *images.shape[1:])
    height, width = images.shape[1:3]
    numbers = [f"{row * columns + 1}" for row in range(rows)]
    return tiles, numbers, rows * (style.WIDTH - 0.9) / columns * height / width


def order_into_blocks(size: ArrayLike, signed: ArrayLike, groups: ArrayLike) -> np.ndarray:
    """Latents ordered by the group of features they follow, within it by the feature, then by strength.

    The mean of ``size`` over a group chooses the group, ``signed`` the feature (both by magnitude,
    ``[features, latents]``); ``groups`` ``[features]`` is ascending.
    """
    between, within, member = np.abs(np.asarray(size)), np.abs(np.asarray(signed)), np.asarray(groups)
    names = np.unique(member)
    group = np.stack([between[member == name].mean(axis=0) for name in names]).argmax(axis=0)
    inside = np.where(member[:, None] == names[group][None, :], within, -1)
    return np.lexsort((-inside.max(axis=0), inside.argmax(axis=0), group))


def draw_correlations(view: CodeView) -> Drawn:
    """Both forms of correlation with the true features, which must be known, for the latents that are used.

    Facts: the best latent's correlation with a feature, its ``mean``, ``high`` and ``low`` over the features,
    and these features' names.
    """
    size, signed = view.correlations()
    names = view.dataset.factor_names or tuple(map(str, range(len(size))))
    groups = smiley.ATTRIBUTE_OF_FACTOR if names == smiley.FACTORS else np.arange(len(names))
    order = view.used[order_into_blocks(size[:, view.used], signed[:, view.used], groups)]
    title = f"Which of {len(order)} latents follow which true features"
    figure = style.new_figure(2 * (0.16 * len(names) + 0.75) + 0.4, title)
    maps = {
        "Size against size: correlation of |feature| with |z|": size,
        "Where the feature is present: correlation of its value with z": signed,
    }
    for axes, (heading, matrix) in zip(figure.subplots(2, 1), maps.items(), strict=True):
        _heat_map(axes, matrix, order, "correlation", signed=True, names=names)
        style.label(axes, heading, "latent", "feature")
        for boundary in np.flatnonzero(np.diff(np.asarray(groups))):
            axes.axhline(boundary + 0.5, color="black", lw=0.8)
    best = np.abs(signed).max(axis=1)
    high, low = int(best.argmax()), int(best.argmin())
    facts = {"mean": float(best.mean()), "high": float(best[high]), "low": float(best[low])}
    return Drawn(figure, {**facts, "high_feature": names[high], "low_feature": names[low]})


def _heat_map(
    axes: Axes, matrix: np.ndarray, latents: np.ndarray, bar: str, high: float = 1.0, *,
    signed: bool = False, names: Sequence[str] = (), told: int | None = None,
) -> None:  # fmt: skip
    """Columns of a matrix as colors from 0, or around 0, to ``high``; indices that fit, and ``told``."""
    colors, low = (style.DIVERGING, -high) if signed else (style.SEQUENTIAL, 0)
    drawn = matrix[:, latents]
    image = axes.imshow(drawn, cmap=colors, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    step = -(-len(latents) // MOST_LATENT_NAMES) or 1
    places = np.arange(0, len(latents), step)
    if told is not None and step > 1:
        place = np.flatnonzero(latents == told)
        places = np.sort(np.append(places[np.abs(places - place) >= step], place))
    axes.set_xticks(places, list(map(str, latents[places])), rotation=90 if len(latents) > 10 else 0)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    style.color_bar(image, axes, bar)
