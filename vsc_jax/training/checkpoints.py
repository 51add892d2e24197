"""Checkpoints of the training state, kept by Orbax.

Orbax is imported on first use: it takes longer to import than everything else together.
"""

import errno
import gc
import logging
import os
import shutil
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from vsc_jax.config import CheckpointConfig
from vsc_jax.config.errors import UserError
from vsc_jax.training.step import TrainState

Tree = TypeVar("Tree")
_STRAGGLERS_SECONDS = 0.3
_CHECKSUM = "checksum"
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)

logger = logging.getLogger(__name__)


class Checkpoints:
    """The newest checkpoints of one run.

    Args:
      folder: where they live; made when missing.
      config: how many are kept; without it nothing in the folder is changed.
    """

    def __init__(self, folder: Path, config: CheckpointConfig | None = None):
        import orbax.checkpoint as ocp

        self._ocp = ocp
        self._folder = folder.resolve()
        self._writable = config is not None
        alone = None
        if (processes := jax.process_count()) > 1:
            # Checkpoints are this process's own business: the others are not waited for.
            me = jax.process_index()
            alone = ocp.options.MultiprocessingOptions(
                primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"{me}_of_{processes}"
            )
            if self._writable:
                self._folder.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=None if config is None else config.keep,
            create=self._writable and alone is None,
            cleanup_tmp_directories=self._writable,
            multiprocessing_options=alone or ocp.options.MultiprocessingOptions(),
        )
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def latest_step(self) -> int | None:
        """Iteration of the newest checkpoint, or None."""
        return self._manager.latest_step()

    def save(self, state: TrainState) -> None:
        """Save the state under its step; returns when it is on disk.

        Raises:
          UserError: if it cannot be written; the checkpoints before it stay.
        """
        leaves = named_leaves(state)
        if jax.process_count() > 1:  # Orbax refuses arrays of JAX that not all processes have
            leaves = jax.tree.map(np.asarray, leaves)
        leaves[_CHECKSUM] = _checksum(leaves)
        step = int(state.step)

        def write() -> None:
            self._manager.save(step, args=self._ocp.args.StandardSave(leaves))
            self._manager.wait_until_finished()

        _, reason = _quietly(write)
        if reason:
            raise UserError(f"{self._folder / str(step)}: cannot be written ({reason})")

    def restore(self, template: TrainState) -> TrainState:
        """The newest state that can be read, in the structure of ``template``.

        A damaged checkpoint is told in the log, and the one before it is taken. Where checkpoints may be
        written, the damaged one is set aside as ``STEP.damaged``, so that its step can be saved again.

        Raises:
          UserError: if there is none, or none that is whole and fits the model.
        """
        damaged: list[Path] = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            leaves = self._read(step, template)
            if leaves is not None:
                self._set_aside(damaged, step)
                return with_leaves(template, leaves)
            damaged.append(self._folder / str(step))
        if not damaged:
            raise UserError(f"{self._folder}: no checkpoint")
        raise UserError(
            f"{damaged[0]}: a damaged checkpoint, or one of another model, and there is no other;"
            f" without {self._folder} the run starts anew"
        )

    def _read(self, step: int, template: TrainState) -> dict[str, Any] | None:
        """The arrays of a checkpoint; None if it is damaged or of another model."""
        target = jax.tree.map(_abstract, named_leaves(template))
        target[_CHECKSUM] = np.zeros((), np.uint32)
        arguments = self._ocp.args.StandardRestore(target)
        leaves, _ = _quietly(lambda: self._manager.restore(step, args=arguments))
        return None if leaves is None or leaves.pop(_CHECKSUM) != _checksum(leaves) else leaves

    def _set_aside(self, damaged: list[Path], step: int) -> None:
        for path in damaged:
            logger.warning("%s: damaged; going on from iteration %d, saved before it", path, step)
            if self._writable:
                aside = path.with_name(path.name + ".damaged")
                shutil.rmtree(aside, ignore_errors=True)
                path.rename(aside)
        self._manager.reload()

    def close(self) -> None:
        """Release Orbax's threads."""
        self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _quietly(work: Callable[[], Tree]) -> tuple[Tree | None, str]:
    """The result of reading or writing, or None and the reason why it failed, without Orbax's complaints."""
    # The reads and writes that a failure leaves unfinished end after their event loop, or when they are
    # collected, and print tracebacks: they are waited for and collected here, with nobody listening.
    hook, sys.unraisablehook = sys.unraisablehook, lambda event: None
    asyncio_logger = logging.getLogger("asyncio")
    disabled, asyncio_logger.disabled = asyncio_logger.disabled, True
    reason = ""
    try:
        try:
            return work(), reason
        except (ValueError, KeyError, OSError) as error:
            reason = _reason(error)
        time.sleep(_STRAGGLERS_SECONDS)
        gc.collect()
        return None, reason
    finally:
        sys.unraisablehook, asyncio_logger.disabled = hook, disabled


def _reason(error: Exception) -> str:
    """Why the disk failed, in the system's own words: TensorStore's errors are ValueErrors that hold them."""
    text = " ".join(str(error).split())
    known = (words for words in map(os.strerror, _DISK_ERRORS) if words in text)
    return next(known, text or type(error).__name__)


def _checksum(leaves: dict[str, Any]) -> np.ndarray:
    """CRC-32 of all arrays: Orbax does not notice a flipped bit."""
    value = 0
    for name in sorted(leaves):
        value = zlib.crc32(np.asarray(leaves[name]).tobytes(), value)
    return np.array(value, np.uint32)


def named_leaves(tree: Any) -> dict[str, Any]:
    """The arrays of a pytree by name, such as ``params/encoder/layers/0/kernel``."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {_name(path): leaf for path, leaf in leaves}


def with_leaves(template: Tree, leaves: dict[str, Any]) -> Tree:
    """A pytree like ``template`` with the arrays of :func:`named_leaves`.

    Raises:
      KeyError: if an array is missing.
    """
    paths, structure = jax.tree_util.tree_flatten_with_path(template)
    return jax.tree.unflatten(structure, [leaves[_name(path)] for path, _ in paths])


def checked(path: Path, template: Tree, leaves: dict[str, Any]) -> Tree:
    """:func:`with_leaves`, for arrays that come from a file.

    Raises:
      UserError: naming the file and the first array that is missing, unknown or of another shape or type.
    """
    templates = named_leaves(template)
    for name in sorted(templates.keys() | leaves.keys()):
        for what in ("shape", "dtype"):
            expected, found = (getattr(tree.get(name), what, None) for tree in (templates, leaves))
            if expected != found:
                raise UserError(f"{path}: {name}: expected {what} {expected}, found {found}")
    return with_leaves(template, leaves)


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value")


def _abstract(leaf: jax.Array | jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct | np.ndarray:
    if jax.process_count() > 1:
        return np.zeros(leaf.shape, leaf.dtype)
    # Without a sharding Orbax would take the one in the checkpoint, with a warning.
    sharding = leaf.sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
