"""How much of each Smiley feature a picture tells: the supervised ceiling of the feature correlations.

``python benchmarks/smiley_ceiling.py [--side 28] [--examples 100000] [--epochs 30]``

Trains a network from pixels to the 18 values V, its squared error counted only where the attribute is
present, and prints for each feature the correlation of prediction and value, given presence, on new
images. The numbers are kept in ``vsc_jax/evaluation/factors.py``. Some 10 minutes on two CPU cores.
"""

import argparse
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from vsc_jax.data import smiley
from vsc_jax.evaluation.factors import Factor, correlations
from vsc_jax.models.nets import MLP

HIDDEN = (1024, 512, 256)
BATCH = 256
TEST_EXAMPLES = 20_000


def draw(seed: int, n: int, side: int) -> tuple[np.ndarray, smiley.Smileys]:
    """Images and the faces that they show."""
    faces = smiley.generate((2024, seed), n)
    return (faces.images if side == smiley.SIDE else smiley.crop(faces.images)), faces


def main() -> None:
    """Train, and print the correlations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", type=int, choices=(28, 32), default=32)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()

    images, faces = draw(0, arguments.examples, arguments.side)
    test_images, test = draw(1, TEST_EXAMPLES, arguments.side)
    steps = arguments.epochs * arguments.examples // BATCH
    model = MLP(arguments.side**2, (*HIDDEN, len(smiley.FACTORS)), rngs=nnx.Rngs(0))
    graph, params = nnx.split(model)
    optimizer = optax.adamw(optax.cosine_decay_schedule(1e-3, steps), weight_decay=1e-2)
    state = optimizer.init(params)

    @jax.jit
    def predict(params, images):
        return nnx.merge(graph, params)(images.astype(jnp.float32))

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, images, presence, values):
        def loss(params):
            return jnp.mean(presence * jnp.square(predict(params, images) - values))

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    def measure() -> np.ndarray:
        guess = np.concatenate([predict(params, part) for part in np.array_split(test_images, 40)])
        pairs = zip(guess.T, test.values.T, test.presence.T, strict=True)
        return np.array(
            [correlations(g[:, None], [Factor("", v, s > 0, discrete=False)])[0, 0] for g, v, s in pairs]
        )

    rng, start = np.random.default_rng(0), time.time()
    for epoch in range(1, arguments.epochs + 1):
        order = rng.permutation(arguments.examples)
        for rows in np.array_split(order, arguments.examples // BATCH):
            rows = rows[: arguments.examples // (arguments.examples // BATCH)]
            params, state = step(params, state, images[rows], faces.presence[rows], faces.values[rows])
        reached = measure()
        print(f"epoch {epoch}: mean {reached.mean():.4f} after {time.time() - start:.0f} s", flush=True)
    for name, value in zip(smiley.FACTORS, reached, strict=True):
        print(f"{name:16} {value:.3f}")


if __name__ == "__main__":
    main()
