"""What models make of damaged and incomplete images, and which images their bound takes for their own.

``python -m benchmarks.corruptions RUN [RUN ...] --data mnist --others fashion_mnist`` prints two tables of
the first 1,000 test images: explained variance of the clean image and share of the latents that stay, or, of
200 images with missing pixels, explained variance of these pixels; and how well the bound and its parts tell
the data from other images (area under the ROC curve; below 1/2 the others look more likely). A run is a
folder or the name of a pretrained model.
"""

import argparse
from typing import Any

import jax
import numpy as np
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from vsc_jax import data
from vsc_jax.config import DataConfig
from vsc_jax.evaluation.encoding import map_batches
from vsc_jax.evaluation.reconstruction import explained_variance, filling, total_variance
from vsc_jax.run import open_run

_EXAMPLES, _FILLED = 1000, 200


def damaged(x: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images ``[n, height, width]`` in [0, 1], damaged in six ways, each with what should come out."""
    rng = np.random.default_rng(0)
    spots = rng.random(x.shape)
    pepper = np.where(spots < 0.1, 0, np.where(spots > 0.9, 1, x))
    block = x.copy()
    for image, (row, column) in zip(
        block, rng.integers(0, np.array(x.shape[1:]) - 9, (len(x), 2)), strict=True
    ):
        image[row : row + 10, column : column + 10] = 0
    shifted = np.roll(x, 1, axis=2)
    ways = {
        "as it is": (x, x),
        "noise of deviation .3": (np.clip(x + rng.normal(0, 0.3, x.shape), 0, 1), x),
        "a fifth of the pixels black or white": (pepper, x),
        "a square of 10 x 10 pixels black": (block, x),
        "blur of deviation 1": (ndimage.gaussian_filter(x, (0, 1, 1)), x),
        "half the contrast": (0.5 * x, x),
        "shift by a pixel": (shifted, shifted),
    }
    return {name: (given.astype(np.float32), wanted) for name, (given, wanted) in ways.items()}


def _reconstructed(model: Any, x: Any, key: Any) -> tuple[Any, Any]:
    return model.reconstruct(x), model.code(x)


def _bounds(model: Any, x: Any, key: Any) -> tuple[Any, ...]:
    parts, code = model.bounds(x, key), model.code(x)
    return parts["elbo"], parts["reconstruction"], -parts["kl"], -(code != 0).sum(-1)


def _images(name: str) -> np.ndarray:
    return np.asarray(data.load(DataConfig(name=name)).test.x[:_EXAMPLES], np.float32) / 255


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--others", nargs="*", default=["fashion_mnist"])
    options = parser.parse_args()
    models = {run: open_run(run).model() for run in options.runs}
    x = _images(options.data)

    def measured(measure: Any, model: Any, images: np.ndarray) -> Any:
        return map_batches(measure, model, images, jax.random.key(0), batch_size=500)

    print("| " + " | ".join(["damage", *(f"{run}: explained, latents that stay" for run in models)]) + " |")
    clean = {run: measured(_reconstructed, model, x)[1] != 0 for run, model in models.items()}
    for name, (given, wanted) in damaged(x).items():
        cells = []
        for run, model in models.items():
            found, code = measured(_reconstructed, model, given)
            error = float(np.square(found.reshape(wanted.shape) - wanted).mean(dtype=np.float64))
            both, either = ((op(clean[run], code != 0)).sum(1) for op in (np.logical_and, np.logical_or))
            stay = np.mean(both / np.maximum(either, 1))
            cells.append(f"{explained_variance(error, total_variance(wanted)):.3f}, {stay:.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)

    some = x[:_FILLED]
    upper = np.broadcast_to(np.arange(x.shape[1])[:, None] < x.shape[1] // 2, some.shape)
    for name, gone in {
        "random": np.random.default_rng(0).random(some.shape) < 0.5,
        "the upper": upper,
    }.items():
        cells = (f"{filling(model, some, gone):.3f}" for model in models.values())
        print(f"| half of the pixels missing, {name} | " + " | ".join(cells) + " |", flush=True)

    rng = np.random.default_rng(1)
    others = {name: _images(name) for name in options.others} | {
        "inverted": 1 - x,
        "turned by 90 degrees": np.rot90(x, axes=(1, 2)).copy(),
        "pixels in random order": np.stack([rng.permutation(row) for row in x.reshape(len(x), -1)]).reshape(
            x.shape
        ),
        "uniform noise": rng.random(x.shape, np.float32),
        "black": np.zeros_like(x),
    }
    print("\n| run | against | bound | reconstruction | KL | number on |")
    for run, model in models.items():
        own = measured(_bounds, model, x)
        for name, images in others.items():
            theirs = measured(_bounds, model, images)
            is_own = np.repeat([True, False], [len(x), len(images)])
            cells = (
                f"{roc_auc_score(is_own, np.concatenate(scores)):.3f}"
                for scores in zip(own, theirs, strict=True)
            )
            print(f"| {run} | {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
