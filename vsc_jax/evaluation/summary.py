"""Everything that ``results.json`` holds: one flat table on the whole test set."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from vsc_jax.config import Config
from vsc_jax.data import streams
from vsc_jax.data.dataset import Dataset, sample_rows
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation import factors
from vsc_jax.evaluation.attributes import gate_statistics
from vsc_jax.evaluation.batches import means
from vsc_jax.evaluation.ceiling import supervised_ceiling
from vsc_jax.evaluation.collapse import collapse_statistics
from vsc_jax.evaluation.correlation import feature_statistics
from vsc_jax.evaluation.encoding import codes
from vsc_jax.evaluation.further import further
from vsc_jax.evaluation.importance import importance_weighted
from vsc_jax.evaluation.prepared import Prepared
from vsc_jax.evaluation.presentation import as_measured, in_words, presented
from vsc_jax.evaluation.probes import linear_probe, raw_probe
from vsc_jax.evaluation.reconstruction import error_statistics
from vsc_jax.evaluation.selection import selection_statistics
from vsc_jax.evaluation.statistics import code_statistics
from vsc_jax.evaluation.survey import Survey, survey
from vsc_jax.models import VSC, Autoencoder, Model

Results = dict[str, Any]
"""What ``results.json`` holds: numbers by name, and under ``data`` the words for what they are about."""
Tell = Callable[[str], None]


def evaluate(
    model: Model,
    dataset: Dataset,
    config: Config,
    *,
    everything: bool = False,
    on_stage: Tell | None = None,
) -> Results:
    """Test metrics of a trained model: bounds in nats an example, sparsity, probe accuracy.

    Everything is measured on the test split; probes are fitted on training examples. With dynamic
    binarisation all of it is about one draw of the data.

    Args:
      model: the model.
      dataset: its data.
      config: settings of the evaluation, and how the data are binarised.
      everything: also what takes minutes: more probes, denoising, disentanglement metrics.
      on_stage: called with a few words before each part of the work.

    Returns:
      A flat dictionary of numbers, and ``data``, which says in words what they are about. An
      autoencoder has no bound and no ``kl``; ``probe_accuracy`` needs labels, attributes and features
      need Smiley. :data:`vsc_jax.evaluation.meanings.MEANINGS` explains every key.
    """
    tell = on_stage or (lambda stage: None)
    survey_key, iwae_key, probe_key = jax.random.split(streams.key(config.seed, Stream.EVALUATION), 3)
    size, binarize = config.evaluate.batch_size, config.data.binarize
    test = as_measured(dataset, binarize, config.seed).test.x
    # Both samples are the same for every model of these data.
    dataset = replace(dataset, train=dataset.train.sample(config.evaluate.probe_examples, config.data.seed))
    probe_pixels = streams.generator(config.seed, Stream.PROBE_PIXELS)
    probe = presented(np.asarray(dataset.train.x), binarize, probe_pixels)
    bounded = sample_rows(len(test), config.evaluate.examples or len(test), config.data.seed)

    tell("bound and codes")
    measured = survey(model, test, survey_key, batch_size=size)
    prepared = Prepared(test, measured.codes, probe, codes(model, probe, probe_key, batch_size=size))
    results: Results = means(measured.bound)
    if not isinstance(model, Autoencoder):
        results |= _iwae(model, test[bounded], iwae_key, config, tell)
    results |= {"test_examples": len(test), **_statistics(model, dataset, test, measured)}
    results |= _what_codes_tell(model, dataset, config, prepared, tell)
    if everything:
        results |= further(model, dataset, config, prepared, tell)
    return {**results, "data": in_words(dataset, binarize)}


def _iwae(model: Any, x: np.ndarray, key: PRNGKeyArray, config: Config, tell: Tell) -> Results:
    samples = config.evaluate.samples
    values = importance_weighted(
        model,
        x,
        key,
        samples=samples,
        batch_size=config.evaluate.batch_size,
        on_batch=lambda done: tell(f"iwae of {samples:,} samples: {done:,} of {len(x):,} examples"),
    )
    return {"iwae": float(values.mean(dtype=np.float64)), "iwae_samples": samples, "iwae_examples": len(x)}


def _statistics(model: Model, dataset: Dataset, test: np.ndarray, measured: Survey) -> Results:
    """What one pass over the test split tells of sparsity, reconstruction and pseudo-inputs."""
    results = code_statistics(model, measured.codes) | error_statistics(measured.errors, test)
    if measured.latent_kl is not None:
        results |= collapse_statistics(measured.latent_kl, measured.codes.z)
    if measured.choices is not None:
        results |= selection_statistics(measured.choices, dataset.test.labels)
    return results


def _what_codes_tell(
    model: Model, dataset: Dataset, config: Config, prepared: Prepared, tell: Tell
) -> Results:
    """What the codes say about classes and true factors, where these are known."""
    results: Results = {}
    train_code, test_code = prepared.probe_codes.expected, prepared.test_codes.expected
    if dataset.train.labels is not None and dataset.test.labels is not None:
        tell("linear probe")
        results["probe_accuracy"] = linear_probe(
            train_code, dataset.train.labels, test_code, dataset.test.labels
        )
        if dataset.form == "vector":
            results["probe_accuracy_raw"] = raw_probe(dataset, prepared)
    if factors.has_factors(dataset):
        if isinstance(model, VSC):
            results |= gate_statistics(prepared.test_codes.gamma, factors.attributes(dataset.test))
        ceiling = supervised_ceiling(config.data.image_size)
        results |= feature_statistics(test_code, factors.features(dataset.test), ceiling)
    return results
