"""Single examples as small files: images as PNG, everything else as curves in SVG."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from vsc_jax.data.dataset import Form
from vsc_jax.figures.style import PALETTE, as_pictures

WIDTH, HEIGHT = 320.0, 200.0  # of a curve
_ABOVE, _BELOW = (222, 60, 50), (33, 130, 200)  # red and blue that are seen on white and on black


def picture(
    example: np.ndarray, form: Form, low: float, high: float, most: int | None = None
) -> tuple[bytes, str]:
    """One example as a PNG image, or as curves in SVG whose foot is ``low`` and whose top is ``high``.

    The file and its media type; ``most`` is that of :func:`as_file`.
    """
    if form == "image":
        pixels = (255 * as_pictures(example) + 0.5).astype(np.uint8)
        if pixels.ndim == 3 and pixels.shape[-1] != 3:
            pixels = pixels.mean(axis=-1).astype(np.uint8)
        return as_file(pixels, most)
    return curves((example.T if form == "signal" else example.reshape(1, -1)), low, high)


def difference(values: np.ndarray, form: Form, low: float, high: float) -> tuple[bytes, str]:
    """The difference of two examples as a file: red above 0, blue below, clear where it is 0; or curves.

    Colors are full, and curves end, at half the range from ``low`` to ``high``.
    """
    half = (high - low) / 2 or 1.0
    if form != "image":
        return curves(values.T, -half, half)
    change = values.reshape(*values.shape[:2], -1).mean(axis=-1) / half
    pixels = np.where(change[..., None] > 0, (*_ABOVE, 0), (*_BELOW, 0))
    pixels[..., 3] = 255 * np.minimum(1, np.abs(change)) + 0.5
    return as_file(pixels.astype(np.uint8))


def as_file(pixels: np.ndarray, most: int | None = None) -> tuple[bytes, str]:
    """Gray or colored pixels, uint8, as a PNG file of at most ``most`` x ``most``, and its media type."""
    buffer, image = io.BytesIO(), Image.fromarray(pixels)
    if most is not None:
        image.thumbnail((most, most))
    image.save(buffer, format="png")
    return buffer.getvalue(), "image/png"


def curves(
    values: np.ndarray, low: float, high: float, strokes: Sequence[str] = PALETTE
) -> tuple[bytes, str]:
    """Curves ``[curves, steps]`` from ``low`` to ``high`` as an SVG file, and its media type."""
    share = (np.clip(np.asarray(values, np.float64), low, high) - low) / (high - low or 1.0)
    lines = []
    for number, heights in enumerate(HEIGHT * (1 - share)):
        across = np.linspace(0, WIDTH, len(heights))
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, heights, strict=True))
        stroke = strokes[number % len(strokes)]
        lines.append(f'<polyline points="{points}" stroke="{stroke}" vector-effect="non-scaling-stroke"/>')
    box = f"-4 -4 {WIDTH + 8:g} {HEIGHT + 8:g}"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" fill="none">{"".join(lines)}</svg>'
    return svg.encode(), "image/svg+xml"


def uri(file: tuple[bytes, str]) -> str:
    """A file of this media type as an address that holds it."""
    content, kind = file
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
