"""An explorer of a small untrained model, and its server on a free port."""

import asyncio
import contextlib
import threading

import jax
import numpy as np
import pytest

from vsc_jax.config import ModelConfig
from vsc_jax.data import Dataset, Split
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.models import build
from vsc_jax.pages.explorer.explorer import Explorer
from vsc_jax.pages.explorer.server import listen, server, url


@pytest.fixture(scope="session")
def make_explorer():
    """Builds an explorer of 8 x 8 images of three classes, unless another dataset is given."""
    rng = np.random.default_rng(0)
    images = (255 * rng.random((90, 8, 8))).astype(np.uint8)
    labels = (np.arange(50) % 3).astype(np.int32)
    splits = Split(images[:50], labels=labels), Split(images[50:], labels=labels[:40])
    digits = Dataset("digits", *splits, label_names=("zero", "one", "two"), description="Digits.")

    def make(kind="vsc", dataset=digits, **options):
        sizes = {"latents": 6, "hidden": (16,), "pseudo_inputs": 4, "initial_gate_logit": 0.0}
        config = ModelConfig(kind=kind, **{**sizes, **options})
        model = build(config, dataset.example_shape, jax.random.key(0), examples=dataset.train.x)
        return Explorer(CodeView(model, dataset), f"tiny {kind}")

    return make


@pytest.fixture(scope="session")
def explorer(make_explorer):
    return make_explorer()


@pytest.fixture(scope="session")
def serve():
    """The address of an explorer's page while it is served."""

    @contextlib.contextmanager
    def serving(explorer):
        running = server(explorer)
        with listen(0) as listening:
            thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listening])))
            thread.start()
            try:
                yield url(listening)
            finally:
                running.should_exit = True
                thread.join(timeout=30)
        assert not thread.is_alive()

    return serving


@pytest.fixture(scope="session")
def address(explorer, serve):
    with serve(explorer) as address:
        yield address
