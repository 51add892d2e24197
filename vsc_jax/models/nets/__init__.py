"""Flax NNX building blocks: encoders, decoders, pseudo-inputs and classifier.

Modules hold parameters only (``nnx.Param``); random keys are always arguments.
"""

from vsc_jax.models.nets.decoder import Decoder
from vsc_jax.models.nets.pseudo_inputs import Classifier, PseudoInputs
from vsc_jax.models.nets.signals import SignalDecoder, SignalEncoder
from vsc_jax.models.nets.trunks import MLP, ConvDecoder, ConvEncoder

Trunk = MLP | ConvEncoder | ConvDecoder | SignalEncoder | SignalDecoder
"""A body of an encoder or decoder: ``[n, ...] -> [n, features]``."""

__all__ = [
    "MLP",
    "Classifier",
    "ConvDecoder",
    "ConvEncoder",
    "Decoder",
    "PseudoInputs",
    "SignalDecoder",
    "SignalEncoder",
    "Trunk",
]
