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
# # Reading a sparse code
#
# You have a model. What does each of its latents stand for? Five ways to look, from the coarsest to the finest. Nothing is
# trained: the model comes with the package, and its pictures start in seconds.

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

model = vsc_jax.load("smiley_vsc")
size = {"data.train_examples": 100, "data.test_examples": 200 if SMOKE else 2000}
faces = data.load(with_overrides(vsc_jax.load_preset("smiley_vsc"), size).data)
view = CodeView(model, faces)

figure, axes = plt.subplots(2, 10, figsize=(10, 2.2))
for panel, image in zip(axes.flat, faces.test.x, strict=False):
    panel.imshow(image, cmap="gray")
    panel.axis("off")
figure.suptitle("Faces that the model has not seen")
plt.show()

# %% [markdown]
# ## 1. Who is used, and how often

# %%
figures.draw_latent_density(view)

# %% [markdown]
# A latent that is on in every image is a coordinate: all faces have some of it. One that is on in half of them may be a *part*: each
# attribute of a Smiley is there in half of the faces.
#
# ## 2. For whom
#
# `describe_latents` measures all of it: how often a latent is on in the faces that have an attribute, and how much of the picture
# moves when it is switched off. Latents that are on and move nothing are called *idle*.

# %%
found = vsc_jax.describe_latents(model, faces)
rows = sorted(found.table, key=lambda row: -row["on"])
rows = [row for row in rows if row["on"] >= 0.01]
idle = [row["latent"] for row in rows if row["idle"]]
print(f"{len(rows)} of {view.latents} latents are used; idle: {idle or 'none'}")

figure, axes = plt.subplots(figsize=(9.5, 2.4), layout="constrained")
having = np.stack([np.asarray(list(found.present.values())), ~np.asarray(list(found.present.values()))])
shares = np.stack([view.codes.on[who].mean(axis=0) for pair in having.swapaxes(0, 1) for who in pair])
names = [f"{sign}{name}" for name in found.present for sign in ("", "no ")]
picture = axes.imshow(shares[:, [row["latent"] for row in rows]], aspect="auto", cmap="Blues", vmin=0, vmax=1)
axes.set_yticks(range(len(names)), names)
axes.set_xticks(range(len(rows)), [row["latent"] for row in rows], fontsize=8)
axes.set(title="In how many of the faces the latent is on", xlabel="latent")
figure.colorbar(picture, label="share")
plt.show()

# %% [markdown]
# A column that is dark in one row of a pair and pale in the other answers *is it there?* Some answer *is it missing?* In words, those
# that move most of the picture:

# %%
for row in sorted(rows, key=lambda row: -row["moved"])[:5]:
    print(f"{row['latent']:3}: {row['meaning']}")

# %% [markdown]
# ## 3. What it does: turn one latent, leave the rest
#
# The first image's code is decoded again and again with one latent moved through the values that it takes in the data.

# %%
figures.draw_traversals(view)

# %% [markdown]
# ## 4. What it means: switch it
#
# A gate is a yes-or-no question. For each of the latents that move most: images in which it is on, what the decoder makes of them, and
# the same with this one latent switched off. What disappears is what it stands for.

# %%
code = view.code
density = (code != 0).mean(0)
parts = [row["latent"] for row in sorted(rows, key=lambda row: -row["moved"])[:6]]
figure, axes = plt.subplots(len(parts), 9, figsize=(9, 1.1 * len(parts)), layout="constrained")
for row, j in zip(axes, parts, strict=True):
    strongest = np.argsort(-np.abs(code[:, j]))[:3]
    switched = code[strongest].copy()
    switched[:, j] = 0
    with_it, without_it = view.decode(code[strongest]), view.decode(switched)
    for column, images in enumerate((with_it, without_it, with_it - without_it)):
        for k, image in enumerate(images):
            panel = row[3 * column + k]
            lowest = -1 if column == 2 else 0
            panel.imshow(image, cmap="RdBu_r" if column == 2 else "gray", vmin=lowest, vmax=1)
            panel.set(xticks=[], yticks=[])
    row[0].set_ylabel(f"{j}: {100 * density[j]:.0f} %", rotation=0, ha="right", va="center")
for column, title in ((1, "on"), (4, "switched off"), (7, "difference")):
    axes[0, column].set_title(title)
figure.suptitle("Latent, and the share of faces that it is on in")
plt.show()

# %% [markdown]
# Red is light that the latent puts there, blue is light that it takes away: something is moved when a row has both.
#
# ## 5. From one face to another, one question at a time

# %%
figures.draw_interpolations(view)

# %% [markdown]
# The upper rows switch one latent at a time, the lower ones move along a straight line. Halfway along the line a code is on for *both*
# faces' latents, at half their values: look for a hat that is half there.
#
# **A question.** Two latents with the same difference picture in step 4: are they redundant? Which number in `results.json`, and which
# experiment with their gates, would tell?
