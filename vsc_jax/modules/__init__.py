"""Flax NNX building blocks: encoders, decoders, pseudo-inputs and classifier.

Modules hold parameters only (``nnx.Param``); random keys are always arguments.
"""

from vsc_jax.modules.decoder import Decoder
from vsc_jax.modules.pseudo_inputs import Classifier, PseudoInputs
from vsc_jax.modules.trunks import MLP, ConvDecoder, ConvEncoder

__all__ = ["MLP", "Classifier", "ConvDecoder", "ConvEncoder", "Decoder", "PseudoInputs"]
