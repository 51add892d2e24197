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


def make_dataset():
    """Forty 8 x 8 images of three classes."""
    rng = np.random.default_rng(0)

    def split(n):
        images = (255 * rng.random((n, 8, 8))).astype(np.uint8)
        return Split(images, labels=(np.arange(n) % 3).astype(np.int32))

    return Dataset("digits", split(50), split(40), label_names=("zero", "one", "two"), description="Digits.")


@pytest.fixture(scope="session")
def make_explorer():
    """Builds an explorer; the dataset is that of :func:`make_dataset` unless another is given."""

    def make(kind="vsc", dataset=None, **options):
        dataset = make_dataset() if dataset is None else dataset
        sizes = {"latents": 6, "hidden": (16,), "pseudo_inputs": 4, "initial_gate_logit": 0.0}
        config = ModelConfig(kind=kind, **{**sizes, **options})
        model = build(config, dataset.example_shape, jax.random.key(0), examples=dataset.train.x)
        return Explorer(CodeView(model, dataset), f"tiny {kind}")

    return make


@pytest.fixture(scope="session")
def explorer(make_explorer):
    return make_explorer()


@contextlib.contextmanager
def serving(explorer):
    """The address of the explorer's page while it is served."""
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


@pytest.fixture(scope="session")
def address(explorer):
    with serving(explorer) as address:
        yield address


@pytest.fixture(scope="session")
def serve():
    return serving
