"""Views of small untrained models, with codes put in the place of their own: what is drawn is checked."""

import jax
import numpy as np
import pytest

from vsc_jax.config import ModelConfig
from vsc_jax.data import Dataset, Split, smiley
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.encoding import Codes
from vsc_jax.models import build


def make_dataset(kind):
    """A data set of 60 training and 40 test examples: digits, vectors, signals or faces."""
    rng = np.random.default_rng(0)

    def split(n, seed):
        if kind == "faces":
            faces = smiley.generate(seed, n)
            return Split(faces.images * np.uint8(255), factors=faces.factors, presence=faces.presence)
        if kind in ("vectors", "signals"):
            return Split(rng.normal(3, 2, (n, 12) if kind == "vectors" else (n, 16, 5)).astype(np.float32))
        images = (rng.random((n, 8, 8)) * 255).astype(np.uint8)
        return Split(images, labels=(np.arange(n) % 3).astype(np.int32))

    names = {"label_names": ("zero", "one", "two")} if kind == "digits" else {}
    names |= {"factor_names": smiley.FACTORS} if kind == "faces" else {}
    names |= {"channel_names": (*"abcd", "body_acc_x")} if kind == "signals" else {}
    return Dataset(kind, split(60, 0), split(40, 1), **names)


class Painter(CodeView):
    """Decodes latent j to row j of an 8 x 8 picture."""

    def decode(self, z):
        z = np.asarray(z)
        pictures = np.zeros((*z.shape[:-1], 8, 8))
        pictures[..., :6, :] = z[..., None]
        return pictures


@pytest.fixture(scope="session")
def make_view():
    """Builds the view of an untrained model of six latents, or with the codes of ``gamma`` and ``mean``."""
    datasets = {kind: make_dataset(kind) for kind in ("digits", "faces", "vectors", "signals")}

    def make(kind="vsc", data="digits", *, gamma=None, mean=None, view=CodeView, seed=0, **options):
        dataset = datasets[data]
        likelihood = "gaussian" if data in ("vectors", "signals") else "bernoulli"
        sizes = {"latents": 6, "hidden": (16,), "pseudo_inputs": 4, "initial_gate_logit": 0.0}
        plain = {"prior": "pseudo", "noise": 0.0, "inference": "encoder"}
        config = ModelConfig(kind=kind, **{"likelihood": likelihood, **sizes, **plain, **options})
        model = build(config, dataset.example_shape, jax.random.key(0), examples=dataset.train.x)
        made = view(model, dataset, seed=seed)
        if gamma is not None or mean is not None:
            mean = np.ones_like(gamma) if mean is None else np.asarray(mean, np.float32)
            gamma = (mean != 0).astype(np.float32) if gamma is None else gamma
            made.__dict__["codes"] = Codes(mean, gamma, np.where(gamma > 0.5, mean, 0))
        return made

    return make


@pytest.fixture(scope="session")
def tile_at():
    """One picture of a mosaic with gaps of one pixel."""

    def at(axes, row, column, size=8):
        top, left = row * (size + 1), column * (size + 1)
        return np.asarray(axes.images[0].get_array())[top : top + size, left : left + size]

    return at


@pytest.fixture(scope="session")
def ticks():
    """Texts of the ticks along x or y."""
    return lambda axes, which="x": [tick.get_text() for tick in getattr(axes, f"get_{which}ticklabels")()]
