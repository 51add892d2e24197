"""Examples in memory, or read when they are asked for: rows of a mapped file, or of a source.

What lies in a mapped file and takes more than ``LARGE`` bytes becomes a :class:`LazyArray`, which reads its
rows from the file itself: the pages of a mapping, up to 2 MiB a row, count as this process's memory while
they are mapped.
"""

import contextlib
import itertools
import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import cache_folder

LARGE = 2**28  # bytes from which a memory-mapped array is read piece by piece
CHUNK_BYTES = 2**24  # of an array that are looked at together, so that a pass over it needs little memory
LARGEST_IN_MEMORY = 2**30  # bytes up to which `scratch` takes memory
_DRAWN_TOGETHER = 4096  # examples

Block = TypeVar("Block")
Convert = Callable[[np.ndarray], np.ndarray]


class LazyArray:
    """An array ``[n, ...]`` whose rows are read, and decoded, when they are asked for.

    ``read`` gives the rows at some indices, ``[m, ...]`` for int ``[m]``; it is called from several threads.
    """

    def __init__(self, read: Convert, shape: tuple[int, ...], dtype: np.dtype):
        self._read, self.shape, self.dtype = read, shape, dtype
        self.ndim, self.size = len(shape), math.prod(shape)
        self.nbytes = self.size * dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | np.integer | slice | np.ndarray) -> np.ndarray:
        """Rows in memory: one by its number, a slice of them, or those at an array of indices."""
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        chosen = np.asarray(index)
        return self._read(chosen.ravel()).reshape(chosen.shape + self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)


Examples = np.ndarray | LazyArray


def from_source(source: Any, decode: Callable[[Any], np.ndarray] = np.asarray) -> LazyArray:
    """The records of a random-access source as an array that is decoded while it is read.

    ``source`` has a length and gives records by number, to several threads: an ArrayRecord source of Grain,
    ``tfds.data_source``, your own class. ``decode`` makes of each an example, all of one shape and dtype.
    """
    first = decode(source[0])

    def read(rows: np.ndarray) -> np.ndarray:
        decoded = np.empty((len(rows), *first.shape), first.dtype)
        for place, row in enumerate(rows):
            decoded[place] = decode(source[int(row)])
        return decoded

    return LazyArray(read, (len(source), *first.shape), first.dtype)


def select(
    x: Examples, rows: slice | np.ndarray = slice(None), convert: Convert = lambda values: values
) -> Examples:
    """Some rows of ``x`` (a slice, indices or a mask ``[n]``), their values changed by ``convert``.

    They are still to be read where x is, or is large and memory-mapped.
    """
    read: Convert
    if isinstance(x, LazyArray):
        read = x.__getitem__
    elif x.nbytes > LARGE and (mapping := _mapping(x)) is not None:
        read = _file_reader(x, mapping)
    else:
        return convert(x[rows])
    indices = np.arange(len(x))[rows]
    dtype = convert(np.empty((0, *x.shape[1:]), x.dtype)).dtype
    return LazyArray(lambda index: convert(read(indices[index])), (len(indices), *x.shape[1:]), dtype)


def chunks(x: Examples) -> Iterator[np.ndarray]:
    """All rows of ``x``, few enough at a time to need little memory."""
    rows = max(1, CHUNK_BYTES // max(1, x.nbytes // max(1, len(x))))
    for start in range(0, len(x), rows):
        yield x[start : start + rows]


def scratch(shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array to be filled: in memory, or, above 1 GiB, in a file that goes with the process.

    The file lies in the cache's folder where that can be written, else in the system's for temporary files.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGEST_IN_MEMORY:
        return np.empty(shape, dtype)
    folder = None
    with contextlib.suppress(OSError, RuntimeError):
        (found := cache_folder()).mkdir(parents=True, exist_ok=True)
        folder = found if os.access(found, os.W_OK) else None
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            if hasattr(os, "posix_fallocate"):  # a full disk would else end the process
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise UserError(f"no room on the disk for {size / 1e9:,.1f} GB ({error.strerror})") from None
        return np.memmap(file, dtype, mode="w+", shape=shape)


def bernoulli_draw(x: Examples, rng: np.random.Generator) -> np.ndarray:
    """Binary data from grey values: one Bernoulli draw of every value, uint8, 0 or 255, in a :func:`scratch`.

    ``x`` holds probabilities ``[n, ...]``: uint8, which stands for x / 255, or float in [0, 1]. The draw of
    the first examples does not depend on how many follow.
    """
    drawn = scratch(x.shape, np.uint8)
    for start in range(0, len(x), _DRAWN_TOGETHER):
        chunk = x[start : start + _DRAWN_TOGETHER]
        if x.dtype == np.uint8:
            ones = rng.integers(0, 255, chunk.shape, np.uint8) < chunk
        else:
            ones = rng.random(chunk.shape, np.float32) < chunk
        drawn[start : start + _DRAWN_TOGETHER] = np.where(ones, 255, 0)
    return drawn


@contextlib.contextmanager
def read_ahead(read: Callable[[int], Block], blocks: int) -> Iterator[Iterator[Block]]:
    """The results of ``read(0)``, ``read(1)``, ... and their errors, two made ahead in threads of Grain."""
    import grain  # it takes as long to import as Orbax

    source = grain.MapDataset.range(blocks).map(lambda number: read(int(number)))
    iterator = iter(source.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=2)))
    try:
        yield iterator
    finally:
        iterator.close()


def _mapping(x: Any) -> np.memmap | None:
    """The memory-mapped array that ``x`` is a view of."""
    while x is not None and not (isinstance(x, np.memmap) and isinstance(x.base, mmap.mmap)):
        x = getattr(x, "base", None)
    return x


def _file_reader(x: np.ndarray, mapping: np.memmap) -> Convert:
    """Reads rows of a memory-mapped array from its file; from the mapping where that cannot be."""
    if mapping.mode == "c" or mapping.filename is None or not x.flags.c_contiguous:
        return x.__getitem__
    try:
        file = os.open(mapping.filename, os.O_RDONLY)
        os.preadv(file, [bytearray(1)], 0)
    except (OSError, AttributeError):  # the file has no name any more, or the system no such call
        return x.__getitem__
    begin, row_bytes = mapping.offset + x.ctypes.data - mapping.ctypes.data, x[:1].nbytes

    def read(index: np.ndarray) -> np.ndarray:
        rows = np.empty((len(index), *x.shape[1:]), x.dtype)
        view = rows.reshape(-1).view(np.uint8).data
        # Successive rows are read together.
        ends = [0, *(np.flatnonzero(np.diff(index) != 1) + 1).tolist(), len(index)]
        for start, end in itertools.pairwise(ends):
            part = view[start * row_bytes : end * row_bytes]
            place = begin + int(index[start]) * row_bytes if part else 0
            while part:
                if not (count := os.preadv(file, [part], place)):
                    raise OSError("a file of examples has become shorter while it was read")
                part, place = part[count:], place + count
        return rows

    weakref.finalize(read, os.close, file)
    return read
