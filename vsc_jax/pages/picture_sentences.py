"""One sentence for each figure of decoded images: what to look for, and what this run shows."""

import numpy as np

from vsc_jax.data import streams
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation.reconstruction import denoising
from vsc_jax.figures.from_model import (
    NOISE,
    PAIRS,
    SAMPLED,
    STEPS,
    Shown,
    noise_in_words,
    traversed_latents,
    varied_pair,
)
from vsc_jax.figures.grid import grid_codes
from vsc_jax.figures.interpolation import continuous_path, discrete_path
from vsc_jax.figures.traversal import traversal_codes
from vsc_jax.models import VSC
from vsc_jax.pages.words import count, percent

MEAN_IMAGE = 0.05
"""Who explains less of the variance than this decodes every example to the mean."""

VISIBLE = 0.25
"""A pixel has changed visibly when it moved by more than this share of its range."""

SAMPLES = 20
"""Draws with each support for the sentence on conditional sampling."""


def reconstructions(shown: Shown) -> str:
    """How much of the variance the outputs explain, from clean and from noisy input."""
    key = streams.key(shown.seed, Stream.SHOWN_NOISE)
    clean, noisy = denoising(shown.model, shown.test.x, key, noise=(0.0, NOISE))
    what = shown.dataset.form
    nothing = "" if clean.explained_variance >= MEAN_IMAGE else ": the code says next to nothing"
    return (
        f"Look for outputs that keep the details of each {what} and drop the noise: here the output explains"
        f" {percent(clean.explained_variance)} of the variance from clean input and"
        f" {percent(noisy.explained_variance)} from input with noise of {noise_in_words(shown)}, where the"
        f" mean {what} would explain 0 %{nothing}."
    )


def conditional_samples(shown: Shown) -> str:
    """How much of the samples' variance lies within the rows, where the support is the same."""
    model = shown.model
    assert isinstance(model, VSC)
    x = shown.test.x[shown.examples(SAMPLED)]
    pictures = np.asarray(model.sample_like(x, SAMPLES, streams.key(shown.seed, Stream.SHOWN_SAMPLES)))
    total, within = pictures.var(axis=(0, 1)).sum(), pictures.var(axis=1).mean(axis=0).sum()
    share = float(within / total) if total > 0 else 0.0
    return (
        "Look for samples that stay the kind of image on their left and vary in style: here"
        f" {percent(share)} of the samples' variance lies within the rows, which share which latents are on,"
        f" and {percent(1 - share)} between them."
    )


def interpolations(shown: Shown) -> str:
    """How evenly the picture changes, and what is switched on the way."""
    chosen = shown.examples(2 * PAIRS)
    pairs = [(shown.code[a], shown.code[b]) for a, b in zip(chosen[::2], chosen[1::2], strict=False)]
    if not pairs:
        return "Look for pictures that stay plausible half-way: here there is no second image to go to."
    paths = [continuous_path(*pair, STEPS) for pair in pairs]
    steps = [np.diff(shown.decode(path.codes), axis=0).reshape(STEPS - 1, -1) for path in paths]
    lengths = [np.sqrt((step**2).mean(axis=1)) for step in steps]
    largest = max(float(length.max() / length.sum()) if length.sum() else 0.0 for length in lengths)
    sentence = (
        "Look for pictures that stay plausible half-way: here the largest of the"
        f" {STEPS - 1} steps along a straight line makes {percent(largest)} of its change"
        f" ({percent(1 / (STEPS - 1))} would be even)"
    )
    if not shown.sparse:
        return f"{sentence}."
    names = discrete_path(*pairs[0]).names[1:]
    on, off = (sum(name.startswith(sign) for name in names) for sign in "+-")
    return f"{sentence}, and the first pair is joined by switching {count(on, 'latent')} on and {off} off."


def traversals(shown: Shown, example: int = 0) -> str:
    """Which latents change the picture, and how much of it."""
    base = shown.code[example]
    latents = traversed_latents(shown, example)
    changed = traversal_codes(base, shown.code, latents)
    shares = np.array([_moved(shown.decode(row)) for row in changed.codes])
    still = int((shares == 0).sum())
    most, middle = percent(shares.max()), percent(float(np.median(shares)))
    return (
        "Look for rows that change one thing and leave the rest alone: here"
        f" latent {latents[shares.argmax()]} changes most, {most} of the pixels visibly, a row in the middle"
        f" {middle}, and {still} of {count(len(latents), 'row')} none."
    )


def latent_grid(shown: Shown, example: int = 0) -> str:
    """How much of the picture each of the two latents changes."""
    base = shown.code[example]
    across, upwards = varied_pair(shown, example)
    pictures = shown.decode(grid_codes(base, shown.code, (across, upwards)).codes)
    along_x = np.mean([_moved(row) for row in pictures])
    along_y = np.mean([_moved(column) for column in pictures.swapaxes(0, 1)])
    whole = " (the whole code)" if shown.model.latents == 2 else ""
    return (
        f"Look for change that is smooth and stays plausible to the corners: of these two latents"
        f"{whole}, {across} across changes {percent(float(along_x))} of the pixels visibly from end to end"
        f" and {upwards} upwards {percent(float(along_y))}."
    )


def _moved(pictures: np.ndarray) -> float:
    """Share of the pixels that change visibly among ``pictures`` ``[n, height, width, ...]``."""
    return float((np.ptp(pictures, axis=0) > VISIBLE).mean())
