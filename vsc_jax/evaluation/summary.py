"""Everything that ``results.json`` holds: one flat table on the whole test set."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vsc_jax.config import Config
from vsc_jax.data.dataset import Dataset
from vsc_jax.evaluation import factors
from vsc_jax.evaluation.attributes import gate_statistics
from vsc_jax.evaluation.bounds import bounds
from vsc_jax.evaluation.ceiling import supervised_ceiling
from vsc_jax.evaluation.codes import codes
from vsc_jax.evaluation.collapse import coefficient_collapse, posterior_collapse
from vsc_jax.evaluation.correlation import feature_statistics
from vsc_jax.evaluation.further import further
from vsc_jax.evaluation.importance import importance_weighted
from vsc_jax.evaluation.prepared import Prepared
from vsc_jax.evaluation.presentation import in_words, presented
from vsc_jax.evaluation.probes import linear_probe
from vsc_jax.evaluation.reconstruction import reconstruction_errors
from vsc_jax.evaluation.selection import choices, selection_statistics
from vsc_jax.evaluation.sparsity import code_statistics
from vsc_jax.models import VSC, Autoencoder, Model

_EVALUATION_KEY = 3

Results = dict[str, Any]
"""What ``results.json`` holds: numbers by name, and under ``data`` the words for what they are about."""


def evaluate(
    model: Model,
    dataset: Dataset,
    config: Config,
    *,
    everything: bool = False,
    on_stage: Callable[[str], None] | None = None,
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
      autoencoder has no bound and no ``kl``; ``probe_accuracy`` needs labels, the attributes and
      features need Smiley; :data:`vsc_jax.evaluation.meanings.MEANINGS` explains every key.
    """
    tell = on_stage or (lambda stage: None)
    key = jax.random.fold_in(jax.random.key(config.seed), _EVALUATION_KEY)
    bound_key, iwae_key, code_key, sample_key = jax.random.split(key, 4)
    size, seed = config.evaluate.batch_size, config.seed
    test = presented(dataset.test.x, config.data.binarize, seed)

    results: Results = {}
    tell("bound")
    results |= bounds(model, test, bound_key, batch_size=size)
    if not isinstance(model, Autoencoder):
        results |= _iwae(model, test[: config.evaluate.examples], iwae_key, config, tell)
    results["test_examples"] = len(test)

    tell("codes")
    probe = presented(dataset.train.x[: config.evaluate.probe_examples], config.data.binarize, seed)
    probe_key, test_key = jax.random.split(code_key)
    prepared = Prepared(
        test,
        codes(model, test, test_key, batch_size=size),
        probe,
        codes(model, probe, probe_key, batch_size=size),
    )
    results |= code_statistics(model, prepared.test_codes)
    if not isinstance(model, Autoencoder):
        results["posterior_collapse"] = posterior_collapse(model, test, batch_size=size)
        results["coefficient_collapse"] = coefficient_collapse(prepared.test_codes.z)
    results |= reconstruction_errors(model, test, sample_key, batch_size=size)
    if isinstance(model, VSC) and model.classifier is not None:
        results |= selection_statistics(choices(model, test, batch_size=size), factors.classes(dataset.test))
    results |= _what_codes_tell(model, dataset, config, prepared, tell)
    if everything:
        results |= further(model, dataset, config, prepared, tell)
    return {**results, "data": in_words(dataset, config.data.binarize)}


def _iwae(model: Any, x: np.ndarray, key: jax.Array, config: Config, tell: Callable[[str], None]) -> Results:
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


def _what_codes_tell(
    model: Model, dataset: Dataset, config: Config, prepared: Prepared, tell: Callable[[str], None]
) -> Results:
    """What the codes say about classes and true factors, where these are known."""
    results: Results = {}
    if dataset.train.labels is not None and dataset.test.labels is not None:
        tell("linear probe")
        labels = dataset.train.labels[: len(prepared.probe)]
        results["probe_accuracy"] = linear_probe(
            prepared.probe_codes.expected, labels, prepared.test_codes.expected, dataset.test.labels
        )
    if factors.has_factors(dataset):
        if isinstance(model, VSC):
            results |= gate_statistics(prepared.test_codes.gamma, factors.attributes(dataset.test))
        ceiling = supervised_ceiling(config.data.image_size)
        results |= feature_statistics(prepared.test_codes.expected, factors.features(dataset.test), ceiling)
    return results
