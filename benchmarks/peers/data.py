"""The data that the methods are compared on: generated from a seed, or shipped by a package of PyPI.

``load(name, seed)`` gives one of :data:`DATA`. The seed draws the rows, or splits them where there is one
set; they are float32. Where the rows come from known atoms, so do their codes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_sample_images,
    load_wine,
    make_sparse_coded_signal,
)
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.model_selection import train_test_split

from benchmarks.peers.embeddings import sentence_embeddings


@dataclass(frozen=True, eq=False)
class PeerData:
    """Rows, what is known of where they come from, and what is asked of a method.

    Attributes:
      train, test: ``[rows, features]``.
      latents: width of a code.
      active: numbers of latents that are on in a row, the main one first.
      atoms: true atoms, ``[true latents, features]``, of unit norm.
      train_codes, codes: true codes of the training and the test rows, ``[rows, true latents]``.
      counts: of genes, ``train`` and ``test`` before their logarithm.
      labels: classes of the test rows.
    """

    train: np.ndarray
    test: np.ndarray
    latents: int
    active: tuple[int, ...]
    atoms: np.ndarray | None = None
    train_codes: np.ndarray | None = None
    codes: np.ndarray | None = None
    counts: tuple[np.ndarray, np.ndarray] | None = None
    labels: np.ndarray | None = None

    @property
    def positive(self) -> bool:
        """Whether no value is below 0."""
        return bool(self.train.min() >= 0)


def _float32(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(array, np.float32) for array in arrays)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _support(rng: np.random.Generator, rows: int, latents: int, on: int) -> np.ndarray:
    """Exactly ``on`` of the latents of each row, all sets equally likely."""
    order = rng.permuted(np.tile(np.arange(latents), (rows, 1)), axis=1)
    return order < on


def _from_atoms(
    atoms: np.ndarray, codes: np.ndarray, train: int, noise: np.ndarray | float, active: tuple[int, ...]
) -> PeerData:
    """The rows that codes and atoms make; the first ``train`` of them are for training."""
    rows, atoms, codes = _float32(codes @ atoms + noise, atoms, codes)
    return PeerData(rows[:train], rows[train:], len(atoms), active, atoms, codes[:train], codes[train:])


def dictionary(
    features: int, active: tuple[int, ...], seed: int, *, latents: int = 64, on: int = 5, test: int = 2000
) -> PeerData:
    """Rows x = D s + .05 noise: 18,000 training rows, ``on`` normal coefficients in each."""
    rng = np.random.default_rng(seed)
    atoms = _unit(rng.normal(size=(latents, features)))
    codes = rng.normal(size=(18_000 + test, latents)) * _support(rng, 18_000 + test, latents, on)
    return _from_atoms(atoms, codes, 18_000, 0.05 * rng.normal(size=(len(codes), features)), active)


def superposition(latents: int, seed: int, *, on: int = 10, samples: int = 5000) -> PeerData:
    """Test rows have combinations of sources that no training row has.

    Barin Pacela et al., *Stop probing, start coding*, 2026 (arXiv 2603.28744), draw for draw as their code:
    half of the ``samples`` are for training, half for a validation that is not used here, and there are half
    as many test rows again. In training source 0 is on together with sources of the first half only, at the
    test with those of the second half.
    """
    rng = np.random.RandomState(seed)
    features, half = int(np.ceil(2 * on * np.log(latents / on))), latents // 2
    columns = rng.normal(0, 1, (features, latents))
    columns /= np.linalg.norm(columns, axis=0, keepdims=True)

    def code(first: int, last: int, *, with_source_0: bool) -> np.ndarray:
        others = rng.choice(np.arange(first, last), on - with_source_0, replace=False)
        row = np.zeros(latents)
        row[[0, *others] if with_source_0 else others] = rng.uniform(0, 1, on)
        return row

    known = []
    for _ in range(samples):
        with_0 = bool(rng.binomial(n=1, p=0.5))
        known.append(code(1, latents - half if with_0 else latents, with_source_0=with_0))
    new = [code(latents - half, latents, with_source_0=True) for _ in range(samples // 2)]
    codes = np.array(known[: samples // 2] + new)
    return _from_atoms(columns.T, codes, samples // 2, 0.0, (on,))


def amortisation_gap(latents: int, features: int, on: int, seed: int) -> PeerData:
    """Sources |N(0, 1)|, 1,024 rows for training and for the test, no noise (O'Neill et al., ICML 2025)."""
    rng = np.random.default_rng(20240625 + seed)
    codes = np.abs(rng.normal(size=(2048, latents))) * _support(rng, 2048, latents, on)
    return _from_atoms(_unit(rng.normal(size=(latents, features))), codes, 1024, 0.0, (on,))


def sparse_coded_signal(latents: int, features: int, on: int, seed: int) -> PeerData:
    """scikit-learn's own set with signed codes, as in the comparison of O'Neill et al.; seed 0 is theirs."""
    _, atoms, codes = make_sparse_coded_signal(
        2048, n_components=latents, n_features=features, n_nonzero_coefs=on, random_state=42 + seed
    )
    return _from_atoms(atoms, codes, 1024, 0.0, (on,))


def _table(
    rows: np.ndarray, labels: np.ndarray, test: int, seed: int, scale: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A split of the rows, each feature divided by its deviation in the training rows; the test labels."""
    train, held_out, _, classes = train_test_split(rows, labels, test_size=test, random_state=seed)
    deviation = train.std(axis=0) if scale else np.ones(rows.shape[1])
    deviation[deviation == 0] = 1
    train, held_out = _float32(train / deviation, held_out / deviation)
    return train, held_out, classes


def digits(seed: int, *, scale: bool = True) -> PeerData:
    """scikit-learn's digits, 8 x 8: pixels of unit variance (not centered), or in [0, 1]."""
    known = load_digits()
    train, test, labels = _table(known.data / 16, known.target, 395, seed, scale)
    return PeerData(train, test, 16, (4, 2, 8), labels=labels)


def breast_cancer(seed: int) -> PeerData:
    """scikit-learn's breast cancer table, standardized."""
    known = load_breast_cancer()
    train, test, labels = _table(known.data, known.target, 171, seed, True)
    mean = train.mean(axis=0)
    return PeerData(train - mean, test - mean, 16, (5, 2, 8), labels=labels)


def patches(seed: int, *, train: int = 45_000, test: int = 5_000, side: int = 12) -> PeerData:
    """Grey patches of scikit-learn's two photographs, mean removed, contrast normalized.

    Test patches come from the right fifth of a photograph, training patches from the rest.
    """

    def of(part: slice, rows: int) -> np.ndarray:
        images = (image.mean(axis=2)[:, part] / 255 for image in load_sample_images().images)
        cut = partial(extract_patches_2d, patch_size=(side, side), max_patches=rows // 2)
        pieces = [cut(image, random_state=2 * seed + index) for index, image in enumerate(images)]
        flat = np.concatenate(pieces).reshape(rows, side * side)
        flat -= flat.mean(axis=1, keepdims=True)
        return flat / np.sqrt(flat.var(axis=1, keepdims=True) + 10 / 255**2)

    rows, held_out = _float32(of(slice(None, 512), train), of(slice(512, None), test))
    return PeerData(rows, held_out, 64, (10, 4, 8, 16, 32))


def counts(seed: int, *, train: int = 6_000, test: int = 1_000) -> PeerData:
    """Poisson counts of 300 genes in cells with 3 of 20 programs on, and a library size for each cell.

    A program raises 30 genes. Rows are log(1 + counts) at the median library, divided by the deviation.
    """
    rng = np.random.default_rng(seed)
    genes, programs, cells = 300, 20, train + test
    members = _support(rng, programs, genes, 30)
    loadings = rng.gamma(2.0, 1.0, (programs, genes)) * members
    codes = rng.gamma(2.0, 0.5, (cells, programs)) * _support(rng, cells, programs, 3)
    expression = rng.lognormal(-1.0, 1.0, genes) + codes @ loadings
    library = rng.lognormal(np.log(1500), 0.4, (cells, 1))
    drawn = rng.poisson(library * expression / expression.sum(axis=1, keepdims=True))
    size = drawn.sum(axis=1, keepdims=True)
    log = np.log1p(drawn / size * np.median(size[:train]))
    deviation = log[:train].std(axis=0)
    deviation[deviation == 0] = 1
    rows, codes, drawn = _float32(log / deviation, codes, drawn)
    halves = [(x[:train], x[train:]) for x in (rows, codes, drawn)]
    return PeerData(*halves[0], 64, (3, 10), None, *halves[1], halves[2])


def wine(seed: int) -> PeerData:
    """scikit-learn's wine table, standardized: 133 training rows."""
    known = load_wine()
    train, test, labels = _table(known.data, known.target, 45, seed, True)
    mean = train.mean(axis=0)
    return PeerData(train - mean, test - mean, 16, (3,), labels=labels)


def tones(seed: int) -> PeerData:
    """Windows of 48 values of a signal in which four tones come and go, with noise; the last are held out."""
    rng = np.random.default_rng(seed)
    time, parts = np.arange(52_000), rng.random((4, 104)) > 0.6
    tones = np.sin(2 * np.pi * time / np.array([[11], [17], [29], [43]])) * parts.repeat(500, axis=1)
    signal = tones.sum(axis=0) + 0.1 * rng.normal(size=len(time))
    (rows,) = _float32(np.lib.stride_tricks.sliding_window_view(signal, 48)[::13])
    return PeerData(rows[:3000], rows[3004:], 32, (5,))


def laplacian(seed: int) -> PeerData:
    """Thirty mixtures of thirty sources with heavy tails, of which none is ever 0."""
    rng = np.random.default_rng(seed)
    (rows,) = _float32(rng.laplace(size=(5000, 30)) @ rng.normal(size=(30, 30)))
    return PeerData(rows[:4000], rows[4000:], 32, (8,))


def bars(seed: int) -> PeerData:
    """Bars across an image of 8 x 8, bright by chance, with noise; each is there in 12 % of the images."""
    rng, eye = np.random.default_rng(seed), np.eye(8)
    atoms = np.concatenate([np.repeat(eye, 8, axis=1), np.tile(eye, 8)]) / np.sqrt(8)
    codes = (rng.random((4000, 16)) < 0.12) * rng.gamma(3, 1.5, size=(4000, 16))
    return _from_atoms(atoms, codes, 3000, 0.05 * rng.normal(size=(4000, 64)), (2,))


def uneven(seed: int) -> PeerData:
    """A dictionary of 40 atoms in 30 dimensions, whose noise is .004 to .3 of the norm of an atom."""
    rng = np.random.default_rng(seed)
    atoms = _unit(rng.normal(size=(40, 30)))
    codes = (rng.random((6000, 40)) < 0.1) * rng.normal(size=(6000, 40))
    return _from_atoms(atoms, codes, 4500, np.geomspace(0.004, 0.3, 30) * rng.normal(size=(6000, 30)), (4,))


def embeddings(seed: int) -> PeerData:
    """Embeddings of 14,000 sentences by all-MiniLM-L6-v2, standardized; 2,000 are held out."""
    rows = sentence_embeddings()
    train, test, _ = _table(rows, np.zeros(len(rows)), 2000, seed, True)
    mean = train.mean(axis=0)
    return PeerData(train - mean, test - mean, 64, (14, 4, 8, 16, 32))


DATA: dict[str, Callable[[int], PeerData]] = {
    "dictionary64": partial(dictionary, 64, (5, 4, 8, 16, 32)),
    "dictionary32": partial(dictionary, 32, (5, 4, 8, 16)),
    "digits": digits,
    "digits_unscaled": partial(digits, scale=False),
    "breast_cancer": breast_cancer,
    "patches": patches,
    "counts": counts,
    "embeddings": embeddings,
    "superposition100": partial(superposition, 100),
    "superposition500": partial(superposition, 500),
    "superposition1000": partial(superposition, 1000),
    "gap16": partial(amortisation_gap, 16, 8, 3),
    "gap64": partial(amortisation_gap, 64, 32, 3),
    "signal16": partial(sparse_coded_signal, 16, 8, 3),
    "wine": wine,
    "tones": tones,
    "laplacian": laplacian,
    "bars": bars,
    "uneven": uneven,
}


def load(name: str, seed: int = 0) -> PeerData:
    """The data of one name in :data:`DATA`."""
    return DATA[name](seed)
