"""Reading examples ahead of their use, in the threads of Grain."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

Block = TypeVar("Block")


@contextlib.contextmanager
def read_ahead(read: Callable[[int], Block], blocks: int) -> Iterator[Iterator[Block]]:
    """The results of ``read(0)``, ``read(1)``, ... in this order, two of them made ahead in two threads.

    An error in ``read`` is raised where its block is due.
    """
    import grain  # it takes as long to import as Orbax

    source = grain.MapDataset.range(blocks).map(lambda number: read(int(number)))
    iterator = iter(source.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=2)))
    try:
        yield iterator
    finally:
        iterator.close()


def filled(rows: np.ndarray, length: int) -> np.ndarray:
    """``rows`` with zeros behind them, so that there are ``length``."""
    if len(rows) == length:
        return rows
    return np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]), rows.dtype)])
