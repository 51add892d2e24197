"""Do runs of other seeds find the same latents? ``python -m benchmarks.peers.agreement RUN RUN [RUN ...]``.

The share of the used latents of a run that have a partner in another run, a latent whose code of the test
examples has a |correlation| of .9 or more with theirs: mean over all ordered pairs. Runs are of one data set.
"""

import argparse
import itertools

import jax
import numpy as np

from vsc_jax.evaluation import recovery
from vsc_jax.evaluation.encoding import codes
from vsc_jax.run import open_run


def main() -> None:
    """Encode the test set with each run, compare all pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+")
    found = []
    for folder in parser.parse_args().runs:
        run = open_run(folder)
        found.append(codes(run.model(), run.dataset().test.x, jax.random.key(0)).sparse)
    pairs = list(itertools.permutations(found, 2))
    shares = [recovery.seed_agreement(*pair) for pair in pairs]
    print(f"agreement {np.mean(shares):.3f}, of a pair at least {min(shares):.3f}")


if __name__ == "__main__":
    main()
