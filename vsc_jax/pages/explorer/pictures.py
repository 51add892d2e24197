"""Examples as files that a browser shows: images as PNG, vectors and signals as curves in SVG."""

import io

import numpy as np
from PIL import Image

from vsc_jax.data.dataset import Form
from vsc_jax.figures.style import PALETTE, as_pictures

PNG, SVG = "image/png", "image/svg+xml"

_WIDTH, _HEIGHT = 320.0, 200.0  # of a curve


def picture(example: np.ndarray, form: Form, low: float, high: float) -> tuple[bytes, str]:
    """One example as a file and its media type.

    Args:
      example: an image ``[height, width]`` or ``[height, width, channels]``, a signal ``[time, channels]`` or
        anything else, which is shown as a vector, as the data set yields it.
      form: which of these it is.
      low: value at the foot of a curve; not used for images.
      high: value at its top.
    """
    if form != "image":
        curves = example.T if form == "signal" else example.reshape(1, -1)
        return _curves(curves.astype(np.float64), low, high), SVG
    pixels = (255 * as_pictures(example) + 0.5).astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[-1] != 3:
        pixels = pixels.mean(axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    return buffer.getvalue(), PNG


def _curves(values: np.ndarray, low: float, high: float) -> bytes:
    """Curves ``[curves, points]`` over one another, in the colours of all figures."""
    across = np.linspace(0, _WIDTH, values.shape[1])
    share = (np.clip(values, low, high) - low) / (high - low or 1.0)
    lines = []
    for number, heights in enumerate(_HEIGHT * (1 - share)):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, heights, strict=True))
        colour = PALETTE[number % len(PALETTE)]
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
    box = f"-4 -4 {_WIDTH + 8:g} {_HEIGHT + 8:g}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{"".join(lines)}</svg>'.encode()
