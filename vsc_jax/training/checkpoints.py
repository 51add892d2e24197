"""Checkpoints of the training state, kept by Orbax.

Orbax is imported on first use: it takes longer to import than everything else together.
"""

import contextlib
import gc
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from vsc_jax.config import CheckpointConfig
from vsc_jax.errors import UserError
from vsc_jax.training.step import TrainState

Tree = TypeVar("Tree")
_STRAGGLERS_SECONDS = 0.3
_CHECKSUM = "checksum"


class Checkpoints:
    """The newest checkpoints of one run.

    Args:
      folder: where they live; made on the first save.
      config: how many are kept.
    """

    def __init__(self, folder: Path, config: CheckpointConfig | None = None):
        import orbax.checkpoint as ocp

        self._ocp = ocp
        self._folder = folder.resolve()
        keep = None if config is None else config.keep
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=config is not None)
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def latest_step(self) -> int | None:
        """Iteration of the newest checkpoint, or None."""
        return self._manager.latest_step()

    def save(self, state: TrainState) -> None:
        """Save the state under its step; returns when it is on disk."""
        leaves = named_leaves(state)
        leaves[_CHECKSUM] = _checksum(leaves)
        self._manager.save(int(state.step), args=self._ocp.args.StandardSave(leaves))
        self._manager.wait_until_finished()

    def restore(self, template: TrainState) -> TrainState:
        """The newest state, in the structure of ``template``.

        Raises:
          UserError: if there is none, or it does not fit the model.
        """
        step = self.latest_step()
        if step is None:
            raise UserError(f"{self._folder}: no checkpoint")
        target = jax.tree.map(_abstract, named_leaves(template))
        target[_CHECKSUM] = np.zeros((), np.uint32)
        leaves = _or_none(lambda: self._manager.restore(step, args=self._ocp.args.StandardRestore(target)))
        if leaves is None or leaves.pop(_CHECKSUM) != _checksum(leaves):
            raise UserError(
                f"{self._folder / str(step)}: a damaged checkpoint, or one of another model; without this"
                " folder the run goes on from the checkpoint before"
            )
        return with_leaves(template, leaves)

    def close(self) -> None:
        """Release Orbax's threads."""
        self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _or_none(restore: Callable[[], Any]) -> Any | None:
    """The result of a restore, or None if it fails, without the complaints that Orbax would leave."""
    # The reads that a failed restore leaves unfinished end after their event loop, or when they are
    # collected, and print tracebacks: they are waited for and collected here, with nobody listening.
    hook, sys.unraisablehook = sys.unraisablehook, lambda event: None
    result = None
    try:
        with contextlib.suppress(ValueError, KeyError, OSError):
            result = restore()
        if result is None:
            time.sleep(_STRAGGLERS_SECONDS)
            gc.collect()
    finally:
        sys.unraisablehook = hook
    return result


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


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value")


def _abstract(leaf: jax.Array | jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    # Without a sharding Orbax would take the one in the checkpoint, with a warning.
    sharding = leaf.sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
