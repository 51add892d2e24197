"""A run in several processes, with one or more devices each.

The first process owns the run folder: it alone restores, logs, saves and evaluates. The others hold a share
of each batch, and leave when training is done.
"""

import contextlib
import os
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils

from vsc_jax.config.errors import ProcessLostError, UserError
from vsc_jax.training.step import TrainState

_JOINING_SECONDS = 120


@contextlib.contextmanager
def joined(several: bool) -> Iterator[None]:
    """Work as one of ``several`` processes of a run; to be entered before JAX is used.

    Raises:
      UserError: naming the variable that is missing or wrong, or the address that does not answer.
      ProcessLostError: for any :class:`UserError` of the work.
    """
    if several:
        join()
    try:
        yield
    except UserError as error:
        if several and not isinstance(error, ProcessLostError):
            raise ProcessLostError(str(error)) from None
        raise


def join() -> None:
    """Become one of the processes of a run; see :func:`joined`."""
    numbers = {}
    for variable in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"):
        text = os.environ.get(variable)
        if text is not None and not text.isdecimal():
            raise UserError(f"{variable}: expected a number, got {text!r}")
        numbers[variable] = None if text is None else int(text)
    try:
        jax.distributed.initialize(
            num_processes=numbers["JAX_NUM_PROCESSES"],
            process_id=numbers["JAX_PROCESS_ID"],
            initialization_timeout=_JOINING_SECONDS,
        )
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            "parallel.distributed: expected SLURM, a TPU pod, or JAX_COORDINATOR_ADDRESS (host:port),"
            f" JAX_NUM_PROCESSES and JAX_PROCESS_ID in the environment ({str(error).splitlines()[0]})"
        ) from None


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
    """Report a failed exchange between processes in one line.

    Raises:
      ProcessLostError: if this is one of several processes and the work with the others failed.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise ProcessLostError(
            f"process {jax.process_index()} of {jax.process_count()} has lost another one"
            f" ({str(error).splitlines()[0][:120]}); the same commands go on from the last checkpoint"
        ) from None
