"""What refinement, encoders, the families of codes and missing values do, on the same data each.

``python -m benchmarks.codes refinement``, ``encoders``, ``families`` and ``missing``; the tables of
``docs/estimator.md`` and ``docs/recipes.md``. Seeds split or generate the data and start the models.
"""

import argparse
import time
from typing import Any

import jax
import numpy as np
from sklearn.datasets import load_digits
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import LinearRegression, LogisticRegression

from benchmarks.peers import data
from vsc_jax.data import smiley
from vsc_jax.estimator import VariationalSparseCoding
from vsc_jax.evaluation import recovery
from vsc_jax.evaluation.bounds import importance_weighted
from vsc_jax.models import refined

SEEDS = (0, 1, 2)
FAMILIES: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "laplace": {"slab": "laplace"},
    "threshold": {"gate": "threshold"},
}


def _iwae(coder: VariationalSparseCoding, x: np.ndarray, refine: int = 0) -> float:
    rows = ((x - coder.mean_) / coder.scale_).astype(np.float32)
    bound = importance_weighted(refined(coder.model_, refine), rows, jax.random.key(0), samples=100)
    return float(bound.mean() - np.log(coder.scale_).sum())


def _explained(coder: VariationalSparseCoding, train: np.ndarray, x: np.ndarray, z: np.ndarray) -> float:
    error, total = np.square(x - coder.inverse_transform(z)).sum(), np.square(x - train.mean(0)).sum()
    return float(1 - error / total)


def refinement(seed: int) -> None:
    """Bound, iwae, explained variance, number on and seconds of a thousand rows at 0, 5, 20 and 50 steps."""
    cases = [("digits", {"decoder": "mlp"}), ("dictionary64", {"decoder": "mlp", "active": 5})]
    for name, how in [*cases, ("dictionary64", {"inference": "encoder", "active": 5})]:
        known = data.load(name, seed)
        coder = VariationalSparseCoding(known.latents, random_state=seed, **how).fit(known.train)
        x = known.test[:1000]
        for steps in (0, 5, 20, 50):
            coder.transform(x[:256], refine=steps)  # compiled
            start = time.perf_counter()
            z = coder.transform(x, refine=steps)
            seconds = 1000 * (time.perf_counter() - start) / len(x)
            print(
                f"{name} {how} seed {seed} refine {steps}: bound {coder.score(x, refine=steps):.2f}"
                f" iwae {_iwae(coder, x, steps):.2f} EV {_explained(coder, known.train, x, z):.3f}"
                f" on {np.mean(np.sum(z != 0, axis=1)):.2f}, {seconds:.2f} s"
            )


def encoders(seed: int) -> None:
    """Ways to find the posterior of a linear decoder that is told the number on.

    ``dictionary64`` with 8,000 steps, and the counts of ``counts`` as they are with 2,000.
    """
    known, cells = data.load("dictionary64", seed), data.load("counts", seed)
    assert known.codes is not None
    assert cells.codes is not None
    assert cells.counts is not None
    wide = {f"mlp {hidden}": {"hidden": hidden} for hidden in ((128,), (512,), (512, 512))}
    ways: dict[str, dict[str, Any]] = {
        "ascent": {"inference": "ascent"},
        "lista": {"inference": "lista"},
        **wide,
    }
    of_counts = {"latents": 64, "active": 3, "likelihood": "poisson"}
    for name, train, x, supports, how in (
        (
            "dictionary64",
            known.train,
            known.test,
            known.codes != 0,
            {"latents": 64, "active": 5, "steps": 8000},
        ),
        ("counts", *cells.counts, cells.codes != 0, of_counts),
    ):
        for way, options in ways.items():
            if name == "counts" and way == "ascent":
                continue
            how = {"inference": "encoder", "random_state": seed, **how}
            coder = VariationalSparseCoding(**how | options).fit(train)
            for steps in (0, 50):
                z, gates = coder.transform(x, refine=steps), coder.gates(x, refine=steps)
                print(
                    f"{name} {way} seed {seed} refine {steps}: bound {coder.score(x, refine=steps):.1f}"
                    f" EV {_explained(coder, train, x, z):.3f} on {np.mean(np.sum(z != 0, axis=1)):.2f}"
                    f" AUC {recovery.support_auc(gates, supports):.3f}",
                    flush=True,
                )


