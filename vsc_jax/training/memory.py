"""How much memory there is, what a compiled program takes of it, and one line when it does not suffice."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import psutil
from jax.stages import Compiled

from vsc_jax.config.errors import UserError

# Bytes that training holds of each parameter: its value, its gradient and Adam's two moments.
_BYTES_A_PARAMETER = 4 * 4
# Of what is free, for a wave of members: batches on the host and the allocator's waste need some too.
_SHARE = 0.8
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@contextlib.contextmanager
def memory_errors(advice: str) -> Iterator[None]:
    """Report an exhausted memory, of host or device, as ``advice``, which names the field to lower."""
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        words = ("RESOURCE_EXHAUSTED", "Out of memory")  # since and before JAX 0.9
        if not isinstance(error, MemoryError) and not any(word in str(error) for word in words):
            raise
        raise UserError(f"{advice} (out of memory, {device_memory() / 2**30:.1f} GiB)") from None


def device_memory() -> int:
    """Bytes of the device's memory; a CPU's is the machine's."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    return statistics.get("bytes_limit") or psutil.virtual_memory().total


def check_parameters(count: int, *, training: bool = True) -> None:
    """Refuse a model that cannot be trained, or just held, before memory is asked for."""
    if (needed := count * (_BYTES_A_PARAMETER if training else 4)) > device_memory():
        raise UserError(
            f"model.latents, model.hidden, model.pseudo_inputs: {count:,} parameters need"
            f" {needed / 2**30:,.1f} GiB, more than the device's {device_memory() / 2**30:,.1f}"
        )


def free_memory(devices: int = 1) -> int:
    """Most of the bytes that a device has left, or its share of what the machine has."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics is not None and "bytes_limit" in statistics:
        return int(_SHARE * (statistics["bytes_limit"] - statistics["bytes_in_use"]))
    free = psutil.virtual_memory().available
    used = psutil.Process().memory_info().rss
    for path in map(Path, _CGROUP_LIMITS):
        if path.is_file() and (limit := path.read_text().strip()).isdigit():
            free = min(free, int(limit) - used)
    return int(_SHARE * free) // devices


def bytes_needed(program: Compiled) -> int:
    """What a compiled program holds while it runs: arguments, results and everything in between."""
    analysis = program.memory_analysis()
    if analysis is None:  # a backend that does not say
        return 0
    sizes = analysis.argument_size_in_bytes + analysis.output_size_in_bytes + analysis.temp_size_in_bytes
    return int(sizes - analysis.alias_size_in_bytes)


def largest_wave(bytes_of: Callable[[int], int], members: int, memory: int, shared: int) -> int:
    """The most members, at least 1, whose program fits; all of them share ``shared`` of its bytes."""
    size = members
    while size > 1 and (needed := bytes_of(size)) > memory:
        each = max(1, (needed - shared) // size)
        size = max(1, min(size - 1, (memory - shared) // each))
    return size
