"""Tiny models whose likelihood can be had by quadrature, and codes of which metrics know the answer."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import ModelConfig
from vsc_jax.evaluation.factors import Factor
from vsc_jax.models import Model, build

PIXELS = 4
EXAMPLES = 12


@pytest.fixture(scope="session")
def examples() -> np.ndarray:
    """Twelve binary examples of four pixels, float32."""
    return (np.random.default_rng(0).random((EXAMPLES, PIXELS)) < 0.4).astype(np.float32)


@pytest.fixture(scope="session")
def tiny(examples: np.ndarray) -> Callable[..., Model]:
    """Builds a model of 2 latents and, for the VSC, 3 pseudo-inputs; settings as in ``ModelConfig``."""

    def make(kind: str, *, stretch: float = 0.7, **settings: Any) -> Model:
        sizes = {"latents": 2, "hidden": (6,), "prior": "pseudo", "pseudo_inputs": 3, "noise": 0.0}
        config = ModelConfig(kind=kind, **{**sizes, **settings})
        model = build(config, examples.shape[1:], jax.random.key(3), examples=examples)
        graph, params = nnx.split(model)
        # Smaller weights than at the start: posteriors as wide as the true ones, which samples cover.
        return nnx.merge(graph, jax.tree.map(lambda leaf: stretch * leaf, params))

    return make


@pytest.fixture(scope="session")
def real_factors() -> list[Factor]:
    """Four independent real factors of 3,000 examples, given in half of them or in all."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3000, 4))
    given = rng.random((3000, 4)) < np.array([0.5, 0.5, 1.1, 1.1])
    return [Factor(f"real {k}", values[:, k], given[:, k], discrete=False) for k in range(4)]


@pytest.fixture(scope="session")
def presences() -> list[Factor]:
    """Three independent attributes of 3,000 examples, there or not."""
    values = (np.random.default_rng(2).random((3000, 3)) < 0.5).astype(int)
    everywhere = np.ones(3000, bool)
    return [Factor(f"attribute {k}", values[:, k], everywhere, discrete=True) for k in range(3)]


@pytest.fixture(scope="session")
def code_of() -> Callable[..., np.ndarray]:
    """Codes made from factors: perfect, constant, duplicated, permuted, rotated or noisy."""

    def make(kind: str, factors: list[Factor], seed: int = 0) -> np.ndarray:
        perfect = np.stack([factor.values for factor in factors], axis=1).astype(np.float64)
        noise, k = np.random.default_rng(seed).normal(size=perfect.shape), perfect.shape[1]
        return {
            "perfect": perfect,
            "constant": np.ones_like(perfect),
            "duplicated": np.concatenate([perfect, perfect], axis=1),
            "permuted": perfect[:, np.roll(np.arange(k), 1)] * -3.0,
            "rotated": perfect @ np.linalg.qr(np.random.default_rng(9).normal(size=(k, k)))[0],
            "noisy": perfect + noise,
            "noise": noise,
        }[kind]

    return make
