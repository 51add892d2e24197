"""Checkpoints of the training state, written by Orbax, with a checksum."""

import contextlib
import errno
import gc
import logging
import os
import shutil
import sys
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from vsc_jax.config import CheckpointConfig
from vsc_jax.config.errors import UserError
from vsc_jax.training.step import TrainState

Tree = TypeVar("Tree")
_UNFINISHED_SECONDS = 0.3
_CHECKSUM = "checksum"
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)

logger = logging.getLogger(__name__)


class Checkpoints:
    """The newest checkpoints of one run; without ``config`` nothing in the folder is changed."""

    def __init__(self, folder: Path, config: CheckpointConfig | None = None):
        # Imported on first use: it takes longer than all other imports together.
        import orbax.checkpoint as ocp

        self._ocp, self._folder, self._writable = ocp, folder.resolve(), config is not None
        multiprocessing = ocp.options.MultiprocessingOptions()
        if (processes := jax.process_count()) > 1:
            # Only this process writes: it does not wait for the others.
            me = jax.process_index()
            multiprocessing = ocp.options.MultiprocessingOptions(
                primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"{me}_of_{processes}"
            )
        if self._writable:
            self._folder.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=None if config is None else config.keep,
            create=False,
            cleanup_tmp_directories=self._writable,
            multiprocessing_options=multiprocessing,
        )
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def latest_step(self) -> int | None:
        """Iteration of the newest checkpoint, or None."""
        return self._manager.latest_step()

    def save(self, state: TrainState) -> None:
        """Save the state under its step, on disk when this returns; the checkpoints before it stay."""
        # On the host: Orbax refuses arrays of JAX that not all processes have.
        leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(state).items()}
        leaves[_CHECKSUM] = _checksum(leaves)
        step = int(state.step)

        def write() -> None:
            self._manager.save(step, args=self._ocp.args.StandardSave(leaves))
            self._manager.wait_until_finished()

        _, reason = _quietly(write)
        if reason:
            raise UserError(f"{self._folder / str(step)}: cannot be written ({reason})")

    def restore(self, template: TrainState) -> TrainState:
        """The newest state that is whole and fits ``template``; where it can be, what is not is renamed."""
        damaged: list[Path] = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            if (state := self._read(step, template)) is None:
                damaged.append(self._folder / str(step))
                continue
            for path in damaged:
                logger.warning("%s: damaged; going on from iteration %d, saved before it", path, step)
                if self._writable:
                    renamed = path.with_name(path.name + ".damaged")
                    shutil.rmtree(renamed, ignore_errors=True)
                    path.rename(renamed)
            self._manager.reload()
            return state
        if not damaged:
            raise UserError(f"{self._folder}: no checkpoint")
        raise UserError(
            f"{damaged[0]}: a damaged checkpoint, or one of another model, and there is no other;"
            f" without {self._folder} the run starts anew"
        )

    def _read(self, step: int, template: TrainState) -> TrainState | None:
        """The state of a checkpoint; None if it is damaged or of another model."""
        target = {name: np.zeros(leaf.shape, leaf.dtype) for name, leaf in named_leaves(template).items()}
        target[_CHECKSUM] = np.zeros((), np.uint32)
        arguments = self._ocp.args.StandardRestore(target)
        leaves, _ = _quietly(lambda: self._manager.restore(step, args=arguments))
        if leaves is None or leaves.pop(_CHECKSUM) != _checksum(leaves):
            return None
        with contextlib.suppress(UserError):  # Orbax gives arrays of other shapes, too
            return jax.tree.map(jnp.asarray, with_leaves(template, leaves, self._folder))
        return None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()


def _quietly(work: Callable[[], Tree]) -> tuple[Tree | None, str]:
    """The result of reading or writing, or None and the reason why it failed."""
    # What a failure leaves unfinished prints tracebacks when Orbax's event loop ends or when it is collected:
    # wait for that and collect it here, with nobody listening.
    hook, sys.unraisablehook = sys.unraisablehook, lambda event: None
    asyncio_logger = logging.getLogger("asyncio")
    disabled, asyncio_logger.disabled = asyncio_logger.disabled, True
    try:
        try:
            return work(), ""
        except (ValueError, KeyError, OSError) as error:
            # TensorStore's errors are ValueErrors that hold the system's message.
            text = " ".join(str(error).split())
            known = (message for message in map(os.strerror, _DISK_ERRORS) if message in text)
            reason = next(known, text or type(error).__name__)
        time.sleep(_UNFINISHED_SECONDS)
        gc.collect()
        return None, reason
    finally:
        sys.unraisablehook, asyncio_logger.disabled = hook, disabled


def _checksum(leaves: dict[str, Any]) -> np.ndarray:
    """CRC-32 of all arrays: Orbax does not notice a flipped bit."""
    value = 0
    for name in sorted(leaves):
        value = zlib.crc32(np.asarray(leaves[name]).tobytes(), value)
    return np.array(value, np.uint32)


def named_leaves(tree: Any) -> dict[str, Any]:
    """The arrays of a pytree by name, such as ``params/encoder/layers/0/kernel``."""
    name = partial(jax.tree_util.keystr, simple=True, separator="/")
    return {name(path).removesuffix("/value"): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def with_leaves(template: Tree, leaves: dict[str, Any], path: Path) -> Tree:
    """A pytree like ``template`` with the arrays of :func:`named_leaves` that a file holds, seen to suit."""
    templates = named_leaves(template)
    for name in sorted(templates.keys() | leaves.keys()):
        for what in ("shape", "dtype"):
            expected, found = (getattr(tree.get(name), what, None) for tree in (templates, leaves))
            if expected != found:
                raise UserError(f"{path}: {name}: expected {what} {expected}, found {found}")
    return jax.tree.unflatten(jax.tree.structure(template), [leaves[name] for name in templates])
