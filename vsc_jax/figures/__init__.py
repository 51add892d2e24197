"""Figures of a model's codes, of a run's history and of several runs: no display, no global state.

A figure of a model is a function of its :class:`~vsc_jax.evaluation.code_view.CodeView`. It returns the
matplotlib ``Figure`` and its facts, the numbers of which a sentence about it is made.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.figures.codes import (
    draw_activation,
    draw_atoms,
    draw_correlations,
    draw_gate_histogram,
    draw_latent_density,
    draw_pseudo_inputs,
)
from vsc_jax.figures.curves import Curve, draw_curves
from vsc_jax.figures.history import draw_history
from vsc_jax.figures.images import (
    draw_conditional_samples,
    draw_interpolations,
    draw_latent_grid,
    draw_reconstructions,
    draw_traversals,
)
from vsc_jax.figures.style import Drawn
from vsc_jax.models.nets.dictionary import Dictionary

__all__ = ["FIGURES", "OVERVIEW", "Curve", "Drawn", "ModelFigure", "draw_all", "draw_curves", "draw_history"]

# What a figure may need, and the reason of its absence, in which {0} is the data set.
_NEEDS: dict[str, tuple[Callable[[CodeView], bool], str]] = {
    "labels": (lambda v: v.test.labels is not None, "no figure of classes: {0.name} has no labels"),
    "gates": (
        lambda v: v.gated,
        "no figures of gates and pseudo-inputs: the model has no gates, every latent is on",
    ),
    "pseudo-inputs": (
        lambda v: getattr(v.model, "pseudo_inputs", None) is not None,
        "no figure of pseudo-inputs: the model's prior is fixed",
    ),
    # A decoder that is a network lacks nothing.
    "atoms": (lambda v: isinstance(v.model.decoder.trunk, Dictionary), ""),
    "images": (
        lambda v: v.dataset.form == "image",
        "no figures of decoded images: the examples of {0.name} are no images",
    ),
    "a pair": (lambda v: len(v.test) > 1, "no interpolations: {0.name} has one test example"),
    "used": (lambda v: len(v.used) > 0, "no latent traversals: no latent is used, the code has collapsed"),
    "two latents": (lambda v: v.latents > 1, "no grid of two latents: the model has one"),
    "factors": (
        lambda v: v.test.factors is not None and v.test.presence is not None,
        "no correlations with true features: {0.name} has none that are known",
    ),
}


class ModelFigure(NamedTuple):
    """A figure of a model: its heading, the function that draws it, and which of ``_NEEDS`` it has."""

    title: str
    draw: Callable[[CodeView], Drawn]
    needs: tuple[str, ...] = ()

    def missing(self, view: CodeView) -> str | None:
        """Why the figure cannot be drawn, or None; empty if none is to be expected."""
        reasons = (reason for there, reason in map(_NEEDS.__getitem__, self.needs) if not there(view))
        return next((reason.format(view.dataset) for reason in reasons), None)


FIGURES: dict[str, ModelFigure] = {
    "conditional_samples": ModelFigure("Conditional sampling", draw_conditional_samples, ("gates", "images")),
    "activation": ModelFigure("Which latents each class uses", draw_activation, ("labels",)),
    "traversals": ModelFigure("Latent traversals", draw_traversals, ("images", "used")),
    "latent_density": ModelFigure("Sparsity of the code", draw_latent_density, ("gates",)),
    "reconstructions": ModelFigure("Reconstructions", draw_reconstructions),
    "atoms": ModelFigure("Atoms", draw_atoms, ("atoms", "images")),
    "pseudo_inputs": ModelFigure("Pseudo-inputs", draw_pseudo_inputs, ("gates", "pseudo-inputs")),
    "interpolations": ModelFigure("Interpolation", draw_interpolations, ("images", "a pair")),
    "latent_grid": ModelFigure("Two latents at once", draw_latent_grid, ("images", "two latents")),
    "correlations": ModelFigure("Latents and true features", draw_correlations, ("factors", "used")),
    "gate_histogram": ModelFigure("Gates", draw_gate_histogram, ("gates",)),
}
"""Every figure of a model by name, which is that of its file too, in the order of a report: what shows
the sparse code first."""

OVERVIEW = ("conditional_samples", "activation", "traversals", "latent_density", "reconstructions")
"""The figures that are drawn when a run ends, with its history."""


def draw_all(view: CodeView, names: Sequence[str] = tuple(FIGURES)) -> Iterator[tuple[str, Drawn]]:
    """Draw the figures of these names that the model and its data allow, one at a time."""
    for name in names:
        if FIGURES[name].missing(view) is None:
            yield name, FIGURES[name].draw(view)
