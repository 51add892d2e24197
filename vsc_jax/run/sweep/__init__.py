"""Sweeps: the runs of a grid of settings, trained together, and what they show side by side.

:func:`sweep` does all of it; :mod:`vsc_jax.run.sweep.grid` says which runs a grid has.
"""

from vsc_jax.run.sweep.grid import Axis, Member, axes_of, expand
from vsc_jax.run.sweep.runs import Sweep, sweep
from vsc_jax.run.sweep.table import Finished

__all__ = ["Axis", "Finished", "Member", "Sweep", "axes_of", "expand", "sweep"]
