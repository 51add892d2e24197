"""A run on several devices: each takes its share of every batch, and all keep the same state.

The program is that of one device; the compiler divides it along the batch and sums the gradients
(``jax.sharding``). Random numbers and the order of the examples do not depend on the number of devices, so
neither does the result, up to the rounding of sums.
"""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped

from vsc_jax.config import Config
from vsc_jax.errors import UserError

Tree = TypeVar("Tree")
_AXIS = "data"


class Layout(NamedTuple):
    """Where the arrays of a run live.

    Attributes:
      mesh: the devices that share each batch; None for one device.
    """

    mesh: Mesh | None = None

    def everywhere(self, tree: Any) -> Any:
        """A whole copy on every device."""
        if self.mesh is None:
            return jax.tree.map(jnp.asarray, tree)
        return jax.tree.map(lambda leaf: self._placed(PartitionSpec(), leaf), tree)

    def divided(self, stacked: np.ndarray) -> Shaped[Array, "longest batch ..."]:
        """Batches ``[longest, batch, ...]``, of which this process has its share, divided by the batch."""
        if self.mesh is None:
            return jnp.asarray(stacked)
        return self._placed(PartitionSpec(None, _AXIS), stacked)

    def share(self, batch_size: int) -> slice:
        """The examples of each batch that this process has to provide."""
        mine = batch_size // jax.process_count()
        return slice(jax.process_index() * mine, (jax.process_index() + 1) * mine)

    def one_copy(self, tree: Tree) -> Tree:
        """What :meth:`everywhere` or :func:`kept` left, as arrays of this process's first device."""
        return tree if self.mesh is None else jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)

    def _placed(self, spec: PartitionSpec, local: Any) -> Array:
        assert self.mesh is not None
        return jax.make_array_from_process_local_data(NamedSharding(self.mesh, spec), np.asarray(local))


def layout(config: Config) -> Layout:
    """The devices that ``parallel`` asks for.

    Raises:
      UserError: if there are not as many, or they cannot share a batch evenly.
    """
    wanted, there, processes = config.parallel.data, jax.device_count(), jax.process_count()
    if wanted > there:
        raise UserError(f"parallel.data: expected at most {there}, the number of devices, got {wanted}")
    if processes > 1 and wanted != there:
        raise UserError(
            f"parallel.data: expected {there}, all devices of the {processes} processes, got {wanted}"
        )
    if config.train.batch_size % wanted:
        raise UserError(
            f"train.batch_size: expected a multiple of {wanted}, the devices that share a batch"
            f" (parallel.data), got {config.train.batch_size}"
        )
    if wanted == 1:
        return Layout()
    return Layout(Mesh(np.array(jax.devices()[:wanted]), (_AXIS,)))


def along_batch(x: Array, mesh: Mesh | None) -> Array:
    """In a compiled program: each device has its share of the batch ``[batch, ...]``."""
    return (
        x if mesh is None else jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec(_AXIS)))
    )


def kept(tree: Tree, mesh: Mesh | None) -> Tree:
    """In a compiled program: every device has a whole copy."""
    return (
        tree if mesh is None else jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec()))
    )
