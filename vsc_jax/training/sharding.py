"""Several devices: those that share each batch, and groups of them that share a sweep's members.

The program is that of one device; the compiler divides it along the batch and sums the gradients. Random
numbers and the order of the examples do not depend on the number of devices, so neither does the result, up
to rounding. A member of a sweep is trained by one group of devices, and groups exchange nothing.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped

from vsc_jax.config import Config, ParallelConfig
from vsc_jax.config.errors import UserError

Tree = TypeVar("Tree")
_BATCH = "data"
_MEMBERS = "members"


class Sharding(NamedTuple):
    """Where arrays live: on one device, or on a mesh with the axis ``data``, for sweeps also ``members``."""

    mesh: Mesh | None = None

    @property
    def groups(self) -> int:
        """Groups of devices that members are spread over: a program is for a multiple of it."""
        return 1 if self.mesh is None else self.mesh.shape.get(_MEMBERS, 1)

    def replicate(self, tree: Any) -> Any:
        """A whole copy on every device."""
        return jax.tree.map(lambda leaf: self._local(PartitionSpec(), leaf), tree)

    def shard_batches(self, stacked: np.ndarray) -> Shaped[Array, "longest batch ..."]:
        """Batches ``[longest, batch, ...]``, of which this process has its share, divided by the batch."""
        return self._local(PartitionSpec(None, _BATCH), stacked)

    def batch_share(self, batch_size: int) -> slice:
        """The examples of each batch that this process has to provide."""
        mine = batch_size // jax.process_count()
        return slice(jax.process_index() * mine, (jax.process_index() + 1) * mine)

    def shard_members(self, tree: Any) -> Any:
        """Arrays with a leading axis for the members, each member's part on the devices of its group."""
        if self.mesh is None:
            return jax.tree.map(jnp.asarray, tree)
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec(_MEMBERS)))

    def member_shapes(self, tree: Any, size: int) -> Any:
        """The shapes of :meth:`shard_members` of ``size`` trees like this one."""
        of = None if self.mesh is None else NamedSharding(self.mesh, PartitionSpec(_MEMBERS))
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((size, *x.shape), x.dtype, sharding=of), tree)

    def _local(self, spec: PartitionSpec, local: Any) -> Array:
        if self.mesh is None:
            return jnp.asarray(local)
        return jax.make_array_from_process_local_data(NamedSharding(self.mesh, spec), np.asarray(local))


ONE_DEVICE = Sharding()


def run_sharding(config: Config) -> Sharding:
    """The devices that ``parallel`` asks for.

    Raises:
      UserError: if there are not as many, or they cannot share a batch evenly.
    """
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
    return _mesh({_BATCH: wanted})


def members_sharding(parallel: ParallelConfig) -> Sharding:
    """The devices that ``parallel`` asks for, for the members of a sweep.

    Raises:
      UserError: if there are not as many, or they are to be those of several processes.
    """
    if parallel.distributed:
        raise UserError("parallel.distributed: expected False for a sweep, which is trained by one process")
    return _mesh({_MEMBERS: parallel.members, _BATCH: parallel.data})


def _mesh(sizes: dict[str, int]) -> Sharding:
    """The first devices, as a mesh with these axes."""
    wanted, there = math.prod(sizes.values()), jax.device_count()
    if (data := sizes[_BATCH]) > there:
        raise UserError(f"parallel.data: expected at most {there}, the number of devices, got {data}")
    if wanted > there:
        each = "" if data == 1 else f" over {data} for each batch (parallel.data)"
        raise UserError(
            f"parallel.members: expected at most {there // data}, the number of devices{each},"
            f" got {sizes[_MEMBERS]}"
        )
    if wanted == 1:
        return ONE_DEVICE
    return Sharding(Mesh(np.array(jax.devices()[:wanted]).reshape(*sizes.values()), tuple(sizes)))


def map_groups(work: Callable[..., Any], mesh: Mesh | None, *, shared: int) -> Callable[..., Any]:
    """In a compiled program: each group of devices does the work for its members.

    The last ``shared`` arguments are used by all members; the others have a leading axis for them.
    """
    if mesh is None:
        return work

    def on_groups(*arguments: Any) -> Any:
        of_members, of_all = PartitionSpec(_MEMBERS), PartitionSpec()
        specs = (of_members,) * (len(arguments) - shared) + (of_all,) * shared
        return jax.shard_map(
            work, mesh=mesh, in_specs=specs, out_specs=of_members, axis_names={_MEMBERS}, check_vma=False
        )(*arguments)

    return on_groups


def batch_mesh(mesh: Mesh | None) -> AbstractMesh | None:
    """Within :func:`map_groups`: the devices of one group, if they share batches."""
    return None if mesh is None or mesh.shape[_BATCH] == 1 else jax.sharding.get_abstract_mesh()


def constrain_batch(x: Array, mesh: Mesh | AbstractMesh | None) -> Array:
    """In a compiled program: each device has its share of the batch ``[batch, ...]``."""
    if mesh is None:
        return x
    return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec(_BATCH)))


def constrain_replicated(tree: Tree, mesh: Mesh | AbstractMesh | None) -> Tree:
    """In a compiled program: every device has a whole copy."""
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec()))
