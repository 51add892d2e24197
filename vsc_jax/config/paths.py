"""Paths that users give, and the folder for what can be made again: decoded data, compiled programs."""

import os
import platform
import sys
import warnings
import zlib
from pathlib import Path

from vsc_jax.config.errors import UserError


def as_path(path: str | Path, what: str) -> Path:
    """The path with ``~`` expanded; ``what`` names the argument in an error."""
    if path == "":
        raise UserError(f"{what}: expected a path, got ''")
    try:
        expanded = Path(path).expanduser()
        expanded.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # whoever reads or makes it will say
        pass
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{what}: {str(path)!r} cannot be a path ({error})") from None
    return expanded


def cache_folder() -> Path:
    """VSC_JAX_CACHE, else vsc_jax in XDG_CACHE_HOME or in the folder that the system has for caches."""
    if folder := os.environ.get("VSC_JAX_CACHE"):
        return Path(folder).expanduser()
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder).expanduser() / "vsc_jax"
    if sys.platform == "win32" and (folder := os.environ.get("LOCALAPPDATA")):
        return Path(folder) / "vsc_jax"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "vsc_jax"


def keep_compiled_programs() -> None:
    """Have JAX keep what it compiles in :func:`cache_folder`, at most 1 GiB; before JAX is imported.

    JAX's own variables go before: JAX_COMPILATION_CACHE_DIR keeps programs elsewhere,
    JAX_ENABLE_COMPILATION_CACHE=0 nowhere. A folder that cannot be written does nothing.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    processor = _processor()  # XLA compiles for it
    try:
        folder = cache_folder() / "compiled" / f"{platform.machine()}-{zlib.crc32(processor.encode()):08x}"
    except RuntimeError:
        return
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if existing is None or not existing.is_dir() or not os.access(existing, os.W_OK):
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    # A full disk, or a file that somebody damaged, costs a compilation and no words.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(2**30))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    if "GenuineIntel" in processor:
        # On some Intel processors XLA takes a tuning preference for an instruction that is missing, refuses
        # what it has stored, and says so at length (https://github.com/jax-ml/jax/issues/38445).
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _processor() -> str:
    """Maker and instructions of the first processor, as far as the system says."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    kept = ("vendor_id", "flags", "Features", "CPU implementer", "CPU part", "cpu family", "model\t")
    return "\n".join(line for line in lines if line.startswith(kept))
