"""Variational Sparse Coding in JAX and Flax.

``fit`` trains a model from a configuration, ``load`` gives one back, ``save`` writes one for sharing,
``nearest`` finds examples by their codes, ``steer`` changes latents and decodes; the loss functions are
in :mod:`vsc_jax.losses`, the distribution in :mod:`vsc_jax.spike_slab`.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__path__.append(__path__[0] + "/cli")  # `python -m vsc_jax.train` runs cli/train.py

if TYPE_CHECKING:
    from vsc_jax.config import Config, load_preset
    from vsc_jax.config.errors import UserError
    from vsc_jax.evaluation.code_table import nearest, steer
    from vsc_jax.pages.latents import describe_latents
    from vsc_jax.run import Run, fit, load, save

# Imported on first use: `python -m vsc_jax.train --help` must not wait for JAX.
_HOMES = {
    "Config": "vsc_jax.config",
    "load_preset": "vsc_jax.config",
    "UserError": "vsc_jax.config.errors",
    "describe_latents": "vsc_jax.pages.latents",
    "nearest": "vsc_jax.evaluation.code_table",
    "steer": "vsc_jax.evaluation.code_table",
    "Run": "vsc_jax.run",
    "fit": "vsc_jax.run",
    "load": "vsc_jax.run",
    "save": "vsc_jax.run",
}

__all__ = [
    "Config",
    "Run",
    "UserError",
    "describe_latents",
    "fit",
    "load",
    "load_preset",
    "nearest",
    "save",
    "steer",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
