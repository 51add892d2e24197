"""The one type of data set that the rest of the library sees."""

from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

import numpy as np

from vsc_jax.config.choices import Likelihood
from vsc_jax.config.errors import UserError, within
from vsc_jax.data.examples import Examples, chunks, select
from vsc_jax.data.streams import Stream, generator
from vsc_jax.models.nets.decoder import REAL
from vsc_jax.models.nets.likelihoods import LIKELIHOODS
from vsc_jax.models.scaling import Scaling
from vsc_jax.models.values import place

Form = Literal["vector", "image", "signal"]

Rows = TypeVar("Rows", bound=Examples, covariant=True)


@dataclass(frozen=True)
class Split(Generic[Rows]):
    """Examples of one split, in a fixed order, and what is known of each.

    ``x`` are uint8 images ``[n, height, width]`` or ``[n, height, width, channels]``, standing for x / 255,
    or float32 arrays: images in [0, 1], unless the data set is scaled; vectors ``[n, d]`` and signals
    ``[n, time, channels]`` of any finite values. They may be memory-mapped or, in a training split, lazy.
    """

    x: Rows
    labels: np.ndarray | None = None  # int32 classes [n]
    factors: np.ndarray | None = None  # float32 true generative factors [n, k] (Smiley: S * V)
    presence: np.ndarray | None = None  # uint8 presence of every factor [n, k]
    subjects: np.ndarray | None = None  # int32 number [n] of the person each example comes from

    def __len__(self) -> int:
        return len(self.x)

    def first(self, n: int) -> "Split":
        """The first n examples."""
        return self.take(slice(n))

    def sample(self, n: int, seed: int) -> "Split":
        """At most n examples, chosen at random, in the order that they have; all if there are no more."""
        return self.take(sample_rows(len(self), n, seed))

    def take(self, rows: slice | np.ndarray) -> "Split":
        """The examples of a slice, at an array of indices, or where a mask ``[n]`` is true."""
        others = (self.labels, self.factors, self.presence, self.subjects)
        return Split(select(self.x, rows), *(None if field is None else field[rows] for field in others))


@dataclass(frozen=True)
class Dataset:
    """A named data set with a training and a test split."""

    name: str
    train: Split[Examples]
    test: Split[np.ndarray]
    label_names: tuple[str, ...] = ()  # of the classes; empty without labels
    factor_names: tuple[str, ...] = ()  # of the true factors; empty where none are known
    description: str = ""  # one sentence that says what the numbers are (source, grey or binarized, split)
    channel_names: tuple[str, ...] = ()  # of the channels of signals; empty for everything else
    column_names: tuple[str, ...] = ()  # of the values of vectors, where a table names them
    scaling: Scaling | None = None  # how a model of these data is to see them; x itself is not scaled
    notes: tuple[str, ...] = ()  # what the source was understood to be, and what in it is not used
    files: tuple[str, ...] = ()  # of :func:`vsc_jax.data.loading.load_own`: what images are from

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.x.shape[1:]

    @property
    def form(self) -> Form:
        """What one example is: a signal over time, an image of at least 4 x 4 pixels, or just a vector."""
        if self.channel_names:
            return "signal"
        shape = self.example_shape
        return "image" if len(shape) in (2, 3) and min(shape[:2]) >= 4 else "vector"


def sample_rows(n: int, count: int, seed: int) -> slice | np.ndarray:
    """Rows of a random sample without repetition of ``count`` of n, ascending; all if there are no more."""
    if count >= n:
        return slice(None)
    return np.sort(generator(seed, Stream.ROWS).choice(n, count, replace=False))


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Training and test part, chosen at random, of at least two examples; both keep their order."""
    n = len(split)
    if n < 2:
        raise UserError(f"x: expected at least 2 examples, one of them to hold out, got {n}")
    held_out = np.zeros(n, bool)
    count = min(max(round(fraction * n), 1), n - 1)
    held_out[np.random.default_rng(seed).permutation(n)[:count]] = True
    test = split.take(held_out)
    return split.take(~held_out), replace(test, x=np.asarray(test.x))


def check_range(dataset: Dataset, likelihood: Likelihood, purpose: str | None = None) -> None:
    """Refuse data that the likelihood cannot describe, as they are or as scaled."""
    kind, scaling = LIKELIHOODS[likelihood], dataset.scaling
    if scaling is None:
        scales = ", data.scaling unit scales" * ("unit" in kind.scalings)
        hint = f"(model.likelihood gaussian takes any value{scales})"
        purpose = purpose or f"the {likelihood} likelihood {hint}"
        for part, split in (("training", dataset.train), ("test", dataset.test)):
            check_values(split.x, likelihood, dataset.name, purpose, f" of the {part} split")
        with within(dataset.name):
            kind.check(dataset.train.x, dataset.test.x)
    elif scaling.kind not in kind.scalings:
        allowed = " or ".join(kind.scalings or ("none",))
        raise UserError(
            f"{dataset.name}: {scaling} values do not suit the {likelihood} likelihood; expected"
            f" model.likelihood gaussian, or data.scaling {allowed}"
        )


def check_values(
    x: Examples, likelihood: Likelihood, name: str, purpose: str, where: str = "", *, missing: bool = False
) -> None:
    """Refuse values that the likelihood does not take, as the data ``name``, with row, column and value.

    ``missing``: NaN may stand for a value that is not there.
    """
    kind, pixels = LIKELIHOODS[likelihood], x.dtype.kind == "u"
    if kind.support == REAL or (pixels and likelihood == "bernoulli"):
        return
    wanted = f"{name}: expected {kind.values} for {purpose}"
    if pixels:
        raise UserError(f"{wanted}, got pixels from 0 to 255")
    if (index := first_outside(x, *kind.support, whole=kind.whole, missing=missing)) is not None:
        raise UserError(f"{wanted}, got {x[index[0]][index[1:]]} in {place(index)}{where}")


def first_outside(
    x: Examples, low: float, high: float, *, whole: bool = False, missing: bool = False
) -> tuple[int, ...] | None:
    """Index of the first value of ``x`` that is not in [low, high] or not whole (NaN is not), or None.

    ``missing``: NaN is passed over.
    """
    start = 0
    for chunk in chunks(x):
        wrong = ~((chunk >= low) & (chunk <= high))
        if whole:
            wrong |= chunk != np.floor(chunk)
        if missing:
            wrong &= ~np.isnan(chunk)
        if wrong.any():
            row, *rest = np.unravel_index(np.argmax(wrong), wrong.shape)
            return (start + int(row), *(int(i) for i in rest))
        start += len(chunk)
    return None
