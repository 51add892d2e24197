"""Several devices: those that share each batch, and groups of them that share a sweep's members.

The program is that of one device; the compiler divides it along the batch and sums the gradients. Random
numbers and the order of the examples do not depend on the number of devices, so neither does the result, up
to rounding. A member of a sweep is trained by one group of devices, and groups exchange nothing.
"""

import math
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped

from vsc_jax.config import Config, ParallelConfig
from vsc_jax.config.errors import UserError

Tree = TypeVar("Tree")
BATCH, MEMBERS = "data", "members"  # axes of a mesh


class Sharding(NamedTuple):
    """Where arrays live: on one device, or on a mesh with the axis ``data``, for sweeps also ``members``."""

    mesh: Mesh | None = None

    @property
    def groups(self) -> int:
        """Groups of devices that members are spread over: a program is for a multiple of it."""
        return 1 if self.mesh is None else self.mesh.shape.get(MEMBERS, 1)

    def replicate(self, tree: Any) -> Any:
        """A whole copy on every device."""
        return jax.tree.map(lambda leaf: self._local(PartitionSpec(), leaf), tree)

    def shard_batches(self, stacked: np.ndarray) -> Shaped[Array, "longest batch ..."]:
        """Batches ``[longest, batch, ...]``, of which this process has its share, divided by the batch."""
        return self._local(PartitionSpec(None, BATCH), stacked)

    def batch_share(self, batch_size: int) -> slice:
        """The examples of each batch that this process has to provide."""
        mine = batch_size // jax.process_count()
        return slice(jax.process_index() * mine, (jax.process_index() + 1) * mine)

    def shard_members(self, tree: Any) -> Any:
        """Arrays with a leading axis for the members, each member's part on the devices of its group."""
        return jax.device_put(tree, self._of_members)

    def member_shapes(self, tree: Any, size: int) -> Any:
        """The shapes of :meth:`shard_members` of ``size`` trees like this one."""
        of = self._of_members
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((size, *x.shape), x.dtype, sharding=of), tree)

    @property
    def _of_members(self) -> NamedSharding | None:
        return None if self.mesh is None else NamedSharding(self.mesh, PartitionSpec(MEMBERS))

    def _local(self, spec: PartitionSpec, local: Any) -> Array:
        if self.mesh is None:
            return jnp.asarray(local)
        return jax.make_array_from_process_local_data(NamedSharding(self.mesh, spec), np.asarray(local))


ONE_DEVICE = Sharding()


def run_sharding(config: Config) -> Sharding:
    """The devices that ``parallel`` asks for; refused if there are not as many, or the batch is not even."""
    wanted, there, processes = config.parallel.data, jax.device_count(), jax.process_count()
    if config.parallel.members > 1:
        raise UserError(
            f"parallel.members: expected 1 for a run on its own, got {config.parallel.members};"
            " python -m vsc_jax.sweep trains members"
        )
    if processes > 1 and wanted < there:
        raise UserError(
            f"parallel.data: expected {there}, all devices of the {processes} processes, got {wanted}"
        )
    if config.train.batch_size % wanted and wanted <= there:
        raise UserError(
            f"train.batch_size: expected a multiple of {wanted}, the devices that share a batch"
            f" (parallel.data), got {config.train.batch_size}"
        )
    return _mesh({BATCH: wanted})


def members_sharding(parallel: ParallelConfig) -> Sharding:
    """The devices that ``parallel`` asks for, for the members of a sweep."""
    if parallel.distributed:
        raise UserError("parallel.distributed: expected False for a sweep, which is trained by one process")
    return _mesh({MEMBERS: parallel.members, BATCH: parallel.data})


def _mesh(sizes: dict[str, int]) -> Sharding:
    """The first devices, as a mesh with these axes."""
    wanted, there = math.prod(sizes.values()), jax.device_count()
    if (data := sizes[BATCH]) > there:
        raise UserError(f"parallel.data: expected at most {there}, the number of devices, got {data}")
    if wanted > there:
        each = "" if data == 1 else f" over {data} for each batch (parallel.data)"
        raise UserError(
            f"parallel.members: expected at most {there // data}, the number of devices{each},"
            f" got {sizes[MEMBERS]}"
        )
    if wanted == 1:
        return ONE_DEVICE
    return Sharding(Mesh(np.array(jax.devices()[:wanted]).reshape(*sizes.values()), tuple(sizes)))


def constrain(tree: Tree, mesh: Mesh | AbstractMesh | None, *axes: str) -> Tree:
    """In a compiled program: arrays divided along these axes of the mesh, or whole on every device."""
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec(*axes)))
