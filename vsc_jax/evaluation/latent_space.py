"""Codes made from codes: the range of a latent, grids, traversals, and paths from one code to another.

Codes are ``[latents]`` or ``[n, latents]``, exactly 0 where a latent is off. Paths: Tonolini, Jensen and
Murray-Smith, *Variational Sparse Coding*, UAI 2019, discrete and continuous interpolation.
"""

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

SPAN = (1.0, 99.0)
"""Percentiles of a latent's values, where it is on, that grids and traversals cover."""


class Grid(NamedTuple):
    """Codes ``[y values, x values, latents]`` on a grid of two latents, with ascending values of each."""

    codes: np.ndarray
    x: np.ndarray
    y: np.ndarray


class Traversals(NamedTuple):
    """Codes of one example with one latent changed.

    Attributes:
      codes: ``[traversed, 1 + values, latents]``; the first of each row has the latent off.
      values: what the latent is set to after that, ``[traversed, values]``.
      latents: which latents are traversed, ``[traversed]``.
    """

    codes: np.ndarray
    values: np.ndarray
    latents: np.ndarray


class CodePath(NamedTuple):
    """A path from one code to another.

    Attributes:
      codes: ``[steps, latents]``; the first is the start, the last the end.
      names: what each step is, such as ``+17`` (latent 17 switched on) or ``0.25`` (share of the path).
    """

    codes: np.ndarray
    names: list[str]


def spanned(codes: ArrayLike, latent: int, count: int) -> np.ndarray:
    """Evenly spaced values ``[count]`` over the range of a latent where it is on; -1 to 1 if it never is."""
    values = np.asarray(codes, np.float64)[:, latent]
    values = values[values != 0]
    low, high = np.percentile(values, SPAN) if len(values) else (-1.0, 1.0)
    return np.linspace(low, high, count)


def grid_codes(base: ArrayLike, codes: ArrayLike, pair: tuple[int, int], count: int = 11) -> Grid:
    """Codes that vary the latents ``pair`` (along x, along y) over their ranges and keep the others.

    The ranges are those of ``codes`` ``[n, latents]``; each has ``count`` values.
    """
    x, y = (spanned(codes, latent, count) for latent in pair)
    grid = np.broadcast_to(np.asarray(base, np.float64), (count, count, np.shape(base)[0])).copy()
    grid[:, :, pair[0]] = x[None, :]
    grid[:, :, pair[1]] = y[:, None]
    return Grid(grid, x, y)


def traversal_codes(base: ArrayLike, codes: ArrayLike, latents: ArrayLike, count: int = 6) -> Traversals:
    """Switch each of ``latents`` off in ``base``, then sweep it over its range in ``codes``."""
    chosen = np.asarray(latents)
    values = np.stack([spanned(codes, int(latent), count) for latent in chosen])
    start = np.asarray(base, np.float64)
    changed = np.broadcast_to(start, (len(chosen), count + 1, len(start))).copy()
    rows = np.arange(len(chosen))
    changed[rows, 0, chosen] = 0
    changed[rows[:, None], np.arange(1, count + 1)[None, :], chosen[:, None]] = values
    return Traversals(changed, values, chosen)


def continuous_path(start: ArrayLike, end: ArrayLike, steps: int) -> CodePath:
    """Evenly spaced codes on the straight line from ``start`` to ``end``."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    share = np.linspace(0, 1, steps)
    return CodePath(a + share[:, None] * (b - a), [f"{value:.2f}" for value in share])


def discrete_path(start: ArrayLike, end: ArrayLike, most: int | None = None) -> CodePath:
    """Codes from ``start`` to ``end`` that change one latent at a time, the supports united half-way.

    First the latents that are on only in ``end`` are switched on, then those on in both take their new
    value, then those on only in ``start`` are switched off; within each group the largest change comes
    first.

    Args:
      start: code ``[latents]``.
      end: code ``[latents]``.
      most: how many steps are kept at most, evenly spaced, first and last among them; None keeps all. A
        kept step that holds other changes, too, has an ellipsis in its name.

    Returns:
      Steps named ``start``, ``+j`` (on), ``~j`` (new value), ``-j`` (off).
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    groups = (("+", (a == 0) & (b != 0)), ("~", (a != 0) & (b != 0) & (a != b)), ("-", (a != 0) & (b == 0)))
    codes, names = [a.copy()], ["start"]
    for sign, members in groups:
        latents = np.flatnonzero(members)
        for latent in latents[np.argsort(-np.abs(b - a)[latents], kind="stable")]:
            step = codes[-1].copy()
            step[latent] = b[latent]
            codes.append(step)
            names.append(f"{sign}{latent}")
    if most is not None and len(codes) > most:
        kept = np.round(np.linspace(0, len(codes) - 1, most)).astype(int)
        gaps = np.diff(kept, prepend=0)
        names = [names[i] if gap <= 1 else f"{names[i]}…" for i, gap in zip(kept, gaps, strict=True)]
        codes = [codes[i] for i in kept]
    return CodePath(np.stack(codes), names)
