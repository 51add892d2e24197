"""Autoencoder, VAE and VSC: modules and losses put together to one objective each.

Every model has ``encode``, ``code``, ``decode``, ``reconstruct``, ``sample`` and ``objective``; the
variational ones also ``terms``, ``log_importance_weights`` and ``sample_like``.
"""

from vsc_jax.models.autoencoder import Autoencoder
from vsc_jax.models.building import Model, build, check_network, parameter_count
from vsc_jax.models.inference import refined
from vsc_jax.models.objective import Coefficients, Metrics, Terms
from vsc_jax.models.vae import VAE, Gaussian
from vsc_jax.models.vsc import VSC

__all__ = [
    "VAE",
    "VSC",
    "Autoencoder",
    "Coefficients",
    "Gaussian",
    "Metrics",
    "Model",
    "Terms",
    "build",
    "check_network",
    "parameter_count",
    "refined",
]
