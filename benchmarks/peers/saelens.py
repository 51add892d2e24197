"""How near a code is to ours once it is in SAELens: ``python -m benchmarks.peers.saelens``; needs sae-lens.

Trains ours on each data set, saves it with ``save_sae``, loads it with ``sae_lens.SAE.load_from_disk`` and
compares the codes of the test rows, in ``benchmarks/results/peers/saelens.csv``.
"""

import argparse
import tempfile

import numpy as np
import sae_lens
import torch

from benchmarks.peers.data import DATA, load
from benchmarks.peers.results import RESULTS, put
from vsc_jax.contrib.saelens import save_sae
from vsc_jax.estimator import VariationalSparseCoding
from vsc_jax.evaluation import recovery

NAMES = ("dictionary64", "dictionary32", "patches", "embeddings", "superposition100", "digits")


def compared(name: str, seed: int) -> dict[str, str]:
    """Both codes of the test rows: latents on, explained variance, F1 of what is on, correlation."""
    data = load(name, seed)
    model = VariationalSparseCoding(data.latents, active=data.active[0], random_state=seed).fit(data.train)
    ours = model.transform(data.test)
    with tempfile.TemporaryDirectory() as folder:
        rows = data.train[:4000]
        save_sae(folder, model.components_, model.intercept_, rows, model.transform(rows))
        sae = sae_lens.SAE.load_from_disk(folder)
    with torch.no_grad():
        found = sae.encode(torch.from_numpy(data.test))
        reconstructions = model.inverse_transform(ours), sae.decode(found).numpy()
    theirs = found.numpy()[:, : data.latents]
    if found.shape[1] > data.latents:
        theirs = theirs - found.numpy()[:, data.latents :]
    on, there = ours != 0, theirs != 0
    used = on.mean(axis=0) >= 0.01
    total = np.sum((data.test - data.test.mean(axis=0)) ** 2)
    ev, ev_there = (1 - np.sum((data.test - x) ** 2) / total for x in reconstructions)
    measures = {
        "on": on.sum(axis=1).mean(),
        "on_there": there.sum(axis=1).mean(),
        "f1": 2 * (on & there).sum() / (on.sum() + there.sum()),
        "correlation": np.diag(recovery.correlation(ours[:, used], theirs[:, used])).mean(),
        "ev": ev,
        "ev_there": ev_there,
    }
    return {"data": name, "seed": str(seed)} | {key: f"{value:.4g}" for key, value in measures.items()}


def main() -> None:
    """Compare, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=NAMES)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.data:
        row = compared(name, arguments.seed)
        put(RESULTS / "saelens.csv", row, ("data", "seed"))
        print(*(f"{key} {value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
