"""A run on several devices: each takes its share of every batch, and all keep the same state.

The program is that of one device; the compiler divides it along the batch and sums the gradients
(``jax.sharding``). Random numbers and the order of the examples do not depend on the number of devices, so
neither does the result, up to the rounding of sums. A sweep's members are spread over groups of such devices:
a member is trained by one group, and the groups have nothing to tell one another.
"""

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
_AXIS = "data"
_MEMBERS = "members"


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
    if config.parallel.members > 1:
        raise UserError(
            f"parallel.members: expected 1 for a run on its own, got {config.parallel.members};"
            " python -m vsc_jax.sweep trains members"
        )
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


class MembersLayout(NamedTuple):
    """Where the arrays of members that are trained together live.

    Attributes:
      mesh: the devices by the members and the batches that they share; None for one device.
    """

    mesh: Mesh | None = None

    @property
    def groups(self) -> int:
        """Over how many groups of devices members are spread: a program is for a multiple of it."""
        return 1 if self.mesh is None else self.mesh.shape[_MEMBERS]

    def shared(self, leaf: Any) -> Array:
        """What all members use, on every device."""
        return jnp.asarray(leaf) if self.mesh is None else jax.device_put(leaf, self._by(PartitionSpec()))

    def spread(self, tree: Any) -> Any:
        """Arrays with a leading axis for the members, each member's part on the devices of its group."""
        if self.mesh is None:
            return jax.tree.map(jnp.asarray, tree)
        return jax.device_put(tree, self._by(PartitionSpec(_MEMBERS)))

    def shapes(self, tree: Any, size: int) -> Any:
        """The shapes of :meth:`spread` of so many trees like this one."""
        sharding = None if self.mesh is None else self._by(PartitionSpec(_MEMBERS))
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape), leaf.dtype, sharding=sharding), tree
        )

    def member(self, tree: Tree, place: int) -> Tree:
        """One member of :meth:`spread`, on the first device."""
        if self.mesh is None:
            return jax.tree.map(lambda leaf: leaf[place], tree)
        return jax.device_put(jax.tree.map(lambda leaf: _row(leaf, place), tree), jax.devices()[0])

    def _by(self, spec: PartitionSpec) -> NamedSharding:
        assert self.mesh is not None
        return NamedSharding(self.mesh, spec)


def _row(leaf: Array, place: int) -> Array:
    for shard in leaf.addressable_shards:
        first, after, _ = shard.index[0].indices(len(leaf))
        if first <= place < after:
            return shard.data[place - first]
    raise IndexError(place)


def members_layout(parallel: ParallelConfig) -> MembersLayout:
    """The devices that ``parallel`` asks for, for the members of a sweep.

    Raises:
      UserError: if there are not as many, or they are to be those of several processes.
    """
    if parallel.distributed:
        raise UserError("parallel.distributed: expected False for a sweep, which is trained by one process")
    there = jax.device_count()
    if parallel.data > there:
        raise UserError(
            f"parallel.data: expected at most {there}, the number of devices, got {parallel.data}"
        )
    if parallel.members * parallel.data > there:
        each = "" if parallel.data == 1 else f" over {parallel.data} for each batch (parallel.data)"
        raise UserError(
            f"parallel.members: expected at most {there // parallel.data}, the number of devices{each},"
            f" got {parallel.members}"
        )
    if parallel.members * parallel.data == 1:
        return MembersLayout()
    devices = np.array(jax.devices()[: parallel.members * parallel.data])
    return MembersLayout(Mesh(devices.reshape(parallel.members, parallel.data), (_MEMBERS, _AXIS)))


def over_groups(work: Callable[..., Any], mesh: Mesh | None, *, shared: int) -> Callable[..., Any]:
    """In a compiled program: each group of devices does the work for its members.

    Args:
      work: called with arrays that have a leading axis for the members, and after them the shared ones.
      mesh: that of :class:`MembersLayout`.
      shared: how many of the last arguments all members use.
    """
    if mesh is None:
        return work

    def spread(*arguments: Any) -> Any:
        count = len(arguments) - shared
        specs = (PartitionSpec(_MEMBERS),) * count + (PartitionSpec(),) * shared
        return jax.shard_map(
            work,
            mesh=mesh,
            in_specs=specs,
            out_specs=PartitionSpec(_MEMBERS),
            axis_names={_MEMBERS},
            check_vma=False,
        )(*arguments)

    return spread


def batch_mesh(mesh: Mesh | None) -> AbstractMesh | None:
    """Within :func:`over_groups`: the devices of one group, if they share batches."""
    return None if mesh is None or mesh.shape[_AXIS] == 1 else jax.sharding.get_abstract_mesh()


def along_batch(x: Array, mesh: Mesh | AbstractMesh | None) -> Array:
    """In a compiled program: each device has its share of the batch ``[batch, ...]``."""
    return (
        x if mesh is None else jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec(_AXIS)))
    )


def kept(tree: Tree, mesh: Mesh | AbstractMesh | None) -> Tree:
    """In a compiled program: every device has a whole copy."""
    return (
        tree if mesh is None else jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec()))
    )
