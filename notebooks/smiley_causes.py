# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Smiley: finding 18 hidden causes
#
# A Smiley is drawn from 18 numbers, some of which are *absent* in half of the faces. Can a model that sees only pixels find
# them? And does a sparse code find them where a dense one does not? About two minutes on two CPU cores.

# %%
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

# Where vsc_jax is not installed, on Colab for example: from its wheel beside the notebook, from the checkout
# around it, or from where it is published. `make notebooks` writes this cell.
ADDRESS = ""
if importlib.util.find_spec("vsc_jax") is None:
    wheels = sorted(Path().glob("vsc_jax-*.whl"))
    checkout = [Path("..")] if Path("../vsc_jax/cli/train.py").is_file() else []
    source = next((path.resolve().as_uri() for path in [*wheels[-1:], *checkout]), ADDRESS)
    if not source:
        raise SystemExit("vsc_jax is not installed: put its wheel (made by `make dist`) beside this notebook")
    # JAX and its plugin for a GPU or TPU must be of one version, so they are installed together.
    installed = {distribution.name for distribution in distributions()}
    plugins = {"jax-cuda13-plugin": "[cuda13]", "jax-cuda12-plugin": "[cuda12]", "libtpu": "[tpu]"}
    extra = next((extra for plugin, extra in plugins.items() if plugin in installed), "")
    if not extra and shutil.which("nvidia-smi"):
        extra = "[cuda12]"
    # Everything else keeps its version, since what the session has loaded cannot be replaced.
    moving = ("jax", "flax", "optax", "chex", "orbax", "libtpu", "nvidia")
    kept = [f"{each.name}=={each.version}" for each in distributions() if not each.name.startswith(moving)]
    constraints = Path(tempfile.mkdtemp()) / "constraints.txt"
    constraints.write_text("\n".join(kept))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(constraints)]
    subprocess.run([*install, f"vsc_jax{extra} @ {source}"], check=True)

import jax

print(jax.devices())
if shutil.which("nvidia-smi") and jax.default_backend() == "cpu":
    print("JAX does not use the GPU: restart the session and run this cell again.")

# %matplotlib inline
# The project's tests run every notebook at a size that ends in seconds.
SMOKE = "VSC_JAX_SMOKE" in os.environ

# %%
import matplotlib.pyplot as plt
import numpy as np

import vsc_jax
from vsc_jax import data, figures
from vsc_jax.config import with_overrides
from vsc_jax.data import smiley
from vsc_jax.evaluation.code_view import CodeView

size = {
    "train.steps": 20 if SMOKE else 3000,
    "train.batch_size": 128,
    "data.train_examples": 400 if SMOKE else 20_000,
    "data.test_examples": 200 if SMOKE else 2000,
    "model.hidden": [400],
    "evaluate.samples": 4 if SMOKE else 20,
    "evaluate.examples": 200,
}
sparse_config = with_overrides(vsc_jax.load_preset("smiley_vsc"), size)
dense_config = with_overrides(vsc_jax.load_preset("smiley_vae"), size)
faces = data.load(sparse_config.data)

# %% [markdown]
# ## The truth
#
# `factors` holds the 18 numbers of each face, 0 where an attribute is absent; `presence` says which are there.

# %%
figure, axes = plt.subplots(figsize=(9, 3), layout="constrained")
table = np.where(faces.test.factors[:60] == 0, np.nan, faces.test.factors[:60]).T
picture = axes.imshow(table, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
axes.set_facecolor("0.8")
axes.set_yticks(range(18), smiley.FACTORS, fontsize=7)
axes.set(title="The hidden numbers of 60 faces; grey is absent", xlabel="face")
figure.colorbar(picture, label="value")
plt.show()

# %% [markdown]
# ## Two models, one network

# %%
sparse = vsc_jax.fit(sparse_config, dataset=faces)
dense = vsc_jax.fit(dense_config, dataset=faces)
for name, run in (("sparse (VSC)", sparse), ("dense (VAE)", dense)):
    print(
        f"{name:14} bound {run.results['elbo']:7.1f} nats,  on in a face: {run.results['active_per_image']:.1f} of 60"
    )

# %% [markdown]
# ## Who is there?
#
# The gate of a latent is a detector. For each attribute, the best single gate's area under the ROC curve: 1 tells it perfectly,
# 0.5 is chance. A dense code has no gates; the best it offers is a threshold on some |mean|.

# %%
from vsc_jax.evaluation import auc

first = [group.start for group in smiley.GROUPS]  # all numbers of an attribute are there or none


def best_detectors(scores):
    """Best area of any column, for each attribute."""
    return [auc(scores, faces.test.presence[:, index]).max() for index in first]


sparse_scores = best_detectors(np.asarray(sparse.model.encode(faces.test.x).gamma))
dense_scores = best_detectors(np.abs(np.asarray(dense.model.encode(faces.test.x).mean)))
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
places = np.arange(len(first))
axes.bar(places - 0.2, sparse_scores, 0.4, label="sparse: one gate")
axes.bar(places + 0.2, dense_scores, 0.4, label="dense: one |mean|")
axes.set_xticks(places, smiley.ATTRIBUTES)
axes.set(title="Is the attribute there?", ylabel="area under the ROC curve", ylim=(0.5, 1.15))
axes.legend(loc="upper center", ncols=2)
plt.show()

# %% [markdown]
# ## And what is it like?
#
# Correlations between the true numbers (rows) and the latents that are used (columns). Above the sizes, as in the paper; below,
# with their signs, only over the faces in which the attribute is present.

# %%
figures.draw_correlations(CodeView(sparse.model, faces))

# %% [markdown]
# A block of columns that follows one attribute is what was hoped for; a row without a dark column is a number that no single
# latent follows.
#
# ## Take the hat off
#
# Some latents are on where there is a hat, others where there is *none*. Close the first, open the second.

# %%
code = np.asarray(sparse.model.code(faces.test.x))
gates = code != 0
hat = faces.test.presence[:, first[smiley.ATTRIBUTES.index("hat")]].astype(bool)
difference = gates[hat].mean(0) - gates[~hat].mean(0)
typical = code.sum(0) / np.maximum(gates.sum(0), 1)  # its mean value where it is on
wearing = np.flatnonzero(hat)[:8]
without = np.where(difference > 0.5, 0, np.where(difference < -0.5, typical, code[wearing]))
figure, axes = plt.subplots(2, 8, figsize=(8, 2.4), layout="constrained")
for row, z, name in zip(axes, (code[wearing], without), ("as coded", "switched"), strict=True):
    for panel, image in zip(row, np.asarray(sparse.model.decode(z)), strict=True):
        panel.imshow(image, cmap="gray")
        panel.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
figure.suptitle("The same faces with the hat's latents switched")
plt.show()

# %% [markdown]
# **A question.** Why would a model spend a latent on something that is *not* there? Think of what the decoder draws when all gates
# are closed, and of what a prior that expects few open gates makes cheap.
