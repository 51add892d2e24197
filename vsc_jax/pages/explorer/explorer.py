"""A model's view of its test examples as the explorer's page shows it: codes, captions, pictures."""

import io
from typing import Any

import numpy as np
from PIL import Image

from vsc_jax.data import smiley
from vsc_jax.data.dataset import Form
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.figures.style import PALETTE, as_pictures
from vsc_jax.models.inputs import as_float

_REACH = 99.5  # percentile of the codes' size that the bars reach to
_WIDTH, _HEIGHT = 320.0, 200.0  # of a curve


class Explorer:
    """What the page asks for.

    Attributes:
      view: the model's codes of the test split.
      name: of the run.
      reach: the value at the end of a latent's bar.
      typical: the median value of each latent over the examples that have it on, ``[latents]``.
    """

    def __init__(self, view: CodeView, name: str):
        self.view, self.name = view, name
        sizes = np.abs(view.code[view.code != 0])
        self.reach = 1.1 * float(np.percentile(sizes, _REACH)) if sizes.size else 1.0
        on = [column[column != 0] for column in view.code.T]
        self.typical = np.array([np.median(values) if values.size else 1.0 for values in on], np.float32)
        sample = np.asarray(as_float(view.test.sample(500, 0).x))
        self._low, self._high = float(sample.min()), float(sample.max())

    def describe(self) -> dict[str, Any]:
        """What the page shows of the model, and what it needs to draw its bars."""
        view = self.view
        notes = {
            "This model has no gates: every latent is on; switched off it is set to zero.": not view.gated,
            "An autoencoder has no prior, so there is nothing to sample from.": view.prior is None,
            "No latent is on in any test example: the code has collapsed.": not view.used.size,
        }
        return {
            "name": self.name,
            "data": view.dataset.description or view.dataset.name,
            "gated": view.gated,
            "samples": view.prior is not None,
            "latents": view.latents,
            "used": np.isin(np.arange(view.latents), view.used).tolist(),
            "reach": self.reach,
            "examples": len(view.test),
            "notes": [note for note, applies in notes.items() if applies],
        }

    def example(self, index: int) -> dict[str, Any]:
        """A test example's caption, code and gates, and the values that its latents take when switched on."""
        z = self.view.code[index]
        code = {"z": z, "gamma": self.view.codes.gamma[index], "start": np.where(z != 0, z, self.typical)}
        values = {name: np.round(field, 5).tolist() for name, field in code.items()}
        return {"index": index, "caption": self.caption(index), **values}

    def caption(self, index: int) -> str:
        """The class of a test example, or the attributes that a face has."""
        test, dataset = self.view.test, self.view.dataset
        if test.labels is not None:
            label = int(test.labels[index])
            return f"class {dataset.label_names[label] if label < len(dataset.label_names) else label}"
        if test.presence is None or dataset.factor_names != smiley.FACTORS:
            return ""
        there = [test.presence[index][group.start] for group in smiley.GROUPS]
        present = [name for name, on in zip(smiley.ATTRIBUTES, there, strict=True) if on]
        return f"with {', '.join(present)}" if present else "no attributes"

    def picture(self, example: np.ndarray) -> tuple[bytes, str]:
        """A file that shows one example, as stored or as decoded, and its media type."""
        return picture(np.asarray(as_float(example)), self.view.dataset.form, self._low, self._high)


def picture(example: np.ndarray, form: Form, low: float, high: float) -> tuple[bytes, str]:
    """One example as a PNG image, or as curves in SVG whose foot is ``low`` and whose top is ``high``."""
    if form == "image":
        pixels = (255 * as_pictures(example) + 0.5).astype(np.uint8)
        if pixels.ndim == 3 and pixels.shape[-1] != 3:
            pixels = pixels.mean(axis=-1).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="png")
        return buffer.getvalue(), "image/png"
    curves = (example.T if form == "signal" else example.reshape(1, -1)).astype(np.float64)
    share = (np.clip(curves, low, high) - low) / (high - low or 1.0)
    lines = []
    for number, heights in enumerate(_HEIGHT * (1 - share)):
        across = np.linspace(0, _WIDTH, len(heights))
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, heights, strict=True))
        stroke = PALETTE[number % len(PALETTE)]
        lines.append(f'<polyline points="{points}" fill="none" stroke="{stroke}" stroke-width="1.2"/>')
    box = f"-4 -4 {_WIDTH + 8:g} {_HEIGHT + 8:g}"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{"".join(lines)}</svg>'
    return svg.encode(), "image/svg+xml"
