"""The part of the results that takes minutes: probes on every code, denoising, disentanglement."""

from collections.abc import Callable

import jax
import numpy as np

from vsc_jax.config import Config
from vsc_jax.data import smiley, streams
from vsc_jax.data.dataset import Dataset
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation import factors
from vsc_jax.evaluation.dci import dci
from vsc_jax.evaluation.encoding import codes
from vsc_jax.evaluation.factor_vae import factor_vae_score
from vsc_jax.evaluation.mutual_information import information, mig, modularity
from vsc_jax.evaluation.prepared import Prepared
from vsc_jax.evaluation.probes import linear_probe, neighbour_probe, raw_probe
from vsc_jax.evaluation.readout import explicitness, linear_r2
from vsc_jax.evaluation.reconstruction import denoising
from vsc_jax.evaluation.sap import sap
from vsc_jax.models import VSC, Autoencoder, Model

Tell = Callable[[str], None]


def further(
    model: Model, dataset: Dataset, config: Config, prepared: Prepared, tell: Tell
) -> dict[str, float]:
    """Probes on every form of the code, denoising, and on Smiley the disentanglement metrics.

    Args:
      model: the model.
      dataset: its test examples, and the training examples that probes are fitted on.
      config: settings of the evaluation.
      prepared: examples and their codes.
      tell: called with a few words before each part of the work.
    """
    denoising_key, code_key = jax.random.split(streams.key(config.seed, Stream.DENOISING))
    tell("denoising")
    results: dict[str, float] = {}
    for row in denoising(model, prepared.test, denoising_key, batch_size=config.evaluate.batch_size):
        results[f"denoising_mse_{row.noise:g}"] = row.mse
        results[f"denoising_explained_variance_{row.noise:g}"] = row.explained_variance
    if dataset.train.labels is not None and dataset.test.labels is not None:
        results |= _probes(model, prepared, dataset.train.labels, dataset.test.labels, tell)
        if dataset.form != "vector":
            tell("linear probe on the examples themselves")
            results["probe_accuracy_raw"] = raw_probe(dataset, prepared)
    if factors.has_factors(dataset):
        levels = (factors.attributes, factors.features)
        attributes, features = (
            factors.measurable(level(dataset.train), level(dataset.test)) for level in levels
        )
        if attributes[0]:
            results |= _attribute_metrics(model, prepared, *attributes, tell)
        if features[0]:
            results |= _feature_metrics(prepared, *features, tell)

        def represent(faces: smiley.Smileys) -> np.ndarray:
            images = faces.images if config.data.image_size == smiley.SIDE else smiley.crop(faces.images)
            images = images * np.uint8(255)
            return codes(model, images, code_key, batch_size=config.evaluate.batch_size).expected

        tell("FactorVAE score")
        results["factor_vae"] = factor_vae_score(represent, presence=config.data.presence, seed=config.seed)
    return results


def _probes(
    model: Model, prepared: Prepared, labels: np.ndarray, test_labels: np.ndarray, tell: Tell
) -> dict[str, float]:
    """Linear and nearest-neighbour probes; the linear one on E[z] is in the results already."""
    kinds = {"expected": ""}
    if not isinstance(model, Autoencoder):
        kinds["z"] = "_z"
    if isinstance(model, VSC):
        kinds["mean"] = "_mean"
    results = {}
    for kind, suffix in kinds.items():
        train, test = getattr(prepared.probe_codes, kind), getattr(prepared.test_codes, kind)
        if suffix:
            tell(f"linear probe on {kind}")
            results[f"probe_accuracy{suffix}"] = linear_probe(train, labels, test, test_labels)
        tell(f"nearest neighbours on {kind}")
        results[f"neighbour_accuracy{suffix}"] = neighbour_probe(train, labels, test, test_labels)
    return results


def _attribute_metrics(
    model: Model, prepared: Prepared, train: factors.Factors, test: factors.Factors, tell: Tell
) -> dict[str, float]:
    """Does each gate tell one attribute only? For a model without gates: does each latent?

    The code that the model is meant to learn has one latent for each feature, so several gates tell the
    same attribute. Scores that ask for a single one (MIG, SAP, completeness) would be near 0 for it and
    are left out.
    """
    gated = isinstance(model, VSC)
    train_code = prepared.probe_codes.gamma if gated else prepared.probe_codes.mean
    test_code = prepared.test_codes.gamma if gated else prepared.test_codes.mean
    tell("attributes")
    scores = dci(train_code, train, test_code, test)
    return {
        "attribute_modularity": modularity(information(test_code, test)),
        "attribute_disentanglement": scores.disentanglement,
        "attribute_informativeness": scores.informativeness,
        "attribute_explicitness": explicitness(train_code, train, test_code, test),
    }


def _feature_metrics(
    prepared: Prepared, train: factors.Factors, test: factors.Factors, tell: Tell
) -> dict[str, float]:
    """Do single latents carry the features of the attributes that are there?"""
    train_code, test_code = prepared.probe_codes.expected, prepared.test_codes.expected
    tell("features: mutual information")
    shares = information(test_code, test)
    tell("features: trees")
    scores = dci(train_code, train, test_code, test)
    return {
        "feature_r2": linear_r2(train_code, train, test_code, test),
        "feature_mig": mig(shares),
        "feature_modularity": modularity(shares),
        "feature_sap": sap(test_code, test),
        "feature_disentanglement": scores.disentanglement,
        "feature_completeness": scores.completeness,
        "feature_informativeness": scores.informativeness,
    }
