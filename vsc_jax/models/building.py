"""The one place where a configuration becomes a model."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, PRNGKeyArray

from vsc_jax.config import ModelConfig
from vsc_jax.config.errors import UserError
from vsc_jax.models.autoencoder import Autoencoder
from vsc_jax.models.inputs import as_float
from vsc_jax.models.linear import LinearVSC
from vsc_jax.models.nets import (
    LIKELIHOODS,
    MLP,
    Classifier,
    Components,
    ConvDecoder,
    ConvEncoder,
    GatedEncoder,
    GatedMLP,
    Lista,
    PseudoInputs,
    SignalDecoder,
    SignalEncoder,
)
from vsc_jax.models.nets.decoder import Rows
from vsc_jax.models.nets.dictionary import Dictionary
from vsc_jax.models.nets.likelihoods import Gaussian
from vsc_jax.models.nets.networks import CONV_FEATURES, SIGNAL_FEATURES
from vsc_jax.models.nets.pseudo_inputs import CLASSIFIER_WIDTH
from vsc_jax.models.scaling import Scaling
from vsc_jax.models.thresholded import ThresholdedVSC
from vsc_jax.models.vae import VAE
from vsc_jax.models.vsc import VSC
from vsc_jax.spike_slab import SpikeLaplace, SpikeSlab

Model = Autoencoder | VAE | VSC

_NUMBERS_OF_MOMENTS = 2**24  # of the examples whose mean and deviation a dictionary starts from
_OUTPUTS_PER_LATENT = {"ae": 1, "vae": 2, "vsc": 3}


def check_network(config: ModelConfig, example_shape: tuple[int, ...]) -> None:
    """See that the network can read the data.

    Raises:
      UserError: if it cannot.
    """
    if config.decoder == "linear" and config.network != "mlp":
        raise UserError(f"model.decoder: linear goes with model.network mlp, not with {config.network}")
    if config.network == "conv" and len(example_shape) not in (2, 3):
        raise UserError(
            f"model.network: conv needs images, but the examples have shape {list(example_shape)}"
        )
    if config.network == "conv1d" and len(example_shape) != 2:
        raise UserError(
            "model.network: conv1d needs signals [time, channels], but the examples have shape"
            f" {list(example_shape)}"
        )


def _outputs(config: ModelConfig) -> int:
    thresholded = config.kind == "vsc" and config.gate == "threshold"
    return (2 if thresholded else _OUTPUTS_PER_LATENT[config.kind]) * config.latents


def parameter_count(config: ModelConfig, example_shape: tuple[int, ...]) -> int:
    """About how many parameters a model has: its weights, of which the large layers are all counted."""
    inputs, outputs = math.prod(example_shape), _outputs(config)
    if config.network in ("conv", "conv1d"):
        features = CONV_FEATURES if config.network == "conv" else SIGNAL_FEATURES
        large = [(outputs + config.latents, features), (4 * inputs, features)]
    else:
        encoder = [*itertools.pairwise((inputs, *config.hidden, outputs))]
        decoder = [*itertools.pairwise((config.latents, *reversed(config.hidden), inputs))]
        large = [*encoder, *decoder]
        if config.network == "gated":
            large += [*encoder[:-1], *decoder[:-1]]
        if config.decoder == "linear":
            large[len(config.hidden) + 1 :] = [(config.latents, inputs)]
        if config.inference_used != "encoder":
            large = large[-1:]
        if config.inference_used == "lista":
            large += [(inputs, config.latents), (config.latents, config.latents)]
    if config.mixture:
        large += [(config.pseudo_inputs, inputs), (inputs + config.pseudo_inputs, CLASSIFIER_WIDTH)]
    return sum(rows * columns for rows, columns in large)


def build(
    config: ModelConfig,
    example_shape: tuple[int, ...],
    key: PRNGKeyArray,
    *,
    examples: Rows | None = None,
    dataset_size: int = 1,
    scaling: Scaling | None = None,
) -> Model:
    """A freshly initialised model.

    Args:
      config: what to build.
      example_shape: shape of one example.
      key: key of the initial parameters.
      examples: training examples, as the data set yields them, from which the pseudo-inputs start;
        without them they start at grey. Fewer examples than pseudo-inputs are repeated.
      dataset_size: number of training examples, for the total-correlation estimate.
      scaling: how the model sees its data; None as they are.

    Raises:
      UserError: if the network does not fit the data.
    """
    check_network(config, example_shape)
    network_key, pseudo_key = jax.random.split(key)
    rngs = nnx.Rngs(params=network_key)
    inputs = math.prod(example_shape)
    outputs = _outputs(config)
    likelihood = LIKELIHOODS[config.likelihood]
    rate: dict[str, Any] = {"latents": config.latents, "alpha": config.rate, "active": config.active}
    encoder: MLP | GatedMLP | Lista | ConvEncoder | SignalEncoder
    trunk: MLP | GatedMLP | ConvDecoder | SignalDecoder | Dictionary
    if config.inference_used == "ascent":
        trunk, weights = _dictionary(config, example_shape, pseudo_key, examples, scaling)
        return LinearVSC(
            Gaussian(trunk, example_shape, config.min_log_var, scaling),
            weights,
            learned_rate=config.alpha is None,
            **rate,
        )
    if config.network == "conv":
        encoder = ConvEncoder(example_shape, outputs, rngs=rngs)
        trunk = ConvDecoder(config.latents, example_shape, rngs=rngs)
    elif config.network == "conv1d":
        encoder = SignalEncoder(example_shape, outputs, rngs=rngs)
        trunk = SignalDecoder(config.latents, example_shape, rngs=rngs)
    elif config.network == "gated":
        encoder = GatedEncoder(inputs, (*config.hidden, outputs), config.latents, rngs=rngs)
        trunk = GatedMLP(config.latents, (*reversed(config.hidden), inputs), rngs=rngs)
    else:
        if config.inference_used != "lista":
            encoder = MLP(inputs, (*config.hidden, outputs), rngs=rngs)
        if config.decoder == "mlp":
            trunk = MLP(config.latents, (*reversed(config.hidden), inputs), rngs=rngs)
        else:
            trunk, _ = _dictionary(config, example_shape, pseudo_key, None, scaling)
            if config.inference_used == "lista":
                encoder = Lista(trunk.atoms)
    decoder = likelihood(trunk, example_shape, config.min_log_var, scaling)
    if examples is not None:
        decoder.start(examples)
    if config.kind == "ae":
        return Autoencoder(encoder, decoder, latents=config.latents)
    if config.kind == "vae":
        # Without the term sets of all sizes share a program.
        size = dataset_size if (use_tc := config.tc_weight > 0) else 1
        noise = config.noise_used
        return VAE(encoder, decoder, latents=config.latents, dataset_size=size, use_tc=use_tc, noise=noise)
    rate["noise"] = config.noise_used
    if config.gate == "threshold":
        return ThresholdedVSC(encoder, decoder, learned_rate=config.alpha is None, **rate)
    pseudo_inputs: PseudoInputs | Components | None = None
    classifier = None
    if config.mixture:
        initial = _initial_pseudo_inputs(config.pseudo_inputs, example_shape, pseudo_key, examples)
        if config.prior_used == "components":
            pseudo_inputs = Components(initial, config.latents)
        else:
            pseudo_inputs = PseudoInputs(initial, support=likelihood.support, scaling=scaling)
        classifier = Classifier(inputs, config.pseudo_inputs, rngs=rngs)
    return VSC(
        encoder,
        decoder,
        pseudo_inputs,
        classifier,
        gate=config.gate,
        family=SpikeLaplace if config.slab == "laplace" else SpikeSlab,
        prior_slabs=config.prior_slabs,
        selection=config.selection,
        initial_gate_logit=config.initial_gate_logit,
        weigh_slab_kl=config.weigh_slab_kl,
        **rate,
    )


def _initial_pseudo_inputs(
    count: int, example_shape: tuple[int, ...], key: PRNGKeyArray, examples: Rows | None
) -> jax.Array:
    if examples is None:
        return jnp.full((count, *example_shape), 0.5, jnp.float32)
    return as_float(_chosen(count, key, examples))


def _dictionary(
    config: ModelConfig,
    example_shape: tuple[int, ...],
    key: PRNGKeyArray,
    examples: Rows | None,
    scaling: Scaling | None,
) -> tuple[Dictionary, Array]:
    """Atoms that start at noisy examples less their mean; weights that give features variance 1, or less."""
    shape = (config.latents, math.prod(example_shape))
    atoms = jax.random.normal(jax.random.fold_in(key, 1), shape, jnp.float32)
    zeros = jnp.zeros(shape[1], jnp.float32)
    if examples is None:
        return Dictionary(atoms / math.sqrt(config.latents), zeros, config.unit_norm), zeros + 1
    count = max(config.latents, min(len(examples), _NUMBERS_OF_MOMENTS // shape[1]))
    chosen = as_float(_chosen(count, key, examples))
    # By NumPy: JAX would compile a program for each line.
    rows = np.asarray(chosen if scaling is None else scaling.apply(chosen)).reshape(count, -1)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    away = rows[: config.latents] - mean
    least = np.float32(math.exp(0.5 * config.min_log_var))
    weights = 1 / np.where(deviation > 1e-6, np.maximum(deviation, least), np.float32(1))
    start = away + np.float32(0.1) * away.std() * np.asarray(atoms)
    return Dictionary(jnp.asarray(start), jnp.asarray(mean), config.unit_norm), jnp.asarray(weights)


def _chosen(count: int, key: PRNGKeyArray, examples: Rows) -> np.ndarray:
    # Chosen on the host, where the examples are: a permutation by JAX is half a second of compilation.
    order = np.random.default_rng(np.asarray(jax.random.key_data(key))).permutation(len(examples))
    return np.stack([examples[int(i)] for i in np.resize(order, count)])
