"""What is refused before it is read: more than the machine's memory, and archives that look hostile."""

import zipfile
from pathlib import Path, PurePosixPath

import psutil

from vsc_jax.config.errors import UserError


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return psutil.virtual_memory().total


def check_memory(size: int, what: str, option: str) -> None:
    """Refuse an array of more bytes than the machine has, naming it and the option that makes it smaller."""
    most = machine_memory()
    if size > most:
        raise UserError(
            f"{what} would take {size / 1e9:,.1f} GB, more than the {most / 1e9:,.1f} GB of memory here;"
            f" {option} makes them smaller"
        )


def check_archive(archive: zipfile.ZipFile, path: Path, largest: int) -> None:
    """Refuse an archive whose files would unpack outside its folder, or to more than ``largest`` bytes."""
    total = 0
    for info in archive.infolist():
        # As stored: zipfile itself turns some of these names into harmless ones.
        name = getattr(info, "orig_filename", info.filename)
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if parts[:1] == ("/",) or ".." in parts or ":" in "".join(parts[:1]):
            raise UserError(f"{path}: refused, as {name!r} in it would unpack outside its folder")
        total += info.file_size
    if total > largest:
        raise UserError(
            f"{path}: refused, as it would unpack to {total / 1e9:,.1f} GB;"
            f" expected at most {largest / 1e9:,.1f}"
        )
