"""Do runs of other seeds find the same latents? ``python -m benchmarks.peers.agreement RUN RUN [RUN ...]``.

The share of the used latents of a run that have a partner in another run, a latent whose code of the test
examples has a |correlation| of .9 or more with theirs: mean over all ordered pairs. Runs are of one data set.
``--topk N`` has as many TopK autoencoders with N latents on beside them.
"""

import argparse
import itertools
from collections.abc import Sequence

import jax
import numpy as np

from benchmarks.peers import autoencoders
from vsc_jax.evaluation import recovery
from vsc_jax.evaluation.encoding import codes
from vsc_jax.models.inputs import as_float
from vsc_jax.run import open_run


def main() -> None:
    """Encode the test set with each run, compare all pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--topk", type=int, metavar="N", help="how many latents TopK autoencoders have on")
    arguments = parser.parse_args()
    runs = [open_run(folder) for folder in arguments.runs]
    data = runs[0].dataset()
    compare("runs", [codes(run.model(), data.test.x, jax.random.key(0)).sparse for run in runs])
    if (active := arguments.topk) is not None:
        train, test = (
            np.asarray(as_float(part.x[:])).reshape(len(part), -1) for part in (data.train, data.test)
        )
        sizes = {"latents": runs[0].config.model.latents, "active": active, "steps": 4000}
        fitted = (autoencoders.fit("topk", train, test, seed=seed, **sizes) for seed in range(len(runs)))
        compare("topk", [code for code, *_ in fitted])


def compare(name: str, found: Sequence[np.ndarray]) -> None:
    """Print the agreement of the codes of the same examples."""
    shares = [recovery.seed_agreement(*pair) for pair in itertools.permutations(found, 2)]
    print(f"{name}: agreement {np.mean(shares):.3f}, of a pair at least {min(shares):.3f}")


if __name__ == "__main__":
    main()
