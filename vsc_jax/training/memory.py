"""When the device's memory does not suffice: which field to lower, and how far."""

import contextlib
from collections.abc import Callable, Iterator

import jax
import psutil

from vsc_jax.errors import UserError

# Left free in an estimate, for what the compiler's own figures leave out.
_MARGIN = 0.1


@contextlib.contextmanager
def memory_errors(advice: Callable[[], str]) -> Iterator[None]:
    """Tell an exhausted memory in one line: ``advice``, which names the field to lower.

    Raises:
      UserError: if the host's or the device's memory does not suffice.
    """
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise UserError(f"{advice()} (out of memory, {device_memory() / 2**30:.1f} GiB)") from None


def device_memory() -> int:
    """Bytes of the device's memory; a CPU's is the machine's."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    return statistics.get("bytes_limit") or psutil.virtual_memory().total


def fitting(compiled: Callable[[int], jax.stages.Compiled], too_large: int) -> int:
    """The largest batch that should fit, from the compiler's figures for two that are smaller.

    Args:
      compiled: the program for batches of a size, from shapes alone.
      too_large: a size that does not fit.

    Returns:
      The size, 0 if there is none.
    """
    if too_large < 4:
        return 0
    small, large = too_large // 4, too_large // 2
    needed = {}
    for size in (small, large):
        figures = compiled(size).memory_analysis()
        parts = ("argument", "output", "temp")
        needed[size] = sum(getattr(figures, f"{part}_size_in_bytes") for part in parts)
    per_example = (needed[large] - needed[small]) / (large - small)
    room = (1 - _MARGIN) * device_memory() - (needed[small] - small * per_example)
    return max(0, min(int(room / max(per_example, 1)), too_large - 1))
