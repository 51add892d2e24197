"""Decoded arrays kept on disk between starts: memory-mapped, checked and never half written."""

import json
import logging
import math
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from vsc_jax.config.cache_folder import cache_folder
from vsc_jax.config.errors import UserError

_MANIFEST = "manifest.json"
_LARGEST_IN_MEMORY = 2**30

logger = logging.getLogger(__name__)


def scratch(shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array to be filled: in memory, or, above 1 GiB, in a file that goes with the process.

    The file lies in the cache's folder where that can be written, else in the system's for temporary files.

    Raises:
      UserError: if the disk has no room for it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= _LARGEST_IN_MEMORY:
        return np.empty(shape, dtype)
    with _unnamed_file() as file:
        try:
            if hasattr(os, "posix_fallocate"):  # a full disk would else end the process
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise UserError(f"no room on the disk for {size / 1e9:,.1f} GB ({error.strerror})") from None
        return np.memmap(file, dtype, mode="w+", shape=shape)


def _unnamed_file() -> IO[bytes]:
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=cache_folder())
    except (OSError, RuntimeError):
        return tempfile.TemporaryFile()


def cached(key: str, build: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays stored under ``key``, read-only and memory-mapped; built and stored if they are not there.

    A damaged entry is built again. A folder that cannot be written only means that nothing is stored.

    Args:
      key: a file name that changes whenever what ``build`` returns changes.
      build: makes the named arrays (no Python objects in them).
    """
    try:
        entry = cache_folder() / key
    except RuntimeError as error:  # a user without a home folder
        logger.warning("no cache: %s", error)
        return build()
    try:
        return _open(entry)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        logger.warning("%s: damaged cache, decoding again (%s)", entry, error)
    arrays = build()
    try:
        _write(entry, arrays)
        return _open(entry)
    except (OSError, ValueError) as error:
        logger.warning("%s: no cache, the next start decodes again (%s)", entry, error)
        return arrays


def _open(entry: Path) -> dict[str, np.ndarray]:
    checksums = json.loads((entry / _MANIFEST).read_text())
    if not isinstance(checksums, dict):
        raise ValueError(f"{_MANIFEST} is no JSON object")
    arrays = {}
    for name, checksum in checksums.items():
        path = entry / f"{name}.npy"
        if _checksum(path) != checksum:
            raise ValueError(f"{path.name} has a wrong checksum")
        arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
    return arrays


def _write(entry: Path, arrays: dict[str, np.ndarray]) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and renamed when complete; what the new entry replaces is removed with the rest.
    with tempfile.TemporaryDirectory(
        prefix=f".{entry.name}-", dir=entry.parent, ignore_cleanup_errors=True
    ) as aside:
        new = Path(aside) / "new"
        new.mkdir()
        for name, array in arrays.items():
            np.save(new / f"{name}.npy", array, allow_pickle=False)
        checksums = {name: _checksum(new / f"{name}.npy") for name in arrays}
        (new / _MANIFEST).write_text(json.dumps(checksums))
        if entry.exists():
            entry.rename(Path(aside) / "old")
        new.rename(entry)


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            checksum = zlib.crc32(block, checksum)
    return checksum