def missing(seed: int) -> None:
    """Squared error of values that are missing, half of 300 test rows, as a share of the column mean's."""
    for name in ("breast_cancer", "dictionary32", "digits", "gap16"):
        known = data.load(name, seed)
        train, x = known.train.astype(float), known.test[:300].astype(float)
        gone = np.random.default_rng(seed).random(x.shape) < 0.5
        given = np.where(gone, np.nan, x)
        # After complete rows alone an IterativeImputer fills in one round in place of ten.
        seen = train[:2000]
        holes = np.where(np.random.default_rng(seed + 1).random(seen.shape) < 0.5, np.nan, seen)
        of_the_mean = np.square(x - train.mean(axis=0))[gone].mean()
        ways: dict[str, Any] = {
            "iterative": IterativeImputer(random_state=seed).fit(np.concatenate([seen, holes])).transform,
            "neighbors": KNNImputer(n_neighbors=10).fit(seen).transform,
            "learned": VariationalSparseCoding(known.latents, random_state=seed).fit(train).fill,
        }
        told = VariationalSparseCoding(known.latents, active=known.active[0], random_state=seed)
        ways["told"] = told.fit(train).fill
        errors = {way: np.square(fill(given) - x)[gone].mean() / of_the_mean for way, fill in ways.items()}
        print(name, "seed", seed, *(f"{way} {error:.3f}" for way, error in errors.items()), flush=True)


def _task(name: str, seed: int) -> tuple[np.ndarray, np.ndarray, Any, Any, dict[str, Any]]:
    if name == "digits":
        known = load_digits()
        order = np.random.default_rng(seed).permutation(1797)
        x, y = known.data[order] / 16, known.target[order]
        return x[:1400], x[1400:], y[:1400], y[1400:], {"latents": 16, "active": 4}
    if name == "patches":
        patches = data.load("patches", seed)
        return patches.train[:20_000], patches.test[:2000], None, None, {"latents": 64, "active": 10}
    faces = smiley.generate(seed, 12_000)
    x, y = faces.images.reshape(12_000, -1).astype(np.float32), faces.factors
    shape = {"latents": 60, "active": 9, "likelihood": "bernoulli"}
    return x[:10_000], x[10_000:], y[:10_000], y[10_000:], shape


def families(seed: int) -> None:
    """The three families at the same number asked for, on three data sets, 2,000 steps each.

    ``code`` and ``output`` say by how much of themselves codes and reconstructions change under noise of 5 %
    of each feature's deviation (Smiley: .2 % of the pixels flipped), root mean square.
    """
    for name in ("digits", "smiley", "patches"):
        train, test, y_train, y_test, shape = _task(name, seed)
        for family, how in FAMILIES.items():
            coder = VariationalSparseCoding(decoder="mlp", random_state=seed, **shape, **how).fit(train)
            z, rng, x = coder.transform(test), np.random.default_rng(seed), test[:1000].astype(np.float32)
            noisy = x + 0.05 * x.std(axis=0) * rng.normal(size=x.shape)
            if name == "smiley":
                noisy = np.abs(x - (np.random.default_rng(seed).random(x.shape) < 0.002))
            codes = coder.transform(x), coder.transform(noisy)
            clean, moved = map(coder.inverse_transform, codes)
            code = np.sqrt(np.square(codes[1] - codes[0]).mean() / np.square(codes[0]).mean())
            output = np.sqrt(np.square(moved - clean).mean() / np.square(clean - clean.mean(0)).mean())
            probe = ""
            if y_train is not None:
                linear = LogisticRegression(max_iter=3000) if name == "digits" else LinearRegression()
                score = linear.fit(coder.transform(train), y_train).score(z, y_test)
                probe = f", probe {score:.3f}"
            print(
                f"{name} {family} seed {seed}: bound {coder.score(test):.1f}"
                f" iwae {_iwae(coder, test[:500]):.1f} EV {_explained(coder, train, test, z):.3f}"
                f" on {np.mean(np.sum(z != 0, axis=1)):.1f}"
                f" used {np.sum(coder.gate_rate_ > 0.01)}, code {code:.3f} output {output:.3f}{probe}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    tables = {"refinement": refinement, "encoders": encoders, "families": families, "missing": missing}
    parser.add_argument("table", choices=tables)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    arguments = parser.parse_args()
    for chosen in arguments.seeds:
        tables[arguments.table](chosen)
