"""Examples as files that a browser shows: images as PNG, vectors as a curve in SVG."""

import io

import numpy as np
from PIL import Image

from vsc_jax.figures.style import as_pictures, is_image

PNG, SVG = "image/png", "image/svg+xml"

_WIDTH, _HEIGHT = 320.0, 200.0  # of a curve


def picture(example: np.ndarray, low: float, high: float) -> tuple[bytes, str]:
    """One example as a file and its media type.

    Args:
      example: an image ``[height, width]`` or ``[height, width, channels]``, or a vector ``[d]``, as the data
        set yields it.
      low: value at the foot of a curve; not used for images.
      high: value at its top.
    """
    if not is_image(example.shape):
        return _curve(example.ravel().astype(np.float64), low, high), SVG
    pixels = (255 * as_pictures(example) + 0.5).astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[-1] != 3:
        pixels = pixels.mean(axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    return buffer.getvalue(), PNG


def _curve(values: np.ndarray, low: float, high: float) -> bytes:
    across = np.linspace(0, _WIDTH, len(values))
    share = (np.clip(values, low, high) - low) / (high - low or 1.0)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, _HEIGHT * (1 - share), strict=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 {_WIDTH + 8:g} {_HEIGHT + 8:g}">'
        f'<polyline points="{points}" fill="none" stroke="#2b8fd6" stroke-width="1.2"/></svg>'
    ).encode()
