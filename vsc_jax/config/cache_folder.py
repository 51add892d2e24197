"""Where things are kept between starts that can be made again: decoded data, compiled programs."""

import os
import platform
import sys
import warnings
import zlib
from pathlib import Path

_COMPILED_BYTES = 2**30
_LOUDEST = "3"  # of XLA's log: fatal errors alone


def cache_folder() -> Path:
    """VSC_JAX_CACHE, else vsc_jax in XDG_CACHE_HOME or in the folder that the system has for caches.

    Raises:
      RuntimeError: for a user without a home folder.
    """
    if own := os.environ.get("VSC_JAX_CACHE"):
        return Path(own).expanduser()
    if user := os.environ.get("XDG_CACHE_HOME"):
        return Path(user).expanduser() / "vsc_jax"
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "vsc_jax"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "vsc_jax"


def keep_compiled_programs() -> None:
    """Have JAX keep what it compiles, so that the next start compiles nothing; before JAX is imported.

    At most 1 GiB in :func:`cache_folder`, the least recently used goes first; a folder for each kind of
    processor, for which XLA compiles. JAX's own variables go before: JAX_COMPILATION_CACHE_DIR keeps programs
    elsewhere, JAX_ENABLE_COMPILATION_CACHE=0 nowhere. A folder that cannot be written does nothing.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    processor = _processor()
    try:
        folder = cache_folder() / "compiled" / f"{platform.machine()}-{zlib.crc32(processor.encode()):08x}"
    except RuntimeError:
        return
    parent = next((path for path in folder.parents if path.exists()), None)
    if parent is None or not parent.is_dir() or not os.access(folder if folder.exists() else parent, os.W_OK):
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    # A full disk, or a file that somebody damaged, costs a compilation and no words.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_COMPILED_BYTES))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    if "GenuineIntel" in processor:
        # On some Intel processors XLA takes a tuning preference for an instruction that is missing, refuses
        # what it has stored, and says so at length (https://github.com/jax-ml/jax/issues/38445).
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _LOUDEST)


def _processor() -> str:
    """Maker and instructions of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    # The first processor's paragraph.
    told = ("vendor_id", "flags", "Features", "CPU implementer", "CPU part", "cpu family", "model\t")
    return "\n".join(line for line in lines if line.startswith(told))
