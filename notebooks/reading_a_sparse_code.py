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
# You have a model. What does each of its latents stand for? Four ways to look, from the coarsest to the finest. About a
# minute on two CPU cores, most of it training.

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
from sklearn.datasets import load_digits

import vsc_jax
from vsc_jax import figures
from vsc_jax.config import Config, with_overrides
from vsc_jax.data import from_arrays
from vsc_jax.evaluation.code_view import CodeView

digits = load_digits()
mine = from_arrays(digits.images / 16, digits.target, name="digits", test_fraction=0.2)
config = with_overrides(
    Config(name="digits"),
    {
        "model.latents": 30,
        "model.hidden": [200],
        "model.alpha": 0.15,
        "train.steps": 20 if SMOKE else 4000,
        "train.batch_size": 128,
        "evaluate.samples": 4 if SMOKE else 50,
    },
)
model = vsc_jax.fit(config, dataset=mine).model
view = CodeView(model, mine)

# %% [markdown]
# ## 1. Who is used, and how often

# %%
figures.draw_latent_density(view)

# %% [markdown]
# A latent that is on in every image is a coordinate: all digits have some of it. One that is on in a tenth is a *part*.
#
# ## 2. For whom

# %%
figures.draw_activation(view)

# %% [markdown]
# Read both panels together: a latent that is always on but whose |z| is small says nothing about any digit.
#
# ## 3. What it does: turn one latent, leave the rest
#
# The first image's code is decoded again and again with one latent moved through the values that it takes in the data.

# %%
figures.draw_traversals(view)

# %% [markdown]
# ## 4. What it means: switch it
#
# A gate is a yes-or-no question. For each of the most used latents: images in which it is on, what the decoder makes of them, and
# the same with this one latent switched off. What disappears is what it stands for.

# %%
code = view.code
density = (code != 0).mean(0)
parts = [j for j in np.argsort(-density) if density[j] < 0.7][:6]
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
figure.suptitle("Latent, and the share of digits that it is on in")
plt.show()

# %% [markdown]
# Red is ink that the latent puts there, blue is ink that it takes away: a stroke is moved when a row has both.
#
# ## 5. From one digit to another, one question at a time

# %%
figures.draw_interpolations(view)

# %% [markdown]
# The upper rows switch one latent at a time, the lower ones move along a straight line. Halfway along the line a code is on for *both*
# digits' latents, which no real digit is.
#
# **A question.** Two latents with the same difference picture in step 4: are they redundant? Which number in `results.json`, and which
# experiment with their gates, would tell?
