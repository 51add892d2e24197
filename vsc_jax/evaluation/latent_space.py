"""Codes made from codes: the range of a latent, grids, traversals, and paths from one code to another.

Codes are ``[latents]`` or ``[n, latents]``, exactly 0 where a latent is off. Paths: Tonolini, Jensen and
Murray-Smith, *Variational Sparse Coding*, UAI 2019, discrete and continuous interpolation.
"""

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

SPAN = (1.0, 99.0)  # percentiles of a latent's values, where it is on, that grids and traversals cover


class Grid(NamedTuple):
    """Codes ``[y values, x values, latents]`` on a grid of two latents, with ascending values of each."""

    codes: np.ndarray
    x: np.ndarray
    y: np.ndarray


class Traversals(NamedTuple):
    """Codes of one example with one of ``latents`` changed, ``[traversed, 1 + values, latents]``.

    The first code of each row has the latent off, the others set it to ``values``, ``[traversed, values]``.
    """

    codes: np.ndarray
    values: np.ndarray
    latents: np.ndarray


class CodePath(NamedTuple):
    """A path from one code to another, ``[steps, latents]``, both included, and what each step is."""

    codes: np.ndarray
    names: list[str]


def spanned(codes: ArrayLike, latent: int, count: int) -> np.ndarray:
    """Evenly spaced values ``[count]`` over the range of a latent where it is on; -1 to 1 if it never is."""
    values = np.asarray(codes, np.float64)[:, latent]
    values = values[values != 0]
    low, high = np.percentile(values, SPAN) if len(values) else (-1.0, 1.0)
    return np.linspace(low, high, count)


def grid_codes(base: ArrayLike, codes: ArrayLike, pair: tuple[int, int], count: int = 11) -> Grid:
    """Codes that vary the latents ``pair`` (along x, along y) over their ranges in ``codes [n, latents]``."""
    x, y = (spanned(codes, latent, count) for latent in pair)
    grid = np.tile(np.asarray(base, np.float64), (count, count, 1))
    grid[:, :, pair[0]] = x[None, :]
    grid[:, :, pair[1]] = y[:, None]
    return Grid(grid, x, y)


def traversal_codes(base: ArrayLike, codes: ArrayLike, latents: ArrayLike, count: int = 6) -> Traversals:
    """Switch each of ``latents`` off in ``base``, then sweep it over its range in ``codes``."""
    chosen = np.asarray(latents)
    values = np.stack([spanned(codes, int(latent), count) for latent in chosen])
    changed = np.tile(np.asarray(base, np.float64), (len(chosen), count + 1, 1))
    changed[np.arange(len(chosen)), :, chosen] = np.pad(values, ((0, 0), (1, 0)))
    return Traversals(changed, values, chosen)


def continuous_path(start: ArrayLike, end: ArrayLike, steps: int) -> CodePath:
    """Evenly spaced codes on the straight line from ``start`` to ``end``, named by their share of the way."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    share = np.linspace(0, 1, steps)
    return CodePath(a + share[:, None] * (b - a), [f"{value:.2f}" for value in share])


def discrete_path(start: ArrayLike, end: ArrayLike, most: int | None = None) -> CodePath:
    """Codes from ``start`` to ``end`` that change one latent at a time, the supports united half-way.

    First the latents that are on only in ``end`` are switched on (``+j``), then those on in both take their
    new value (``~j``), then those on only in ``start`` are switched off (``-j``); within each group the
    largest change comes first. ``most`` thins the path evenly to so many steps, start and end among them; a
    step that holds other changes, too, has an ellipsis in its name.
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    groups = (("+", (a == 0) & (b != 0)), ("~", (a != 0) & (b != 0) & (a != b)), ("-", (a != 0) & (b == 0)))
    codes, names = [a], ["start"]
    for sign, members in groups:
        latents = np.flatnonzero(members)
        for latent in latents[np.argsort(-np.abs(b - a)[latents], kind="stable")]:
            codes.append(np.where(np.arange(len(a)) == latent, b, codes[-1]))
            names.append(f"{sign}{latent}")
    if most is not None and len(codes) > most:
        steps = np.round(np.linspace(0, len(codes) - 1, most)).astype(int)
        gaps = np.diff(steps, prepend=0)
        names = [names[i] if gap <= 1 else f"{names[i]}…" for i, gap in zip(steps, gaps, strict=True)]
        codes = [codes[i] for i in steps]
    return CodePath(np.stack(codes), names)
