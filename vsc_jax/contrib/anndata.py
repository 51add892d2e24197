"""Sparse codes of cells in an AnnData, beside what scanpy keeps there: for single-cell data.

``scanpy.pp.neighbors(adata, use_rep="X_vsc")`` and all that builds on it then go by the code.
"""

from typing import TYPE_CHECKING, Any

from vsc_jax.config.errors import UserError
from vsc_jax.data.files import check_memory

if TYPE_CHECKING:
    from vsc_jax.estimator import VariationalSparseCoding


def add_codes(adata: Any, coder: "VariationalSparseCoding", *, layer: str | None = None) -> None:
    """Write the codes of all cells into an AnnData: cells are rows, genes are features.

    ``obsm["X_vsc"]`` has the codes, ``[cells, latents]``, ``obsm["vsc_gates"]`` the probabilities that each
    latent is on, and ``varm["vsc_atoms"]`` the atoms of a linear decoder, ``[genes, latents]``, in the units
    of what was encoded. What is there under these names is replaced. Sparse counts become dense.

    Args:
      adata: the cells; those that a trained coder encodes have the genes of its training, in their order.
      coder: it is trained on these cells first, if it has not been trained. For counts: ``likelihood``
        ``negative_binomial`` or ``poisson``.
      layer: the layer that holds the values, such as ``counts``; ``X``, if not given.

    Raises:
      UserError: if there is no such layer, or the values do not fit into memory.
      ValueError: naming the gene, the value or the parameter that cannot be used.
    """
    if layer is not None and layer not in adata.layers:
        names = [name for name in adata.layers if name is not None]  # None stands for X
        raise UserError(f"layer: no layer {layer!r}; there are {', '.join(names) or 'none'}")
    cells, genes = adata.shape
    check_memory(8 * cells * genes, f"{cells:,} cells x {genes:,} genes", "a choice of genes")
    rows = adata.to_df(layer=layer)  # its columns are the names of the genes, which a coder remembers
    if not hasattr(coder, "model_"):
        coder.fit(rows)
    adata.obsm["X_vsc"], adata.obsm["vsc_gates"] = coder.transform(rows), coder.gates(rows)
    if hasattr(coder, "components_"):
        adata.varm["vsc_atoms"] = coder.components_.T
