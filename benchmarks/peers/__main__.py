"""Sparse coding by everyday methods and by ours: ``python -m benchmarks.peers [--data NAME ...]``.

Each row of ``benchmarks/results/peers/DATA.csv`` is one run: what a method makes of held-out rows. A run
whose row is there is not made again. Means over the seeds are printed at the end.
"""

import argparse
import itertools
import time
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
from sklearn.isotonic import IsotonicRegression

from benchmarks.peers.data import DATA, PeerData, load
from benchmarks.peers.frontier import frontier
from benchmarks.peers.methods import FIXED, METHODS, Code, applies
from benchmarks.peers.results import RESULTS, markdown, put, read, table
from vsc_jax.evaluation import recovery
from vsc_jax.evaluation.probes import sparse_probe

KEY = ("method", "seed", "active")
MEASURES = (
    *("ev", "on", "auc", "mcc", "f1", "atoms", "atoms_mcc", "ece", "brier"),
    *("dead", "dense", "norm", "nats", "probe_1", "probe_5", "agreement", "seconds"),
)
_data = lru_cache(maxsize=1)(load)


def measure(data: PeerData, code: Code) -> dict[str, float | None]:
    """The measures of a code of the test rows; those that need the truth where it is known.

    ``ev`` is the explained variance; ``on`` the mean number of latents that are on; ``dead`` and ``dense``
    the shares of latents that are on in under .1 % and in over half of the rows; ``norm`` the mean norm of
    the reconstructions as a share of the rows' (below 1 is shrinkage), both less the mean row; ``probe_1``
    and ``probe_5`` how well so many latents tell a class from the rest, where there are classes, learned from
    half of the test rows.
    """
    on = code.codes != 0
    usage = on.mean(axis=0)
    centered, reconstruction = (x - data.test.mean(axis=0) for x in (data.test, code.reconstruction))
    result: dict[str, float | None] = {
        "ev": 1 - np.sum((centered - reconstruction) ** 2) / np.sum(centered**2),
        "on": on.sum(axis=1).mean(),
        "dead": np.mean(usage < 0.001),
        "dense": np.mean(usage > 0.5),
        "norm": np.linalg.norm(reconstruction, axis=1).mean() / np.linalg.norm(centered, axis=1).mean(),
        "nats": code.nats,
    }
    if data.labels is not None:
        half = len(data.labels) // 2
        parts = code.codes[:half], data.labels[:half], code.codes[half:], data.labels[half:]
        result |= {f"probe_{k}": sparse_probe(*parts, k) for k in (1, 5)}
    if data.codes is not None:
        # A source that is never on in the test rows cannot be found in them.
        codes, truth = code.codes, data.codes[:, data.codes.any(axis=0)]
        if truth.shape[1] < data.codes.shape[1]:
            codes = codes[:, np.argsort(-codes.var(axis=0))[: truth.shape[1]]]
        present, magnitudes = truth != 0, np.abs(code.codes)
        gates = [magnitudes] if code.gates is None else [magnitudes, code.gates]
        area = [recovery.support_auc(each, present) for each in gates]
        best = gates[int(np.argmax(area))]
        calibration = _calibration(
            best, present, code.probabilities and len(area) == 2 and best is code.gates
        )
        result |= {
            "auc": max(area),
            "mcc": recovery.mcc(codes, truth),
            "f1": recovery.support_f1(on, present),
            "ece": calibration.ece,
            "brier": calibration.brier,
        }
    if data.atoms is not None and code.components is not None:
        result["atoms"] = recovery.atoms_found(code.components, data.atoms)
        result["atoms_mcc"] = recovery.mcc(code.components.T, data.atoms.T)
    return result


def _calibration(gates: np.ndarray, present: np.ndarray, probabilities: bool) -> recovery.Calibration:
    """Of the gates matched to the sources, on half of the rows.

    What is no probability becomes one by an isotonic regression on the other half, which knows the truth.
    """
    pairs = recovery.match(gates, present, recovery.areas)
    gates, present = gates[:, pairs[:, 0]], present[:, pairs[:, 1]]
    half = len(gates) // 2
    if not probabilities:
        regression = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        regression.fit(gates[:half].ravel(), present[:half].ravel())
        gates = regression.predict(gates.ravel()).reshape(gates.shape)
    return recovery.calibration(gates[half:], present[half:])


def main() -> None:
    """Run what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--frontier", action="store_true", help="several numbers of active latents")
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help="draw explained variance against on")
    parser.add_argument("--agreement", action="store_true", help="with a second start on the same data")
    parser.add_argument("--quick", action="store_true", help="few iterations, to try out; writes no file")
    parser.add_argument("--columns", nargs="+", choices=MEASURES, default=MEASURES, help="that are printed")
    parser.add_argument("--again", action="store_true", help="what was measured before, too")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")  # of fits that stop early; the measures tell
    for name in arguments.data:
        path = RESULTS / f"{name}{'_agreement' if arguments.agreement else ''}.csv"
        rows = [] if arguments.quick else read(path)
        done = set() if arguments.again else {tuple(row[k] for k in KEY) for row in rows}
        for seed, method in itertools.product(arguments.seeds, arguments.methods):
            data = _data(name, seed)
            if not applies(method, data):
                continue
            for active in data.active[: None if arguments.frontier and method not in FIXED else 1]:
                key = (method, str(seed), str(active))
                if key in done:
                    continue
                start = time.monotonic()
                code = METHODS[method](data, active, seed, arguments.quick)
                numbers = measure(data, code) | {"seconds": time.monotonic() - start}
                if arguments.agreement:
                    other = METHODS[method](data, active, seed + 1000, arguments.quick).codes
                    pairs = (code.codes, other), (other, code.codes)
                    numbers["agreement"] = np.mean([recovery.seed_agreement(*pair) for pair in pairs])
                values = {n: "" if v is None else f"{v:.5g}" for n, v in numbers.items()}
                row = dict(zip(KEY, key, strict=True)) | {n: values.get(n, "") for n in MEASURES}
                rows = [old for old in rows if tuple(old[k] for k in KEY) != key] + [row]
                print(name, *key, *(f"{n} {v}" for n, v in values.items() if v), flush=True)
                if not arguments.quick:
                    put(path, row, KEY)
        print(f"\n{name}\n\n{markdown(table(rows, arguments.columns))}\n", flush=True)
        if arguments.figures:
            frontier(name, [row for row in rows if row["method"] in arguments.methods], arguments.figures)


if __name__ == "__main__":
    main()
