"""Files: decoded arrays in the cache folder, downloads, and what is refused before it is read."""

import contextlib
import functools
import hashlib
import http.client
import json
import logging
import os
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import psutil

from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import cache_folder

_MANIFEST = "manifest.json"
_PATIENCE = 30  # seconds without an answer

logger = logging.getLogger(__name__)


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return psutil.virtual_memory().total


def check_memory(size: int, what: str, option: str) -> None:
    """Refuse an array of more bytes than the machine has, naming it and the option that makes it smaller."""
    if size > (most := machine_memory()):
        sizes = f"{size / 1e9:,.1f} GB, more than the {most / 1e9:,.1f} GB of memory here"
        raise UserError(f"{what} would take {sizes}; {option} makes them smaller")


def check_archive(archive: zipfile.ZipFile, largest: int) -> None:
    """Refuse an archive whose files would unpack outside its folder, or to more than ``largest`` bytes."""
    for info in archive.infolist():
        name = info.orig_filename  # as stored: zipfile itself turns some names into harmless ones
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if parts[:1] == ("/",) or ".." in parts or ":" in "".join(parts[:1]):
            raise UserError(f"refused, as {name!r} in it would unpack outside its folder")
    if (total := sum(info.file_size for info in archive.infolist())) > largest:
        expected = f"expected at most {largest / 1e9:,.1f}"
        raise UserError(f"refused, as it would unpack to {total / 1e9:,.1f} GB; {expected}")


def in_a_line(error: Exception) -> str:
    """What an error of the system or of a library says, in one line."""
    reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
    return " ".join(str(reason).split()) or type(error).__name__


@contextlib.contextmanager
def readable(says: str) -> Iterator[None]:
    """What libraries say of damaged files, each in errors of its own, in one line in place of ``{}``."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(says.replace("{}", in_a_line(error))) from None


@contextlib.contextmanager
def writing(place: object) -> Iterator[None]:
    """An error of the system as one that names the file or folder that cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{place}: cannot be written ({error.strerror})") from None


def fingerprint(files: Iterable[Path], *state: Any) -> str:
    """A short name of the files' state: another copy, size or time of change gives another one."""
    stats = ((str(file), file.stat()) for file in sorted(files))
    words = [*state, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]
    return hashlib.sha256(repr(words).encode()).hexdigest()[:16]


def cached(key: str, build: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays stored under ``key``, read-only and memory-mapped; built and stored if they are not there.

    The key changes whenever what ``build`` returns does. A damaged entry is built again; a folder that cannot
    be written only means that nothing is stored.
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
    except (OSError, ValueError, TypeError) as error:
        logger.warning("%s: damaged cache, decoding again (%s)", entry, error)
    arrays = build()
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        where: Any = {"prefix": f".{key}-", "dir": entry.parent, "ignore_cleanup_errors": True}
        # Written aside and renamed when complete; what the new entry replaces is removed with the rest.
        with tempfile.TemporaryDirectory(**where) as aside:
            (new := Path(aside) / "new").mkdir()
            for name, array in arrays.items():
                np.save(new / f"{name}.npy", array, allow_pickle=False)
            (new / _MANIFEST).write_text(json.dumps({name: _checksum(new, name) for name in arrays}))
            if entry.exists():
                entry.rename(Path(aside) / "old")
            new.rename(entry)
        return _open(entry)
    except (OSError, ValueError) as error:
        logger.warning("%s: no cache, the next start decodes again (%s)", entry, error)
        return arrays


def _open(entry: Path) -> dict[str, np.ndarray]:
    checksums = json.loads((entry / _MANIFEST).read_text())
    if {name: _checksum(entry, name) for name in checksums} != checksums:
        raise ValueError("a wrong checksum")
    return {name: np.load(entry / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in checksums}


def _checksum(entry: Path, name: str) -> int:
    with (entry / f"{name}.npy").open("rb") as file:
        blocks = iter(lambda: file.read(2**20), b"")
        return functools.reduce(lambda checksum, block: zlib.crc32(block, checksum), blocks, 0)


def downloaded(url: str, name: str, md5: str, option: str) -> Path:
    """The file at ``url``, downloaded once as ``name``; an error names the ``option`` that takes a file."""
    target = cache_folder() / "downloads" / name
    if target.is_file():
        return target
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
            content = answer.read()
        if (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != md5:
            raise OSError(f"expected a file of MD5 {md5}, got {found} of {len(content):,} bytes")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as aside:
            (Path(aside) / name).write_bytes(content)
            os.replace(Path(aside) / name, target)
    except (OSError, ValueError, http.client.HTTPException) as error:
        failed = f"{url} cannot be downloaded ({in_a_line(error)})"
        raise UserError(
            f"{target}: not there, and {failed}; get it on another machine, give {option}"
        ) from None
    return target
