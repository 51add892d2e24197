"""Codes in an AnnData: under their names, of a layer, by a coder that is trained there or was before."""

from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import scipy.sparse

from tests.refused import assert_refused
from vsc_jax.contrib.anndata import add_codes
from vsc_jax.data import files
from vsc_jax.estimator import VariationalSparseCoding

COUNTS = np.random.default_rng(0).poisson(3.0, (60, 5)).astype(np.float32)


@pytest.fixture(params=["stand-in", "anndata"])
def cells(request):
    """Makes 60 cells of sparse counts with these genes; a stand-in has what is used of an AnnData."""

    def make(genes="abcde"):
        if request.param == "anndata":
            anndata, var = pytest.importorskip("anndata"), pandas.DataFrame(index=list(genes))
            x = scipy.sparse.csr_matrix(COUNTS)
            return anndata.AnnData(x, var=var, layers={"counts": 2 * x})
        frames = {None: pandas.DataFrame(COUNTS, columns=list(genes))}
        frames["counts"] = 2 * frames[None]
        return SimpleNamespace(
            shape=(60, 5), layers=frames, obsm={}, varm={}, to_df=lambda layer=None: frames[layer]
        )

    return make


def coder(**parameters):
    return VariationalSparseCoding(3, steps=20, random_state=0, **parameters)


def test_codes_gates_and_atoms_are_those_of_the_coder_which_is_trained_once(cells):
    adata, ours = cells(), coder()
    add_codes(adata, ours, layer="counts")
    rows, atoms = pandas.DataFrame(2 * COUNTS, columns=list("abcde")), ours.components_
    np.testing.assert_array_equal(adata.obsm["X_vsc"], coder().fit(rows).transform(rows))
    np.testing.assert_array_equal(adata.obsm["vsc_gates"], ours.gates(rows))
    np.testing.assert_array_equal(adata.varm["vsc_atoms"], atoms.T)
    add_codes(adata, ours)
    np.testing.assert_array_equal(adata.obsm["X_vsc"], ours.transform(rows / 2))
    np.testing.assert_array_equal(ours.components_, atoms)
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        add_codes(cells("edcba"), ours)


def test_a_layer_that_is_not_there_and_too_many_cells_are_named(cells, monkeypatch):
    assert_refused(r"layer: no layer 'raw'; there are counts$", add_codes, cells(), coder(), layer="raw")
    monkeypatch.setattr(files, "machine_memory", lambda: 1000)
    assert_refused("60 cells x 5 genes would take .*; a choice of genes makes", add_codes, cells(), coder())
