"""Reading examples ahead of their use: Grain's threads read and decode, the caller says which.

Which examples come when is a pure function of a block's number, so that reading may start at any block
and nothing has to be saved to go on later.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

Block = TypeVar("Block")

_THREADS = 2
_AHEAD = 2  # blocks that are read, or being read, while another one is used


@contextlib.contextmanager
def read_ahead(read: Callable[[int], Block], blocks: int) -> Iterator[Iterator[Block]]:
    """The results of ``read(0)``, ``read(1)``, ... in this order, made ahead of time in threads.

    Args:
      read: makes one block; called from several threads.
      blocks: how many there are.

    Yields:
      An iterator of the blocks. An error in ``read`` is raised where its block is due.
    """
    import grain  # it takes as long to import as Orbax

    source = grain.MapDataset.range(blocks).map(lambda number: read(int(number)))
    options = grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=_AHEAD)
    iterator = iter(source.to_iter_dataset(options))
    try:
        yield iterator
    finally:
        iterator.close()


def filled(rows: np.ndarray, length: int) -> np.ndarray:
    """``rows`` with zeros behind them, so that there are ``length``."""
    if len(rows) == length:
        return rows
    return np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]), rows.dtype)])
