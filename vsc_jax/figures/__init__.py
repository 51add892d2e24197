"""Figures: arrays in, matplotlib ``Figure`` out. No display, no global state, no model.

``vsc_jax.figures.from_model`` computes the arrays for a trained model and ``vsc_jax.figures.overview``
writes a run's first figures; ``vsc_jax.figures.style.save`` writes any of them.
"""

from vsc_jax.figures.activation import draw_activation
from vsc_jax.figures.correlations import draw_correlations, signed_correlation, size_correlation
from vsc_jax.figures.curves import (
    Curve,
    draw_accuracy_against_latents,
    draw_against_setting,
    draw_bound_against_active,
    draw_bound_against_alpha,
    draw_bound_against_latents,
)
from vsc_jax.figures.grid import draw_latent_grid, grid_codes
from vsc_jax.figures.history import draw_history
from vsc_jax.figures.interpolation import Interpolation, continuous_path, discrete_path, draw_interpolations
from vsc_jax.figures.pseudo_inputs import draw_pseudo_inputs
from vsc_jax.figures.reconstructions import Reconstructed, draw_reconstructions, draw_vector_reconstructions
from vsc_jax.figures.sampling import draw_conditional_samples
from vsc_jax.figures.sparsity import draw_gate_histogram, draw_latent_density
from vsc_jax.figures.traversal import draw_traversals, traversal_codes

__all__ = [
    "Curve",
    "Interpolation",
    "Reconstructed",
    "continuous_path",
    "discrete_path",
    "draw_accuracy_against_latents",
    "draw_activation",
    "draw_against_setting",
    "draw_bound_against_active",
    "draw_bound_against_alpha",
    "draw_bound_against_latents",
    "draw_conditional_samples",
    "draw_correlations",
    "draw_gate_histogram",
    "draw_history",
    "draw_interpolations",
    "draw_latent_density",
    "draw_latent_grid",
    "draw_pseudo_inputs",
    "draw_reconstructions",
    "draw_traversals",
    "draw_vector_reconstructions",
    "grid_codes",
    "signed_correlation",
    "size_correlation",
    "traversal_codes",
]
