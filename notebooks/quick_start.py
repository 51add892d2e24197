# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quick start
#
# A variational autoencoder gives every image a code; **Variational Sparse Coding** gives it a code in which most latents are
# *exactly* zero. In this notebook you draw faces with one that is trained, train one of your own, see what its code looks like, and
# draw new faces with the parts of an old one. About two minutes on two CPU cores.

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
from vsc_jax.evaluation.code_view import CodeView

# %% [markdown]
# ## A model that is there already
#
# Three small trained models come with the package. These faces are nobody's: one draws them from its prior.

# %%
drawn = np.asarray(vsc_jax.load("smiley_vsc").sample(jax.random.key(0), 20))


def show(images, title):
    figure, axes = plt.subplots(2, 10, figsize=(10, 2.2))
    for panel, image in zip(axes.flat, images, strict=False):
        panel.imshow(image, cmap="gray")
        panel.axis("off")
    figure.suptitle(title)
    plt.show()


show(drawn, "Twenty faces drawn by smiley_vsc")

# %% [markdown]
# ## The data
#
# A *Smiley* has four attributes, each of them there in half of the faces: a bow tie, a hat, eyes and a mouth. 18 hidden numbers
# say where they are and how large. The model will see pixels alone.

# %%
config = with_overrides(
    vsc_jax.load_preset("smiley_vsc"),
    {
        "train.steps": 20 if SMOKE else 3000,
        "train.batch_size": 128,
        "data.train_examples": 400 if SMOKE else 20_000,
        "data.test_examples": 200 if SMOKE else 2000,
        "model.hidden": [400],
        "evaluate.samples": 4 if SMOKE else 20,
        "evaluate.examples": 200,
    },
)
faces = data.load(config.data)

show(faces.train.x, "Twenty faces of the data")

# %% [markdown]
# ## Train one
#
# One line. The model is never told what a hat is, or that there are 18 numbers; it has 60 latents to spend.

# %%
run = vsc_jax.fit(config, dataset=faces)
figures.draw_history(run.history)

# %% [markdown]
# Read the picture from the top left: the bound on log p(x) rises, and the number of latents that are on in a face falls
# when the sparsity sets in. Neither harms the other.

# %%
for name in ("elbo", "iwae", "active_per_image", "used_latents"):
    print(f"{name:18}{run.results[name]:8.2f}")

# %% [markdown]
# `elbo` is a true lower bound on log p(x), in nats per face; `iwae` is a tighter one; the other two count latents.
#
# ## The code of a face

# %%
view = CodeView(run.model, faces)
figures.draw_gate_histogram(view)

# %% [markdown]
# Nearly all gates are at 0 or at 1: the model is sure which latents a face needs. Here are three faces beside their codes.

# %%
code = np.asarray(run.model.code(faces.test.x[:3]))  # the mean where the gate is open, exactly 0 elsewhere
figure, axes = plt.subplots(3, 2, figsize=(9, 4), width_ratios=(1, 5), layout="constrained")
for (left, right), image, z in zip(axes, faces.test.x, code, strict=False):
    left.imshow(image, cmap="gray")
    left.axis("off")
    right.bar(np.arange(len(z)), z)
    right.set_ylabel("value")
    right.set_title(f"{np.count_nonzero(z)} of {len(z)} latents are on", fontsize=9)
axes[-1, 1].set_xlabel("latent")
plt.show()

# %% [markdown]
# ## New faces from an old one
#
# Keep *which* latents are on, draw their values anew from the prior: the parts stay, their shapes change.

# %%
figures.draw_conditional_samples(view)

# %% [markdown]
# **A question.** Set `"model.kind": "vae"` above and run again. The bound is much the same. Why do the faces in a row of the picture
# above no longer have the parts of the face at its left?
