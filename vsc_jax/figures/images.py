"""Figures of decoded codes: reconstructions, samples, interpolations, traversals and the grid of two latents.

Sampling and interpolation after Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019.
"""

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax.data import streams
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation.code_view import CodeView, discrete_path
from vsc_jax.evaluation.latents import VISIBLE
from vsc_jax.evaluation.reconstruction import SHOWN_NOISE, denoising, noise_unit, noisy
from vsc_jax.figures import style
from vsc_jax.figures.style import Drawn
from vsc_jax.models.inputs import as_float

EXAMPLES = {"image": 10, "vector": 4, "signal": 2}  # how many are reconstructed
SAMPLED, SAMPLES, MEASURED = 5, 7, 20  # images that are sampled like, samples shown and measured of each
PAIRS, STEPS = 2, 10  # of interpolations
SWEPT = 4  # values of a latent in traversals
ONE_BLOCK = 8  # more rows of traversals than this are set in two blocks side by side


def draw_reconstructions(view: CodeView) -> Drawn:
    """The first test examples and their reconstructions, from clean and from noisy input.

    Facts: ``clean`` and ``noisy``, the explained variance over all test examples; ``noise``, its level in
    words; ``form`` of the examples.
    """
    model, form, x = view.model, view.dataset.form, view.test.x
    count = EXAMPLES[form]
    rows = view.examples(count) if form == "signal" else np.arange(min(count, len(x)))
    clean = np.array(as_float(x[rows]))
    unit = noise_unit(model, x)
    key = streams.key(view.seed, Stream.SHOWN_NOISE)
    noise = SHOWN_NOISE * unit * jax.random.normal(jax.random.clone(key), clean.shape, clean.dtype)
    level = f"sd {SHOWN_NOISE:g}" if unit == 1 else f"{SHOWN_NOISE:g} of the data's sd"
    inputs = (clean, np.asarray(noisy(clean, noise, model.decoder.limits)))
    outputs = [np.asarray(model.reconstruct(each)) for each in inputs]
    titles = ("Clean input", f"Noisy (Gaussian, {level}) input")
    if form == "image":
        figure = _images(inputs, outputs, titles)
    else:
        figure = _lines(inputs, outputs, titles, view.dataset.channel_names if form == "signal" else ())
    found = denoising(model, x, key, noise=(0.0, SHOWN_NOISE)).values()
    explained = dict(zip(("clean", "noisy"), (each.explained_variance for each in found), strict=True))
    return Drawn(figure, {**explained, "noise": level, "form": form})


