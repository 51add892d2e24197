"""Tiny models of every kind, built as a run builds them."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from vsc_jax.config import ModelConfig
from vsc_jax.models import Coefficients, Model, build

SHAPE = (4, 3)
EXAMPLES = 6
PLAIN = {"latents": 3, "hidden": (8,), "prior": "pseudo", "pseudo_inputs": 4, "noise": 0.0}


@pytest.fixture(scope="session")
def examples() -> np.ndarray:
    """Six grey images, float32 [6, 4, 3]."""
    return np.random.default_rng(0).random((EXAMPLES, *SHAPE), np.float32)


@pytest.fixture(scope="session")
def tiny(examples: np.ndarray) -> Callable[..., Model]:
    """Builds a model of 3 latents and, for the VSC, 4 pseudo-inputs; settings as in ``ModelConfig``."""

    def make(kind: str, *, shape: tuple[int, ...] = SHAPE, dataset_size: int = 1, **settings: Any) -> Model:
        config = ModelConfig(kind=kind, **{**PLAIN, **settings})
        x = np.resize(examples, (EXAMPLES, *shape))
        return build(config, shape, jax.random.key(0), examples=x, dataset_size=dataset_size)

    return make


@pytest.fixture(scope="session")
def vsc(tiny: Callable[..., Model]) -> Callable[..., Model]:
    """Builds a tiny VSC whose posteriors differ from one another and from the pseudo-inputs'."""

    def make(**settings: Any) -> Model:
        model = tiny("vsc", **settings)
        head = model.encoder.layers[-1]
        head.kernel[...] = head.kernel[...] * 2.0
        return model

    return make


@pytest.fixture
def coefficients() -> Coefficients:
    """Every knob at a value that shows in the loss."""
    values = Coefficients(
        kl_weight=0.7,
        tc_weight=1.3,
        alpha=0.2,
        warm_up=0.6,
        sharpness=2.5,
        sparsity_weight=3.0,
        usage_weight=2.0,
        prior_blend=0.4,
        prior_rate=0.15,
        slab_blend=0.3,
    )
    return Coefficients(*(np.float32(value) for value in values))
