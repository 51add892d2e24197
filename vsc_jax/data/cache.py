"""The cache folder: decoded arrays, memory-mapped and checked, and files from the network, each made once."""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import cache_folder

_MANIFEST = "manifest.json"
_PATIENCE = 30  # seconds without an answer

logger = logging.getLogger(__name__)


def fingerprint(files: Iterable[Path], *state: Any) -> str:
    """A short name of the files' state: another copy, size or time of change gives another one."""
    stats = ((str(file), file.stat()) for file in sorted(files))
    words = [*state, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]
    return hashlib.sha256(repr(words).encode()).hexdigest()[:16]


def cached(key: str, build: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays stored under ``key``, read-only and memory-mapped; built and stored if they are not there.

    The key is a file name that changes whenever what ``build`` returns changes. A damaged entry is built
    again. A folder that cannot be written only means that nothing is stored.
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
        entry.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed when complete; what the new entry replaces is removed with the rest.
        with tempfile.TemporaryDirectory(
            prefix=f".{key}-", dir=entry.parent, ignore_cleanup_errors=True
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


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def downloaded(url: str, name: str, md5: str, option: str) -> Path:
    """The file at ``url``, called ``name`` here, downloaded if that has not been done before.

    Raises:
      UserError: naming the option that takes a file, if it is not at hand and cannot be downloaded, or has
        another checksum than ``md5``; such a file is not kept.
    """
    target = cache_folder() / "downloads" / name
    if target.is_file():
        return target
    logger.info("downloading %s", url)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as aside:
            new = Path(aside) / name
            with urllib.request.urlopen(url, timeout=_PATIENCE) as answer, new.open("wb") as file:
                shutil.copyfileobj(answer, file)
                size, expected = file.tell(), answer.headers.get("Content-Length")
            if expected is not None and size != int(expected):
                raise OSError(f"got {size} of {expected} bytes")
            with new.open("rb") as file:
                found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if found != md5:
                raise OSError(f"expected a file of MD5 {md5}, got {found}")
            os.replace(new, target)
    except (OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise UserError(
            f"{target}: not there, and {url} cannot be downloaded ({reason}); get it on another machine and"
            f" give {option}"
        ) from None
    return target
