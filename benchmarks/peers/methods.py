"""The methods that are compared: each takes data, a number of active latents and a seed, and gives a code."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.decomposition import NMF, PCA, MiniBatchDictionaryLearning, sparse_encode

from benchmarks.peers import autoencoders
from benchmarks.peers.data import PeerData
from vsc_jax.config import Config, with_overrides
from vsc_jax.data import Dataset, Split
from vsc_jax.estimator import VariationalSparseCoding
from vsc_jax.evaluation import importance_weighted
from vsc_jax.models.scaling import moments
from vsc_jax.training import train


@dataclass(frozen=True)
class Code:
    """What a method makes of the test rows.

    Attributes:
      codes: ``[rows, latents]``, exactly 0 where a latent is off.
      reconstruction: ``[rows, features]``.
      components: dictionary ``[latents, features]``, where the decoder is linear.
      gates: the larger, the likelier a latent is on; magnitudes of the code without them.
      probabilities: whether ``gates`` are probabilities.
      nats: importance-weighted bound of a row with 100 samples, of a model that has one.
    """

    codes: np.ndarray
    reconstruction: np.ndarray
    components: np.ndarray | None = None
    gates: np.ndarray | None = None
    probabilities: bool = False
    nats: float | None = None


Method = Callable[[PeerData, int, int, bool], Code]


def vsc(told: bool, data: PeerData, active: int, seed: int, quick: bool, **options: Any) -> Code:
    """Ours, with defaults: a linear decoder. It learns how many latents are on, unless it is told."""
    if told:
        options["active"] = active
    if quick:
        options["steps"] = 300
    model = VariationalSparseCoding(data.latents, random_state=seed, **options).fit(data.train)
    codes, gates = model.transform(data.test), model.gates(data.test)
    nats = _nats(model.model_, data.test, model.mean_, model.scale_)
    return Code(codes, model.inverse_transform(codes), model.components_, gates, True, nats)


def vae(data: PeerData, active: int, seed: int, quick: bool) -> Code:
    """Our Gaussian VAE, 512 wide; every latent is on."""
    mean, scale = moments(data.train)
    rows, test = (((x - mean) / scale).astype(np.float32) for x in (data.train, data.test))
    changes = {
        "seed": seed,
        "model.kind": "vae",
        "model.latents": data.latents,
        "model.hidden": [512],
        "model.likelihood": "gaussian",
        "train.steps": 300 if quick else 4000,
        "train.batch_size": 256,
        "train.learning_rate": 1e-3,
    }
    model: Any = train(
        with_overrides(Config(name="peer_vae"), changes), Dataset("peer", Split(rows), Split(rows[:1]))
    ).model
    codes = np.asarray(model.code(test))
    reconstruction = np.asarray(model.decode(codes)) * scale + mean
    return Code(codes, reconstruction, nats=_nats(model, data.test, mean, scale))


def _nats(model: Any, test: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> float:
    """The bound with 100 samples on 500 rows, in nats of the data as given."""
    rows = ((test[:500] - mean) / scale).astype(np.float32)
    bound = importance_weighted(model, rows, jax.random.key(0), samples=100)
    return float(bound.mean() - np.log(scale).sum())


def autoencoder(kind: str, data: PeerData, active: int, seed: int, quick: bool) -> Code:
    """A sparse autoencoder of :mod:`benchmarks.peers.autoencoders`."""
    steps = 300 if quick else 4000
    codes, gates, reconstruction, components = autoencoders.fit(
        kind, data.train, data.test, latents=data.latents, active=active, seed=seed, steps=steps
    )
    return Code(codes, reconstruction, components, gates)


def pca(data: PeerData, active: int, seed: int, quick: bool) -> Code:
    """As many principal components as latents that may be on."""
    model = PCA(min(active, data.train.shape[1]), random_state=seed).fit(data.train)
    codes = model.transform(data.test)
    return Code(codes, model.inverse_transform(codes), model.components_)


@lru_cache(maxsize=1)
def _dictionary(data: PeerData, active: int, seed: int, quick: bool) -> tuple[np.ndarray, float]:
    """scikit-learn's atoms, and a coefficient's size, were the rows made of ``active`` orthogonal atoms."""
    x = np.random.default_rng(seed).permutation(data.train - data.train.mean(axis=0))
    size = float(np.sqrt((x**2).sum(axis=1).mean() / active))
    held_out, rest = x[: min(len(x) // 10, 500)], x[len(x) // 10 :]

    def learn(weight: float, rows: np.ndarray) -> np.ndarray:
        model = MiniBatchDictionaryLearning(
            data.latents, alpha=weight * size, batch_size=256, fit_algorithm="cd", random_state=seed,
            max_iter=1 if quick else max(10, 20 * 4000 // len(rows)),
        )  # fmt: skip
        return np.asarray(model.fit(rows).components_)

    def error(weight: float) -> float:
        atoms = learn(weight, rest[:4000])
        return float(np.mean((held_out - _pursuit(held_out, atoms, active) @ atoms) ** 2))

    return learn(0.1 if quick else min((0.03, 0.1, 0.3), key=error), x), size


def _pursuit(rows: np.ndarray, atoms: np.ndarray, active: int) -> np.ndarray:
    return np.asarray(sparse_encode(rows, atoms, algorithm="omp", n_nonzero_coefs=active))


def dictionary_learning(transform: str, data: PeerData, active: int, seed: int, quick: bool) -> Code:
    """scikit-learn's; the L1 weight of the fit is the best of three on a tenth of the training rows.

    ``omp``: codes by orthogonal matching pursuit with ``active`` latents on; ``lasso``: with the weight that
    brings about that number in training rows.
    """
    mean = data.train.mean(axis=0)
    atoms, size = _dictionary(data, active, seed, quick)
    if transform == "omp":
        codes = _pursuit(data.test - mean, atoms, active)
    else:
        lasso = partial(sparse_encode, dictionary=atoms, algorithm="lasso_cd", max_iter=2000)
        weights = size * np.geomspace(0.003, 1, 12)
        tried = [lasso(data.train[:200] - mean, alpha=weight) for weight in weights]
        excess = [abs(np.mean(np.sum(code != 0, axis=1)) - active) for code in tried]
        codes = lasso(data.test - mean, alpha=weights[int(np.argmin(excess))])
    return Code(codes, codes @ atoms + mean, atoms)


def optimal_directions(data: PeerData, active: int, seed: int, quick: bool) -> Code:
    """Codes by matching pursuit and atoms by least squares, in turn (Engan et al. 1999), as K-SVD is used."""
    mean = data.train.mean(axis=0)
    x, rng = data.train - mean, np.random.default_rng(seed)
    atoms = x[rng.choice(len(x), data.latents, replace=False)] + 1e-6 * rng.normal(
        size=(data.latents, x.shape[1])
    )
    for _ in range(3 if quick else 60):
        atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
        rows = x[rng.choice(len(x), min(len(x), 4000), replace=False)]
        codes = _pursuit(rows, atoms, active)
        atoms = np.linalg.lstsq(codes, rows)[0]
        unused = np.linalg.norm(atoms, axis=1) < 1e-6
        atoms[unused] = rows[rng.choice(len(rows), unused.sum())]
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = _pursuit(data.test - mean, atoms, active)
    return Code(codes, codes @ atoms + mean, atoms)


def nmf(data: PeerData, active: int, seed: int, quick: bool) -> Code:
    """Non-negative factors, as many on as come out."""
    model = NMF(data.latents, init="nndsvda", max_iter=20 if quick else 300, random_state=seed)
    codes = model.fit(data.train).transform(data.test)
    return Code(codes, codes @ model.components_, model.components_)


@partial(jax.jit, static_argnames=("iterations", "positive"))
def _fista(
    x: jax.Array, atoms: jax.Array, start: jax.Array, weight: float, iterations: int, positive: bool
) -> jax.Array:
    """Codes of least squared error and ``weight`` times L1 (Beck and Teboulle 2009)."""
    step = 1 / jnp.linalg.norm(atoms, ord=2) ** 2

    def iterate(_: int, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        old, ahead, t = state
        moved = ahead - step * (ahead @ atoms - x) @ atoms.T
        new = jnp.maximum(moved - step * weight, 0)
        if not positive:
            new -= jnp.maximum(-moved - step * weight, 0)
        next_t = (1 + jnp.sqrt(1 + 4 * t**2)) / 2
        return new, new + (t - 1) / next_t * (new - old), next_t

    return jax.lax.fori_loop(0, iterations, iterate, (start, start, jnp.ones(())))[0]


@lru_cache(maxsize=1)
def _fista_atoms(data: PeerData, seed: int, weight: float, turns: int) -> jax.Array:
    """Atoms by FISTA and least squares in turn, on at most 4,000 rows (Barin Pacela et al. 2026)."""
    x = jnp.asarray(data.train[:4000])
    atoms = jax.random.normal(jax.random.key(seed), (data.latents, x.shape[1]))
    atoms /= jnp.linalg.norm(atoms, axis=1, keepdims=True)
    code = jnp.zeros((len(x), data.latents))
    for turn in range(turns):
        code = _fista(x, atoms, code, weight, 100, _not_negative(data))
        new = jnp.linalg.solve(code.T @ code + 1e-6 * jnp.eye(data.latents), code.T @ x)
        new /= jnp.maximum(jnp.linalg.norm(new, axis=1, keepdims=True), 1e-8)
        change, atoms = float(jnp.linalg.norm(new - atoms) / jnp.linalg.norm(atoms)), new
        if change < 1e-5 and turn > 10:
            break
    return atoms


def _not_negative(data: PeerData) -> bool:
    return data.codes is not None and bool(data.codes.min() >= 0)


def fista(transform: str, data: PeerData, active: int, seed: int, quick: bool, weight: float = 0.1) -> Code:
    """Atoms and codes as Barin Pacela et al. 2026 have them, told whether the codes are non-negative.

    ``lasso``: as many on as the L1 weight of .1 makes it; ``omp``: the same atoms and orthogonal matching
    pursuit with ``active`` on; ``true_atoms``: a lasso with the true atoms, which no other method knows.
    """
    if transform == "true_atoms":
        atoms = jnp.asarray(data.atoms)
    else:
        atoms = _fista_atoms(data, seed, weight, 20 if quick else 1000)
    if transform == "omp":
        codes = _pursuit(data.test, np.asarray(atoms), active)
    else:
        start = jnp.zeros((len(data.test), len(atoms)))
        codes = np.asarray(_fista(jnp.asarray(data.test), atoms, start, weight, 500, _not_negative(data)))
    return Code(codes, codes @ np.asarray(atoms), np.asarray(atoms))


METHODS: dict[str, Method] = {
    "vsc": partial(vsc, True),
    "vsc_not_told": partial(vsc, False),
    "vsc_best_of_5": partial(vsc, False, n_init=5),
    "vae": vae,
    "pca": pca,
    "nmf": nmf,
    "dictionary_omp": partial(dictionary_learning, "omp"),
    "dictionary_lasso": partial(dictionary_learning, "lasso"),
    "optimal_directions": optimal_directions,
    "fista": partial(fista, "lasso"),
    "fista_omp": partial(fista, "omp"),
    "fista_true_atoms": partial(fista, "true_atoms"),
    **{kind: partial(autoencoder, kind) for kind in autoencoders.KINDS},
}
# They do not take the number that is to be on.
FIXED = ("vsc_not_told", "vsc_best_of_5", "vae", "nmf", "fista", "fista_true_atoms")


def applies(name: str, data: PeerData) -> bool:
    """Whether a method can be used on some data."""
    if name == "nmf":
        return data.positive
    return data.atoms is not None or not name.startswith("fista")
