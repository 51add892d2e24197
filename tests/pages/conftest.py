"""Runs on disk, made without training: what is reported is checked, not what is learned."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from vsc_jax import data
from vsc_jax.config import Config, DataConfig, EvaluateConfig, ModelConfig, TrainConfig, to_dict
from vsc_jax.models import build
from vsc_jax.pages.source import Source
from vsc_jax.run import Run, describe, save
from vsc_jax.training.run_folder import write_json

RESULTS = {
    "data": "tiny, 40 test examples, grey values",
    "elbo": -20.0,
    "iwae": -18.0,
    "iwae_samples": 10,
    "reconstruction": -15.0,
    "kl": 5.0,
    "active_per_image": 2.5,
    "used_latents": 4.0,
    "explained_variance": 0.5,
    "mse": 0.25,
}


def rows(steps=100):
    """A history of ten rows whose bound rises by one nat a row."""
    schedule = {"learning_rate": 1.0, "kl": 1.0, "warm_up": 1.0, "sparsity": 1.0, "prior_blend": 0.0}
    common = {"kl": 5.0, "gradient_norm": 1.0, "schedule": {**schedule, "sharpness": 2.0}}
    return [
        {**common, "step": steps * n // 10, "elbo": -30.0 + n, "reconstruction": -25.0 + n}
        for n in range(1, 11)
    ]


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A file of 8 x 8 images with three classes."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    images = {name: (255 * rng.random((n, 8, 8))).astype(np.uint8) for name, n in (("x", 60), ("x_test", 40))}
    np.savez(path, **images, y=np.arange(60) % 3, y_test=np.arange(40) % 3)
    return path


@pytest.fixture(scope="session")
def make_run(digits):
    """Writes a run folder, with an untrained model of six latents or, to be quick, without weights."""

    def make(folder: Path, *, kind="vsc", data_config=None, results=RESULTS, weights=True, **model) -> Path:
        sizes = {"latents": 6, "hidden": (16,), "pseudo_inputs": 4, "initial_gate_logit": 0.0}
        sizes |= {"prior": "pseudo", "noise": 0.0}
        config = Config(
            name="tiny",
            data=data_config or DataConfig(path=digits),
            model=ModelConfig(kind=kind, **{**sizes, **model}),
            train=TrainConfig(steps=100),
            evaluate=EvaluateConfig(samples=2, probe_examples=60),
        )
        folder.mkdir(exist_ok=True)
        if weights:
            dataset = data.load(config.data)
            built = build(config.model, dataset.example_shape, jax.random.key(0), examples=dataset.train.x)
            save(Run(built, {}, [], None, config), folder)
            write_json(folder / "data.json", describe(dataset))
        write_json(folder / "config.json", to_dict(config))
        write_json(folder / "results.json", results)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
        return folder

    return make


@pytest.fixture(scope="session")
def make_source():
    """A run as a report reads it, from its settings and results alone."""

    def make(label="run", results=RESULTS, history=(), seed=0, name="smiley_vsc", **model) -> Source:
        config = dataclasses.replace(Config(), name=name, seed=seed, model=ModelConfig(**model))
        return Source(label, Path(label), config, {}, dict(results), list(history))

    return make
