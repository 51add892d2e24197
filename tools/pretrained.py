"""Makes the models that come with the package: ``python -m tools.pretrained smiley_vsc mnist_vsc ...``.

Each is the preset of its name with fewer hidden units. It is trained in ``runs/pretrained/NAME``, where the
same command goes on after a stop, and written to ``vsc_jax/pretrained/NAME`` as ``vsc_jax.save`` writes a
model, in half precision and without the classifier, which with the exact selection nothing needs after
training. Its results are measured of the file that was written.
"""

import argparse
import dataclasses
from pathlib import Path

from vsc_jax.evaluate import evaluate

import vsc_jax
from vsc_jax.config import with_overrides
from vsc_jax.run import PRETRAINED

# The most hidden units, in tens, whose file is below 1 MB.
CHANGES = {
    "smiley_vsc": {"model.hidden": [180]},
    "mnist_vsc": {"model.hidden": [200], "train.steps": 6000},
    "fashion_vsc": {"model.hidden": [200], "train.steps": 8000},
}


def make(name: str) -> Path:
    """Train, or go on, measure and write one model; its folder."""
    config = with_overrides(vsc_jax.load_preset(name), {**CHANGES[name], "evaluate.figures": False})
    run = vsc_jax.fit(config, Path("runs/pretrained") / name)
    run.model.classifier = None
    folder = vsc_jax.save(run, PRETRAINED / name, half=True)
    return vsc_jax.save(dataclasses.replace(run, results=evaluate(folder)), folder, half=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", choices=CHANGES, metavar="NAME", help=", ".join(CHANGES))
    for name in parser.parse_args().names:
        print(f"written: {make(name)}")
