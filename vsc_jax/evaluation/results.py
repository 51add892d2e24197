"""Everything that ``results.json`` holds: one flat table on the whole test set."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.config import Config
from vsc_jax.config.choices import REDRAWN, Binarize
from vsc_jax.data import smiley, streams
from vsc_jax.data.dataset import Dataset, sample_rows
from vsc_jax.data.examples import bernoulli_draw, chunks
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation import disentanglement, factors
from vsc_jax.evaluation.bounds import importance_weighted
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.diagnosis import Row, diagnose, late_gain, names
from vsc_jax.evaluation.encoding import Codes, code_statistics, codes, collapsed, map_batches, means
from vsc_jax.evaluation.latents import idle_statistics
from vsc_jax.evaluation.probes import explicitness, linear_probe, linear_r2, neighbor_probe, sparse_probe
from vsc_jax.evaluation.reconstruction import (
    denoising,
    explained_variance,
    filling,
    squared_errors,
    total_variance,
)
from vsc_jax.evaluation.selection import selection_statistics
from vsc_jax.models import VSC, Model
from vsc_jax.models.inputs import as_float

Results = dict[str, Any]
"""What ``results.json`` holds: numbers by name, and words under ``data`` and ``findings``."""
OnStage = Callable[[str], None]
_FILLED = 200  # examples, half of whose values are taken away and filled in


class _Split(NamedTuple):
    """Examples as the model sees them, ``[n, *example_shape]``, their codes and their classes, if known."""

    x: np.ndarray
    codes: Codes
    labels: np.ndarray | None


def evaluate(
    model: Model,
    dataset: Dataset,
    config: Config,
    *,
    history: Sequence[Row] = (),
    everything: bool = False,
    on_stage: OnStage | None = None,
) -> Results:
    """Test metrics of a trained model: bounds in nats per example, sparsity, probe accuracy.

    Everything is measured on the test split; probes are fitted on training examples, and
    ``train_elbo_median`` is of the same ones. With dynamic binarization all of it is about one draw of the
    data. An autoencoder has no bound and no ``kl``; ``probe_accuracy`` needs labels, attributes and features
    need Smiley.

    Args:
      model: the model.
      dataset: its data.
      config: settings of the evaluation, and how the data are binarized.
      history: the rows of the run's ``metrics.jsonl``, which say whether it was too short.
      everything: also what takes minutes: more probes, denoising, disentanglement metrics.
      on_stage: called with a few words before each part of the work.

    Returns:
      A flat dictionary of numbers, which :data:`vsc_jax.evaluation.glossary.GLOSSARY` explains; ``data``,
      which says in words what they are about; and ``findings``, what :mod:`vsc_jax.evaluation.diagnosis` says
      is wrong.
    """
    on_stage = on_stage or (lambda stage: None)
    key, iwae_key, probe_key = jax.random.split(streams.key(config.seed, Stream.EVALUATION), 3)
    size, binarize = config.evaluate.batch_size, config.data.binarize
    measured = as_measured(dataset, binarize, config.seed)
    x = measured.test.x
    # Both samples are the same for every model of these data.
    dataset = replace(dataset, train=dataset.train.sample(config.evaluate.probe_examples, config.data.seed))
    probe_pixels = streams.generator(config.seed, Stream.PROBE_PIXELS)
    probe_x = binarized(np.asarray(dataset.train.x), binarize, probe_pixels)

    on_stage("bound and codes")
    bound, code, errors, latent_kl, chosen = map_batches(_measure_batch, model, x, key, batch_size=size)
    test = _Split(x, Codes(*code), dataset.test.labels)
    # Few test examples are one small batch; batches of that size, if not tiny, need no second program.
    same = max(min(size, len(x)), size // 20)
    learned, code, *_ = map_batches(_measure_batch, model, probe_x, probe_key, batch_size=same)
    probe = _Split(probe_x, Codes(*code), dataset.train.labels)
    results: Results = means(bound)
    if "elbo" in bound:
        medians = {"elbo_median": bound["elbo"], "train_elbo_median": learned["elbo"]}
        results |= {name: float(np.median(entry)) for name, entry in medians.items()}
        results["median_error"] = math.hypot(*map(_median_error, medians.values()))
    if model.variational:
        some = x[sample_rows(len(x), config.evaluate.examples or len(x), config.data.seed)]
        samples = config.evaluate.samples

        def on_batch(done: int) -> None:
            on_stage(f"iwae of {samples:,} samples: {done:,} of {len(some):,} examples")

        options: Any = {"model": model, "samples": samples, "batch_size": size, "on_batch": on_batch}
        iwae = importance_weighted(x=some, key=iwae_key, **options).mean(dtype=np.float64)
        results |= {"iwae": float(iwae), "iwae_samples": samples, "iwae_examples": len(some)}
    results |= {"steps": config.train.iterations, "test_examples": len(x)}
    if (gain := late_gain(history)) is not None:
        results["late_gain"] = gain
    results |= {**code_statistics(model, test.codes), **means(errors)}
    if model.gated:
        on_stage("idle latents")
        results |= idle_statistics(CodeView(model, measured, codes=test.codes))
    results["explained_variance"] = explained_variance(results["mse"], total_variance(x))
    if isinstance(model, VSC) and model.refinement:
        results["refine"] = model.refinement
    if latent_kl is not None:
        results["posterior_collapse"] = collapsed(latent_kl)
        results["coefficient_collapse"] = collapsed(test.codes.z)
    if chosen is not None:
        results |= selection_statistics(test.labels, *chosen)
    if labeled := probe.labels is not None and test.labels is not None:
        on_stage("linear probe")
        results["probe_accuracy"] = _probe(linear_probe, probe, test, "expected")
    if labeled and (everything or dataset.form == "vector"):
        on_stage("linear probe on the examples themselves")
        known, asked = (np.asarray(as_float(rows)).reshape(len(rows), -1) for rows in (probe.x, test.x))
        results["probe_accuracy_raw"] = linear_probe(known, probe.labels, asked, test.labels)
    if has_factors := factors.has_factors(dataset):
        if model.gated:
            results |= factors.gate_statistics(test.codes.gamma, factors.attributes(dataset.test))
        ceiling = factors.CEILING_32 if config.data.image_size == 32 else None
        results |= factors.feature_statistics(test.codes.expected, factors.features(dataset.test), ceiling)
    if everything:
        denoising_key, code_key = jax.random.split(streams.key(config.seed, Stream.DENOISING))
        on_stage("denoising")
        for noise, denoised in denoising(model, x, denoising_key, batch_size=size).items():
            results[f"denoising_mse_{noise:g}"] = denoised.mse
            results[f"denoising_explained_variance_{noise:g}"] = denoised.explained_variance
            if model.gated:
                results[f"same_support_{noise:g}"] = denoised.same_support
        if model.variational:
            on_stage("filling gaps")
            some = x[sample_rows(len(x), _FILLED, config.data.seed)]
            gone = np.random.default_rng(config.seed).random(some.shape) < 0.5
            results["filled_explained_variance"] = filling(model, some, gone, batch_size=size)
        if labeled:
            results |= _more_probes(model, probe, test, on_stage)
        if has_factors:
            results |= _disentanglement(model, dataset, probe, test, on_stage)
            on_stage("FactorVAE score")

            def represent(faces: smiley.Smileys) -> np.ndarray:
                small = config.data.image_size < smiley.SIDE
                images = smiley.crop(faces.images) if small else faces.images
                return codes(model, images * np.uint8(255), code_key, batch_size=size).expected

            results["factor_vae"] = disentanglement.factor_vae_score(represent, seed=config.seed)
    found = names(diagnose(results, config))
    return {**results, "data": in_words(dataset, binarize), "findings": found}


def _measure_batch(model: Model, x: Float[Array, "n ..."], key: PRNGKeyArray) -> tuple[Any, ...]:
    """All that needs the networks, in one compiled program, about the same posterior sample."""
    same = jax.random.clone
    return (
        model.bounds(x, same(key)),
        model.sampled_code(x, same(key)),
        squared_errors(model, x, same(key)),
        model.latent_kl(x),
        model.selections(x),
    )


def _median_error(values: np.ndarray) -> float:
    """Standard error of a median, from the quartiles, as few examples may be unlike all others."""
    low, high = np.percentile(values, [25, 75])
    return float(0.93 * (high - low) / len(values) ** 0.5)  # sqrt(pi / 2) / 1.349, as for a normal


def _probe(probe: Callable[..., float], train: _Split, test: _Split, form: str) -> float:
    return probe(getattr(train.codes, form), train.labels, getattr(test.codes, form), test.labels)


def _more_probes(model: Model, train: _Split, test: _Split, on_stage: OnStage) -> Results:
    """Linear, nearest-neighbor and sparse probes; the linear one on E[z] is in the results already."""
    results: Results = {}
    suffixes = {"expected": ""} | ({"z": "_z"} if model.variational else {})
    for form, suffix in (suffixes | ({"mean": "_mean"} if model.gated else {})).items():
        if suffix:
            on_stage(f"linear probe on {form}")
            results[f"probe_accuracy{suffix}"] = _probe(linear_probe, train, test, form)
        on_stage(f"nearest neighbors on {form}")
        results[f"neighbour_accuracy{suffix}"] = _probe(neighbor_probe, train, test, form)
    for k in (1, 5, 20):
        on_stage(f"probe of {k} latents")
        results[f"sparse_probe_{k}"] = _probe(partial(sparse_probe, k=k), train, test, "expected")
    return results


def _disentanglement(
    model: Model, dataset: Dataset, train: _Split, test: _Split, on_stage: OnStage
) -> Results:
    """Does each gate tell one attribute only (a latent, without gates)? Do single latents carry features?

    The code that the model is meant to learn has one latent for each feature, so several gates tell the
    same attribute. Scores that ask for a single one (MIG, SAP, completeness) would be near 0 for it and
    are left out for attributes.
    """
    results: Results = {}
    known, asked = factors.measurable(factors.attributes(dataset.train), factors.attributes(dataset.test))
    if known:
        on_stage("attributes")
        form = "gamma" if model.gated else "mean"
        code, new = getattr(train.codes, form), getattr(test.codes, form)
        scores = disentanglement.dci(code, known, new, asked)
        results |= {
            "attribute_modularity": disentanglement.modularity(disentanglement.information(new, asked)),
            "attribute_disentanglement": scores.disentanglement,
            "attribute_informativeness": scores.informativeness,
            "attribute_explicitness": explicitness(code, known, new, asked),
        }
    known, asked = factors.measurable(factors.features(dataset.train), factors.features(dataset.test))
    if known:
        code, new = train.codes.expected, test.codes.expected
        on_stage("features: mutual information")
        shares = disentanglement.information(new, asked)
        infom, infoc = disentanglement.infomec(test.codes.sparse, asked)
        on_stage("features: trees")
        scores = disentanglement.dci(code, known, new, asked)
        results |= {
            "feature_r2": linear_r2(code, known, new, asked),
            "feature_mig": disentanglement.mig(shares),
            "feature_modularity": disentanglement.modularity(shares),
            "feature_infom": infom,
            "feature_infoc": infoc,
            "feature_sap": disentanglement.sap(new, asked),
            **{f"feature_{name}": score for name, score in scores._asdict().items()},
        }
    return results


def binarized(x: np.ndarray, binarize: Binarize, rng: np.random.Generator) -> np.ndarray:
    """Examples as the likelihood sees them: one Bernoulli draw where binarization is dynamic.

    ``static`` was drawn when x was loaded, and so were the test examples of ``literature``, which stay what
    they are: all they have is 0 and 1. A generator of the seed alone shows every model the same images.
    """
    return bernoulli_draw(x, rng) if binarize in REDRAWN else x


def as_measured(dataset: Dataset, binarize: Binarize, seed: int) -> Dataset:
    """The data set with the test examples that results of a run of this seed are about."""
    x = binarized(dataset.test.x, binarize, np.random.default_rng(seed))
    return replace(dataset, test=replace(dataset.test, x=x))


def in_words(dataset: Dataset, binarize: Binarize) -> str:
    """What the test numbers are measured on, such as ``mnist, 10,000 test examples, grey values``."""
    x = dataset.test.x
    one = 255 if x.dtype == np.uint8 else 1
    if binarize == "dynamic":
        values = "binarised dynamically"
    elif binarize == "literature":
        values = "binarised as in the literature"
    elif dataset.scaling is not None:
        values = f"values {dataset.scaling} (likelihoods are theirs)"
    elif all(bool(((chunk == 0) | (chunk == one)).all()) for chunk in chunks(x)):
        values = "binarised statically" if binarize == "static" else "binary values"
    elif x.ndim == 2 or dataset.form == "signal":
        values = "real values"
    else:
        values = "grey values" if x.shape[3:] in ((), (1,)) else "colour values"
    return f"{dataset.name}, {len(x):,} test examples, {values}"
