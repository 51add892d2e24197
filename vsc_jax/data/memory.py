"""Refusing what cannot fit into this machine's memory, before it is tried."""

import os

from vsc_jax.config.errors import UserError


def machine_memory() -> int:
    """Bytes of memory that this machine has; where that cannot be told, more than any has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**62


def check_memory(size: int, what: str, option: str) -> None:
    """Refuse to make an array of ``size`` bytes where the machine has less memory.

    Raises:
      UserError: naming what it would be, and the option that makes it smaller.
    """
    most = machine_memory()
    if size > most:
        raise UserError(
            f"{what} would take {size / 1e9:,.1f} GB, more than the {most / 1e9:,.1f} GB of memory here;"
            f" {option} makes them smaller"
        )