def _images(inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Input, reconstruction and squared error against the clean image, a block for each input."""
    clean = style.as_pictures(inputs[0])
    drawn = [style.as_pictures(output) for output in outputs]
    errors = [np.square(output - clean) for output in drawn]
    if clean.ndim == 4:
        errors = [error.mean(axis=-1) for error in errors]
    n, height, width = clean.shape[:3]
    # A little more height than the pictures need, so that their width decides and the rows line up.
    picture = 1.1 * (style.WIDTH - 1.8) / n * height / width
    title = "Test examples, their reconstructions and the error that is left"
    figure = style.new_figure(len(inputs) * (3 * picture + 0.55) + 0.35, title)
    panels = figure.subplots(2 * len(inputs), 1, height_ratios=[2, 1] * len(inputs))
    high = max(float(error.max()) for error in errors) or 1.0
    for number, (given, output, error) in enumerate(zip(inputs, drawn, errors, strict=True)):
        top, bottom = panels[2 * number : 2 * number + 2]
        style.label(top, titles[number])
        style.show_tiles(top, np.stack([style.as_pictures(given), output]), rows=("input", "reconstruction"))
        style.label(bottom, x="squared error against the original, summed over the image")
        sums = [f"{total:.1f}" for total in error.sum(axis=(1, 2))]
        names, colors = ("squared error",), style.SEQUENTIAL
        heat = style.show_tiles(bottom, error[None], rows=names, columns=sums, colors=colors, high=high)
    style.color_bar(heat, list(panels), "squared error of a pixel")
    return figure


def _lines(
    inputs: Sequence[np.ndarray],
    outputs: Sequence[np.ndarray],
    titles: Sequence[str],
    channels: Sequence[str],
) -> Figure:
    """Inputs and outputs as curves: vectors in a row each; signals in a row for each of the ``channels``."""
    clean, parts = inputs[0], len(inputs)
    rows, columns = (len(channels), len(clean) * parts) if channels else (len(clean), parts)
    height = 0.7 * rows + 1.2 if channels else 1.25 * rows + 0.75
    marker = "." if clean[0].size <= 40 else ""
    figure = style.new_figure(height, "Test examples and their reconstructions")
    panels = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    for (row, column), axes in np.ndenumerate(panels):
        example, part = divmod(column, parts) if channels else (row, column)
        given, output = inputs[part][example], outputs[part][example]
        error = float(np.square(output - clean[example]).sum())
        if channels:
            first, _, last = channels[row].rpartition("_")  # body_acc_x is "body acc" over "x"
            name, below, lw = f"{first.replace('_', ' ')}\n{last}".strip(), "time step", 1.0
            title = f"{('Clean', 'Noisy')[part]} input\nerror {error:.3g}" if row == 0 else ""
            given, output = given[:, row], output[:, row]
        else:
            name, below, lw = "value", "dimension", 1.2
            title = (f"{titles[part]}\n" if row == 0 else "") + f"squared error {error:.3g}"
        look = {"marker": "" if channels else marker}
        axes.plot(given.ravel(), color=style.GRAY, lw=lw, label="input", **look)
        axes.plot(output.ravel(), color=style.PALETTE[0], lw=1.0, label="reconstruction", **look)
        style.open_frame(axes)
        axes.margins(x=0.01)
        style.label(axes, title, below if row == rows - 1 else "", name if column == 0 else "")
        axes.yaxis.label.set_parse_math(False)
    if channels:
        figure.align_ylabels(panels[:, 0])
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=style.SMALL, frameon=False)
    return figure


def draw_steered(
    x: ArrayLike,
    before: ArrayLike,
    after: ArrayLike,
    changes: Mapping[int, float | None],
    rows: Sequence[int],
) -> Drawn:
    """Images, what is decoded from their codes, and from the codes with latents set or, by None, off.

    Facts: ``moved``, the share of the pixels that change visibly.
    """
    pictures = [style.as_pictures(images) for images in (x, before, after)]
    n, height, width = pictures[0].shape[:3]
    side = (style.WIDTH - 0.8) / max(n, 6)
    words = [f"latent {j} {'off' if value is None else f'set to {value:g}'}" for j, value in changes.items()]
    title = f"Decoded before and after a change: {', '.join(words)}"
    figure = style.new_figure(3 * side * height / width + 0.8, title)
    axes = figure.subplots()
    names, columns = ("image", "before", "after"), list(map(str, rows))
    style.show_tiles(axes, np.stack(pictures), rows=names, columns=columns)
    style.label(axes, x="row of the data")
    style.bare(axes)
    return Drawn(figure, {"moved": float((np.abs(pictures[2] - pictures[1]) > VISIBLE).mean())})


def draw_conditional_samples(view: CodeView) -> Drawn:
    """A row for every image: the image, its reconstruction, and samples with the same latents on.

    Facts: ``within``, the share of the samples' variance that lies within the rows.
    """
    chosen = view.examples(SAMPLED)
    key = streams.key(view.seed, Stream.SHOWN_SAMPLES)
    on = view.codes.on[chosen]
    drawn = style.as_pictures(view.decode(view.resampled(on, SAMPLES, jax.random.clone(key))))
    pictures = [view.test.x[chosen], view.decode(view.code[chosen])]
    first = np.stack([style.as_pictures(each) for each in pictures], axis=1)
    n, count, height, width = drawn.shape[:4]
    picture = 1.08 * (style.WIDTH - 1.0) / (count + 2.2) * height / width
    title = "Conditional sampling: the latents that are on stay on, their values are drawn anew"
    figure = style.new_figure(n * picture + 0.75, title)
    left, right = figure.subplots(1, 2, width_ratios=[2, count])
    style.label(left, "Image and\nreconstruction")
    style.show_tiles(left, first, rows=[f"{number} on" for number in np.count_nonzero(on, axis=1)])
    style.label(right, "Samples from the prior, given which latents are on")
    style.show_tiles(right, drawn)
    many = view.decode(view.resampled(on, MEASURED, key))  # more than are shown, for a steady number
    total, within = many.var(axis=(0, 1)).sum(), many.var(axis=1).mean(axis=0).sum()
    return Drawn(figure, {"within": float(within / total) if total > 0 else 0.0})


def draw_interpolations(view: CodeView) -> Drawn:
    """Pairs of images of different classes: joined one latent at a time, with gates, over the straight line.

    Facts: ``largest``, the share of a straight line's change that the largest of its ``steps`` makes; ``on``
    and ``off``, how many latents are switched for the first pair; ``gated``.
    """
    chosen = view.examples(2 * PAIRS)
    pairs = [(view.code[a], view.code[b]) for a, b in zip(chosen[::2], chosen[1::2], strict=False)]
    blocks, largest = [], 0.0
    shares = [f"{share:.2f}" for share in np.linspace(0, 1, STEPS)]
    for start, end in pairs:
        if view.gated:
            codes, names = discrete_path(start, end, STEPS)
            blocks.append(("one latent\nat a time", view.decode(codes), names))
        decoded = view.decode(np.linspace(start, end, STEPS, dtype=np.float64))
        blocks.append(("straight\nline", decoded, shares))
        length = np.sqrt((np.diff(decoded, axis=0).reshape(STEPS - 1, -1) ** 2).mean(axis=1))
        largest = max(largest, float(length.max() / length.sum()) if length.sum() else 0.0)
    most = max(len(images) for _, images, _ in blocks)
    height, width = blocks[0][1].shape[1:3]
    picture = 1.05 * (style.WIDTH - 0.9) / most * height / width
    title, below = "From one test image to another", "straight line: share of the way"
    if view.gated:
        title += ": latent by latent, and along a straight line"
        below += "\none latent at a time: +j switched on, ~j given its new value, -j switched off,"
        below += "\n… and others since the picture before"
    figure = style.new_figure(len(blocks) * (picture + 0.28) + (1.0 if view.gated else 0.65), title)
    panels = figure.subplots(len(blocks), 1, squeeze=False)[:, 0]
    for axes, (name, images, names) in zip(panels, blocks, strict=True):
        tiles = style.padded(style.as_pictures(images), most)
        style.show_tiles(axes, tiles[None], rows=(name,), columns=names)
    style.label(panels[-1], x=below)
    style.bare(panels[-1])
    there, then = (code != 0 for code in pairs[0])
    switched = {"on": int((~there & then).sum()), "off": int((there & ~then).sum())}
    return Drawn(figure, {"largest": largest, "steps": STEPS - 1, "gated": view.gated, **switched})


def draw_traversals(view: CodeView, example: int = 0) -> Drawn:
    """A row for every used latent: switched off, then swept from low to high; above them the image as coded.

    Facts: of the pixels that change visibly along a row the share in the row of ``latent``, the ``most``, and
    in the ``middle`` row; ``still``, how many of the ``rows`` change none; how many latents are ``used``.
    """
    code, (codes, sweeps, latents) = view.code[example], view.traversals(example, SWEPT)
    decoded = view.decode(codes)
    first = style.padded(style.as_pictures(view.decode(code))[None], decoded.shape[1])
    tiles = np.concatenate([first[None], style.as_pictures(decoded)])
    mark = "on: " if (code == 0).any() else ""  # in a dense code every latent is on
    names = ["as coded"]
    for latent, values in zip(latents, sweeps, strict=True):
        here = f"{latent} ({mark}{style.number(code[latent])})" if code[latent] else f"{latent} (off)"
        names.append(f"{here}\n{style.number(values[0])} to {style.number(values[-1])}")
    blocks = 1 if len(tiles) <= ONE_BLOCK else 2
    rows, (columns, height, width) = -(-len(tiles) // blocks), tiles.shape[1:4]
    picture = 1.03 * (style.WIDTH / blocks - 1.05) / columns * height / width
    title = "One test image, one latent changed at a time: switched off, and swept over the values it takes"
    if len(latents) < len(view.used):
        title += f"\n({len(latents)} of {len(view.used)} used latents: those on in it, then the most used)"
    figure = style.new_figure(rows * max(picture, 0.26) + 1.05, title)
    figure.supxlabel("rows: latent (its value in this image), range of the sweep", fontsize=style.SMALL)
    sweep = ["off", "low", *[""] * (columns - 3), "high"]
    for block, axes in enumerate(figure.subplots(1, blocks, squeeze=False)[0]):
        part = slice(block * rows, (block + 1) * rows)
        style.show_tiles(axes, style.padded(tiles[part], rows), rows=names[part], columns=sweep)
        axes.xaxis.tick_top()
        style.bare(axes)
    shares = np.array([_moved(row) for row in decoded])
    facts = {"latent": int(latents[shares.argmax()]), "most": float(shares.max())}
    still = {"still": int((shares == 0).sum()), "rows": len(shares), "used": len(view.used)}
    return Drawn(figure, {**facts, "middle": float(np.median(shares)), **still})


def draw_latent_grid(view: CodeView, example: int = 0, pair: tuple[int, int] | None = None) -> Drawn:
    """One test image decoded with two latents varied over their ranges, values growing to the right and up.

    By default the pair are those on in it that move the output most; the model must have two latents.

    Facts: ``x`` and ``y``, the pair; ``along_x`` and ``along_y``, the mean share of the pixels that change
    visibly; ``whole``, whether these two are the whole code.
    """
    x, y = view.moving_pair(example) if pair is None else pair
    codes, *values = view.grid(example, (x, y))
    decoded = view.decode(codes)
    tiles = style.as_pictures(decoded)
    rows, columns, height, width = tiles.shape[:4]
    title = f"What latents {x} and {y} change, the others kept where one test image has them"
    figure = style.new_figure((style.WIDTH - 0.8) * rows * height / (columns * width) + 0.9, title)
    axes = figure.subplots()
    across, upwards = ([style.number(value) for value in along] for along in values)
    style.show_tiles(axes, tiles[::-1], rows=upwards[::-1], columns=across, gap=0)
    style.label(axes, x=f"value of latent {x}", y=f"value of latent {y}")
    style.bare(axes)
    shares = {
        "along_x": float(np.mean([_moved(row) for row in decoded])),
        "along_y": float(np.mean([_moved(column) for column in decoded.swapaxes(0, 1)])),
    }
    return Drawn(figure, {"x": x, "y": y, **shares, "whole": view.latents == 2})


def _moved(pictures: ArrayLike) -> float:
    """Share of the pixels that change visibly among ``pictures`` ``[n, height, width, ...]``."""
    return float((np.ptp(np.asarray(pictures), axis=0) > VISIBLE).mean())
