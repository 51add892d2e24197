"""The one rule for paths that are given to us: ``~`` is the home folder, and nothing is no path."""

from pathlib import Path

from vsc_jax.config.errors import UserError


def as_path(path: str | Path, what: str) -> Path:
    """The path with ``~`` expanded.

    Args:
      path: as it was given.
      what: the argument that it was given for, for an error.

    Raises:
      UserError: if it is empty, or begins with the home folder of nobody.
    """
    if path == "":
        raise UserError(f"{what}: expected a path, got ''")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"{what}: {str(path)!r} cannot be a path ({error})") from None
