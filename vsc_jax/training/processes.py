"""A run in several processes, with one or more devices each.

The first process owns the run folder: it alone restores, logs, saves and evaluates. The others hold a share
of each batch, and leave when training is done.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import jax
from jax.experimental import multihost_utils

from vsc_jax.config.errors import ProcessLostError, UserError
from vsc_jax.training.step import TrainState

_JOINING_SECONDS = 120


@contextlib.contextmanager
def joined(several: bool) -> Iterator[None]:
    """Work as one of ``several`` processes, each error a ProcessLostError; entered before JAX is used."""
    if several:
        given = {name: os.environ.get(f"JAX_{name.upper()}") for name in ("num_processes", "process_id")}
        for name, text in given.items():
            if text is not None and not text.isdecimal():
                raise UserError(f"JAX_{name.upper()}: expected a number, got {text!r}")
        numbers: Any = {name: int(text) for name, text in given.items() if text is not None}
        try:
            jax.distributed.initialize(**numbers, initialization_timeout=_JOINING_SECONDS)
        except (ValueError, TypeError, RuntimeError) as error:
            raise UserError(
                "parallel.distributed: expected SLURM, a TPU pod, or JAX_COORDINATOR_ADDRESS (host:port),"
                f" JAX_NUM_PROCESSES and JAX_PROCESS_ID in the environment ({str(error).splitlines()[0]})"
            ) from None
    try:
        yield
    except UserError as error:
        if several and not isinstance(error, ProcessLostError):
            raise ProcessLostError(str(error)) from None
        raise


def leave() -> None:
    """Part from the other processes, in all of them at the same point; each may go on by itself."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def is_first() -> bool:
    """Whether this process owns the run folder."""
    return jax.process_index() == 0


def shared_by_all(state: TrainState) -> TrainState:
    """The first process's state, in every process."""
    if jax.process_count() == 1:
        return state
    with lost_processes():
        agreed: TrainState = multihost_utils.broadcast_one_to_all(state)
    return agreed


@contextlib.contextmanager
def lost_processes() -> Iterator[None]:
    """Report a failed exchange with other processes in one line."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise ProcessLostError(
            f"process {jax.process_index()} of {jax.process_count()} has lost another one"
            f" ({str(error).splitlines()[0][:120]}); the same commands go on from the last checkpoint"
        ) from None
