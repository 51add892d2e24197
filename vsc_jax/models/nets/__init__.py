"""Flax NNX building blocks: encoders, decoders, pseudo-inputs and classifier.

Modules hold parameters only (``nnx.Param``); random keys are always arguments.
"""

from vsc_jax.models.nets.decoder import Decoder
from vsc_jax.models.nets.likelihoods import LIKELIHOODS
from vsc_jax.models.nets.lista import Lista
from vsc_jax.models.nets.networks import (
    MLP,
    ConvDecoder,
    ConvEncoder,
    GatedEncoder,
    GatedMLP,
    SignalDecoder,
    SignalEncoder,
)
from vsc_jax.models.nets.pseudo_inputs import Classifier, Components, PseudoInputs

Trunk = MLP | GatedMLP | Lista | ConvEncoder | ConvDecoder | SignalEncoder | SignalDecoder
"""A body of an encoder or decoder: ``[n, ...] -> [n, features]``."""

__all__ = [
    "LIKELIHOODS",
    "MLP",
    "Classifier",
    "Components",
    "ConvDecoder",
    "ConvEncoder",
    "Decoder",
    "GatedEncoder",
    "GatedMLP",
    "Lista",
    "PseudoInputs",
    "SignalDecoder",
    "SignalEncoder",
    "Trunk",
]
