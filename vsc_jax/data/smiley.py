"""The Smiley data set: faces whose true factors are known, drawn by the published rules.

Source: Tonolini, Jensen, Murray-Smith, *Variational Sparse Coding*, UAI 2019, supplement E. The drawing
reproduces the images published with the paper pixel for pixel from their published factors. An image has
four attributes, each present or not, and 18 real factors V in four groups, one an attribute; its source
vector is S * V, with S the attributes' presence repeated over their groups.

Coordinates below are those of the published rules: 1-based, x to the right, y down, ranges inclusive.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data.dataset import Dataset, Split
from vsc_jax.data.files import machine_memory

ATTRIBUTES = ("bow tie", "hat", "eyes", "mouth")  # in the order of their factors
FACTORS = (  # in the published order
    *("bow tie x", "bow tie y", "bow tie width", "bow tie height"),
    *("hat x", "hat y", "brim width", "brim height", "crown width", "crown height"),
    *("eye distance", "eye y", "eye radius"),
    *("mouth width", "mouth height", "mouth x", "mouth y", "mouth corners"),
)
GROUPS = (slice(0, 4), slice(4, 10), slice(10, 13), slice(13, 18))  # the factors of each attribute
ATTRIBUTE_OF_FACTOR = np.repeat(np.arange(4), [group.stop - group.start for group in GROUPS])  # [18]
FACTOR_SCALE = 0.5  # standard deviation of every factor
EXAMPLES = {"train": 100_000, "test": 5_000}  # faces of a data set if nobody says
SIDE = 32  # of the published images, in pixels
LARGEST_VALUE = 20.0  # magnitude of a factor that is drawn: 40 standard deviations

_FIRST = [group.start for group in GROUPS]
_PIXELS = np.arange(1, SIDE + 1)
_BYTES = 2400  # of an example while it is drawn
_CHUNK = 256  # images drawn at a time, so that the intermediate arrays stay in the processor's cache


class Smileys(NamedTuple):
    """Images uint8 ``[n, 32, 32]``, 0 or 1, with what made them.

    ``presence`` is S, uint8 ``[n, 18]``, 0 or 1, equal within an attribute's group; ``values`` V, float32
    ``[n, 18]``.
    """

    images: np.ndarray
    presence: np.ndarray
    values: np.ndarray

    @property
    def factors(self) -> np.ndarray:
        """Source vectors S * V, float32 ``[n, 18]``."""
        return self.presence * self.values

    @property
    def attributes(self) -> np.ndarray:
        """Presence of the four attributes, uint8 ``[n, 4]``."""
        return self.presence[:, _FIRST]


def generate(seed: int | Sequence[int], n: int, presence: float = 0.5) -> Smileys:
    """Draw n images, each attribute of which is there with probability ``presence``.

    ``seed`` is an integer of at least 0, or several of them. The first images of a longer draw with the same
    seed and presence are those of a shorter one.
    """
    for name, wrong, expected, value in (
        ("n", n < 0, "a number of images of at least 0", n),
        ("presence", not 0 <= presence <= 1, "a probability from 0 to 1", presence),
        ("seed", np.min(seed) < 0, "an integer of at least 0", seed),
    ):
        if wrong:
            raise UserError(f"{name}: expected {expected}, got {value}")
    attribute_stream, value_stream = np.random.SeedSequence(seed).spawn(2)
    attributes = np.random.default_rng(attribute_stream).random((n, len(ATTRIBUTES))) < presence
    normal = np.random.default_rng(value_stream).standard_normal((n, len(FACTORS)))
    values = (FACTOR_SCALE * normal).astype(np.float32)
    all_presence = attributes.astype(np.uint8)[:, ATTRIBUTE_OF_FACTOR]
    return Smileys(render(all_presence, values), all_presence, values)


def load_smiley(config: DataConfig) -> Dataset:
    """The data set that the data section of a configuration asks for: pixels of 0 and 255, with factors."""

    def split(stream: int, n: int) -> Split:
        if n * _BYTES > machine_memory():
            raise MemoryError  # before the system runs out of it
        faces = generate((config.seed, stream), n)
        images = faces.images if config.image_size == SIDE else crop(faces.images)
        return Split(images * np.uint8(255), factors=faces.factors, presence=faces.presence)

    return Dataset(
        name="smiley",
        train=split(0, config.train_examples or EXAMPLES["train"]),
        test=split(1, config.test_examples or EXAMPLES["test"]),
        factor_names=FACTORS,
        description=f"Smiley drawn from seed {config.seed} with attribute presence 0.5",
    )


def render(presence: ArrayLike, values: ArrayLike) -> np.ndarray:
    """The images of given attributes and factors, uint8 ``[n, 32, 32]``, 0 or 1, as published.

    ``presence`` is 0 or 1 for every factor, ``[n, 18]`` (equal within a group), or attribute, ``[n, 4]``;
    ``values`` are factors V ``[n, 18]``, of which those of absent attributes have no effect.

    Raises:
      UserError: naming the argument and row, on a wrong shape or on a value that cannot be drawn.
    """
    v, present = np.asarray(values), np.asarray(presence)
    if v.ndim != 2 or v.shape[1] != len(FACTORS) or v.dtype.kind not in "fiu":
        raise UserError(f"values: expected numbers [n, 18], got {v.dtype} {list(v.shape)}")
    v = v.astype(np.float64)
    for row, column in np.argwhere(~(np.abs(v) <= LARGEST_VALUE))[:1]:
        expected = f"finite numbers of magnitude at most {LARGEST_VALUE:g}"
        raise UserError(f"values: expected {expected}, got {v[row, column]} in row {row}, column {column}")
    if present.ndim != 2 or present.shape[1] not in (len(ATTRIBUTES), len(FACTORS)):
        raise UserError(f"presence: expected shape [n, 4] or [n, 18], got {list(present.shape)}")
    if len(present) != len(v):
        raise UserError(f"presence: expected {len(v)} rows, as many as values, got {len(present)}")
    if present.dtype.kind not in "biuf" or not np.isin(present, (0, 1)).all():
        raise UserError("presence: expected only 0 and 1")
    each = present.shape[1] == len(FACTORS)
    attributes = (present[:, _FIRST] if each else present).astype(bool)
    uneven = (present != (attributes[:, ATTRIBUTE_OF_FACTOR] if each else attributes)).any(axis=1)
    if uneven.any():
        expected = "expected equal values in columns 0-3, 4-9, 10-12 and 13-17"
        raise UserError(f"presence: row {np.argmax(uneven)} differs within an attribute; {expected}")
    pictures = np.empty((len(v), SIDE, SIDE), bool)
    for start in range(0, len(v), _CHUNK):  # the parts in the published order
        chunk = slice(start, start + _CHUNK)
        pictures[chunk] = _disc(np.full(1, 16.5), np.full(1, 16.5), np.full(1, 10.0))
        for part, shape, ink in ((0, _bow_tie, True), (2, _eyes, False), (3, _mouth, False), (1, _hat, True)):
            rows = start + np.flatnonzero(attributes[chunk, part])
            pictures[rows] = np.where(shape(*v[rows, GROUPS[part]].T), ink, pictures[rows])
    return pictures.view(np.uint8)


def crop(images: np.ndarray) -> np.ndarray:
    """The inner 28 x 28 pixels of images ``[n, 32, 32]``; bow ties and hats may lose their edges."""
    return images[:, 2:-2, 2:-2]


def _round(x: np.ndarray) -> np.ndarray:
    """Nearest integer, halves away from zero."""
    whole = np.trunc(x)
    return (whole + np.trunc(2 * (x - whole))).astype(np.int64)


def _disc(x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> np.ndarray:
    squared = (_PIXELS - y[:, None])[:, :, None] ** 2 + (_PIXELS - x[:, None])[:, None, :] ** 2
    return squared <= np.where(radius < 0, -1.0, radius**2)[:, None, None]


def _rectangle(x0: np.ndarray, x1: np.ndarray, y0: np.ndarray, y1: np.ndarray) -> np.ndarray:
    columns = (x0[:, None] <= _PIXELS) & (x1[:, None] >= _PIXELS)
    rows = (y0[:, None] <= _PIXELS) & (y1[:, None] >= _PIXELS)
    return rows[:, :, None] & columns[:, None, :]


def _eyes(v1: np.ndarray, v2: np.ndarray, v3: np.ndarray) -> np.ndarray:
    y, radius = 14 + v2, 2 + v3
    return _disc(16.5 - (4 + v1), y, radius) | _disc(16.5 + (4 + v1), y, radius)


def _mouth(v1: np.ndarray, v2: np.ndarray, v3: np.ndarray, v4: np.ndarray, v5: np.ndarray) -> np.ndarray:
    width, height, x, y = 4 + v1, 2 + v2, 16 + 0.5 * v3, 22 + 0.5 * v4
    x0, x1 = _round(x - width / 2), _round(x + width / 2)
    mask = _rectangle(x0, x1, _round(y - height / 2), _round(y + height / 2))
    near, far = _round(y + v5), _round(y + 1.4 * v5)
    for column, row in ((x1 + 1, near), (x1 + 2, far), (x0 - 1, near), (x0 - 2, far)):
        inside = (column >= 1) & (column <= SIDE) & (row >= 1) & (row <= SIDE)
        mask[np.flatnonzero(inside), row[inside] - 1, column[inside] - 1] = True
    return mask


def _hat(*v: np.ndarray) -> np.ndarray:
    v1, v2, v3, v4, v5, v6 = v
    x, y, width, height, crown = 16.5 + v1, 6 + v2, 15 + 3 * v3, 2 + 2 * v4, 10 + 2 * v5
    # Rows are counted on a canvas with five more rows on top, where rounding has its published sign.
    top, bottom = _round(y - height / 2) + 5, _round(y + height / 2) + 5
    crown_top = _round(top - (2 + v6))
    brim = _rectangle(_round(x - width / 2), _round(x + width / 2), top - 5, bottom - 5)
    return brim | _rectangle(_round(x - crown / 2), _round(x + crown / 2), crown_top - 5, top - 5)


def _bow_tie(v1: np.ndarray, v2: np.ndarray, v3: np.ndarray, v4: np.ndarray) -> np.ndarray:
    x, y, width, height = 16.5 + 0.5 * v1, 29 + v2, 12 + 3 * v3, 5 + 2 * v4
    left, top = _round(x - width / 2), _round(y - height / 2)
    mask = np.zeros((len(x), SIDE, SIDE), bool)
    sizes, which = np.unique(np.ceil([height, width]).astype(int), axis=1, return_inverse=True)
    for index, (rows, columns) in enumerate(sizes.T.tolist()):
        if rows < 1 or columns < 1:
            continue
        images = np.flatnonzero(which == index)
        # Pixels outside the template read its empty last row or column.
        row = _PIXELS - top[images, None]
        column = _PIXELS - left[images, None]
        row = np.where((row >= 0) & (row < rows), row, rows)
        column = np.where((column >= 0) & (column < columns), column, columns)
        mask[images] = _resized_bow_tie(rows, columns)[row[:, :, None], column[:, None, :]]
    return mask


@lru_cache(maxsize=1024)
def _resized_bow_tie(rows: int, columns: int) -> np.ndarray:
    """The template at another size, with one empty row and column after it."""
    import PIL.Image

    template = np.zeros((11, 17), np.float32)
    for row, filled in enumerate((3, 5, 7, 17, 17, 17, 7, 5, 3), start=1):
        template[row, :filled] = template[row, -filled:] = 1
    # Keys' cubic, antialiased; the template is mirrored at its ends as far as the kernel reaches.
    above, before = (int(2 * max(1, old / new)) + 2 for old, new in ((11, rows), (17, columns)))
    mirrored = PIL.Image.fromarray(np.pad(template, ((above, above), (before, before)), "symmetric"))
    box = (before, above, before + 17, above + 11)
    picture = np.asarray(mirrored.resize((columns, rows), PIL.Image.Resampling.BICUBIC, box))
    low, high = picture.min(), picture.max()
    if high > low:
        picture = (picture - low) / (high - low)
    return np.pad(picture >= 0.5, ((0, 1), (0, 1)))
