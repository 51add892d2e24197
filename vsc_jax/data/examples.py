"""Examples that need not be in memory: rows of a memory-mapped file, or of a source that decodes them.

Small arrays are arrays of NumPy. What is larger than ``LARGE`` and lies in a memory-mapped file becomes a
:class:`LazyArray`, which reads rows from the file when they are asked for. It does not look at the mapping:
the pages that it would touch, up to 2 MiB a row, count as this process's memory while they are mapped.
"""

import itertools
import math
import mmap
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np

LARGE = 2**28
"""Bytes from which a memory-mapped array is read piece by piece."""
CHUNK_BYTES = 2**24
"""How much of an array is looked at together, so that a pass over it needs little memory."""

Convert = Callable[[np.ndarray], np.ndarray]

_ALL = slice(None)


def _same(values: np.ndarray) -> np.ndarray:
    return values


@runtime_checkable
class Source(Protocol):
    """Anything that gives a record by its number, as Grain and ``tfds.data_source`` do."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class LazyArray:
    """An array ``[n, ...]`` whose rows are read, and decoded, when they are asked for.

    Args:
      read: the rows at some indices, ``[m, ...]`` for int ``[m]``; called from several threads.
      shape: shape of the whole array.
      dtype: its dtype.
    """

    def __init__(self, read: Convert, shape: tuple[int, ...], dtype: np.dtype):
        self._read = read
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array, were it in memory."""
        return self.size * self.dtype.itemsize

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
"""Examples in memory, or to be read."""


def from_source(source: Source, decode: Callable[[Any], np.ndarray] = np.asarray) -> LazyArray:
    """The records of a random-access source as an array that is decoded while it is read.

    Args:
      source: gives records by number: an ArrayRecord source of Grain, ``tfds.data_source``, your own class.
        Read from several threads.
      decode: makes an example, always of the same shape and dtype, from a record.
    """
    example = decode(source[0])

    def read(rows: np.ndarray) -> np.ndarray:
        records = (source[int(row)] for row in rows)
        return _stacked((decode(record) for record in records), len(rows), example)

    return LazyArray(read, (len(source), *example.shape), example.dtype)


def select(x: Examples, rows: slice | np.ndarray = _ALL, convert: Convert = _same) -> Examples:
    """Some rows of ``x``, converted; still to be read where x is, or is large and memory-mapped.

    Args:
      x: the array ``[n, ...]``.
      rows: a slice, indices or a mask ``[n]``.
      convert: changes the values, not the shape, of rows ``[m, ...]``.
    """
    if isinstance(x, np.ndarray) and (x.nbytes <= LARGE or _mapping(x) is None):
        return convert(x[rows])
    read = x.__getitem__ if isinstance(x, LazyArray) else _file_reader(x)
    indices = np.arange(len(x))[rows]
    dtype = convert(np.empty((0, *x.shape[1:]), x.dtype)).dtype
    return LazyArray(lambda index: convert(read(indices[index])), (len(indices), *x.shape[1:]), dtype)


def chunks(x: Examples) -> Iterator[np.ndarray]:
    """All rows of ``x``, few enough at a time to need little memory."""
    rows = max(1, CHUNK_BYTES // max(1, x.nbytes // max(1, len(x))))
    for start in range(0, len(x), rows):
        yield x[start : start + rows]


def give_back(x: np.ndarray) -> None:
    """Let go of the pages of a memory-mapped array, which count as this process's memory until then."""
    mapping = _mapping(x)
    # The pages of a mapping that is private to the process hold what is in no file.
    if mapping is not None and mapping.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        assert isinstance(mapping.base, mmap.mmap)
        mapping.base.madvise(mmap.MADV_DONTNEED)


def _stacked(examples: Iterable[np.ndarray], n: int, like: np.ndarray) -> np.ndarray:
    stacked = np.empty((n, *like.shape), like.dtype)
    for row, example in enumerate(examples):
        stacked[row] = example
    return stacked


def _mapping(x: Any) -> np.memmap | None:
    """The memory-mapped array that ``x`` is a view of."""
    while x is not None and not (isinstance(x, np.memmap) and isinstance(x.base, mmap.mmap)):
        x = getattr(x, "base", None)
    return x


def _file_reader(x: np.ndarray) -> Convert:
    """Reads rows of a memory-mapped array from its file; from the mapping where that cannot be."""
    mapping = _mapping(x)
    assert mapping is not None
    row_bytes = x[:1].nbytes
    if mapping.mode == "c" or mapping.filename is None or not x.flags.c_contiguous:
        return x.__getitem__
    try:
        file = os.open(mapping.filename, os.O_RDONLY)
        os.preadv(file, [bytearray(1)], 0)
    except (OSError, AttributeError):  # the file has no name any more, or the system no such call
        return x.__getitem__
    begin = mapping.offset + x.ctypes.data - mapping.ctypes.data

    def read(index: np.ndarray) -> np.ndarray:
        rows = np.empty((len(index), *x.shape[1:]), x.dtype)
        view = rows.reshape(-1).view(np.uint8).data
        # Successive rows are read together.
        ends = [*(np.flatnonzero(np.diff(index) != 1) + 1).tolist(), len(index)]
        for start, end in itertools.pairwise((0, *ends)):
            part = view[start * row_bytes : end * row_bytes]
            _fill(part, file, begin + int(index[start]) * row_bytes if len(index) else 0)
        return rows

    weakref.finalize(read, os.close, file)
    return read


def _fill(view: memoryview, file: int, offset: int) -> None:
    while view:
        count = os.preadv(file, [view], offset)
        if not count:
            raise OSError("a file of examples has become shorter while it was read")
        view, offset = view[count:], offset + count
