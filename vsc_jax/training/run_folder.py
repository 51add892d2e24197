"""The run folder: what a run writes, and how it is read again.

``config.json`` (as asked for), ``data.json`` (a description of the data), ``steps.json`` (what the setting
``train.steps`` auto has tried), ``metrics.jsonl`` (one object a log step), ``checkpoints/`` (Orbax),
``results.json`` and ``figures/``. Files are replaced whole, by renaming, so that a reader never sees half of
one; ``.lock`` is held while a process works on the run.
"""

import contextlib
import errno
import json
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from vsc_jax.config import FREE, Config, from_json, to_dict, to_flat
from vsc_jax.config.errors import UserError
from vsc_jax.config.fields import finite, first_difference, read_json
from vsc_jax.data.identity import difference as data_difference

Row = dict[str, Any]

logger = logging.getLogger(__name__)

_OF_A_RUN = ("checkpoints", "metrics.jsonl", "results.json", "steps.json")
# Errors of a disk or a folder, not of this program.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}


def identity(config: Config) -> dict[str, Any]:
    """What defines a run: plain values by dotted name, less what changes only what is shown or kept."""
    values = to_flat(config, without=[FREE])
    blend, model = config.schedule.prior_blend, config.model
    used = model.mixture and max(blend.start, blend.end) > 0
    values["model.prior_rate"] = model.blended_rate if used else None
    for name in ("prior", "inference", "usage_weight", "noise"):  # "auto" is what it comes to
        of_model = model.kind == "vsc" or name == "noise"
        values[f"model.{name}"] = getattr(model, f"{name}_used") if of_model else None
    if model.inference_used == "encoder":  # runs of older versions have the default in writing
        values["model.alpha"] = model.rate
    return values


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` in one step; a number that is not finite becomes null."""
    write_file(path, json.dumps(finite(value), indent=2) + "\n")


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file in one step: a reader never sees half of it. Its folder must exist."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.replace(temporary, path)


def read_results(path: Path) -> dict[str, Any]:
    """:func:`read_json` of a ``results.json``, with NaN for what was not finite."""
    return {name: math.nan if value is None else value for name, value in read_json(path).items()}


@contextlib.contextmanager
def hold(workdir: Path) -> Iterator[None]:
    """Lock ``workdir``, made when missing, for this process; the lock ends when the process does.

    An error of the disk, now or later, is one line.
    """
    try:
        if workdir.exists() and not workdir.is_dir():
            raise UserError(f"--workdir: {workdir} is a file, not a folder")
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--workdir: cannot make {workdir}: {error.strerror}") from None
    if not os.access(workdir, os.W_OK | os.X_OK):
        raise UserError(f"--workdir: {workdir} is not writable")
    lock = filelock.FileLock(workdir / ".lock", blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise UserError(
            f"--workdir: {workdir} is in use by another process; wait for its end or choose another folder"
        ) from None
    except OSError as error:
        raise UserError(f"--workdir: cannot write to {workdir}: {error.strerror}") from None
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise
        raise UserError(f"{error.filename or workdir}: cannot be written ({error.strerror})") from None
    finally:
        lock.release()


def claim(workdir: Path, config: Config, data: dict[str, Any]) -> None:
    """Make ``workdir``, which is held, the folder of this run on ``data``, or check that it is already."""
    path, wrong = workdir / "config.json", ""
    if found := path.exists():
        there, asked = identity(from_json(path)), identity(config)
        described = read_json(workdir / "data.json")
        if "digest" not in described:  # of a version that kept the name of data which it did not use
            there["data.name"] = asked["data.name"]
        if difference := first_difference(there, asked):
            wrong = f"with another configuration ({difference})"
        elif difference := data_difference(described, data):
            wrong = f"on other data ({difference})"
    elif any((workdir / name).exists() for name in _OF_A_RUN):
        wrong = "without config.json"
    if wrong:
        raise UserError(f"--workdir: {workdir} holds a run {wrong}; choose another folder")
    if not found:
        if config.data.path is not None:  # as it is from here: a later start may be in another folder
            data = {**data, "path": os.path.abspath(config.data.path.expanduser())}
        write_json(workdir / "data.json", data)
        write_json(path, to_dict(config))


class MetricsLog:
    """``metrics.jsonl``: append-only while training, cut back to the checkpoint's ``step`` on resume.

    Without a ``path`` the rows stay in memory. Later rows and a torn last line are dropped. Where rows up to
    ``step`` are missing, the damaged file is kept as ``metrics.jsonl.damaged``, and that is logged.
    """

    def __init__(self, path: Path | None, step: int):
        self._path = path
        self.rows: list[Row] = []
        if path is None:
            return
        self.rows = [row for row in read_rows(path) if row["step"] <= step]
        if step > 0 and (not self.rows or self.rows[-1]["step"] < step):
            logger.warning("%s: damaged; the rows before iteration %d are not all there", path, step)
            with contextlib.suppress(FileNotFoundError):
                path.replace(path.with_name(path.name + ".damaged"))
        write_file(path, "".join(json.dumps(row) + "\n" for row in self.rows))

    def append(self, row: Row) -> None:
        """Add a row, on disk when this returns."""
        self.rows.append(row)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def read_rows(path: Path) -> list[Row]:
    """Rows of a ``metrics.jsonl``, up to the first line that is not a whole row."""
    rows: list[Row] = []
    if not path.exists():
        return rows
    for line in path.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(row, dict) or type(row.get("step")) is not int:
            break
        rows.append(row)
    return rows
