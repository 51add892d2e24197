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
# # Sweeps on one device
#
# How does the bound depend on the sparsity that is asked for, and how much of that is the seed? Six runs, one compiled program:
# settings that are numbers are *traced*, so that members share the program (under `vmap` on a GPU). About a minute and a half on
# two CPU cores.

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
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import vsc_jax
from vsc_jax.config import with_overrides
from vsc_jax.run.sweep import axes_of, expand, sweep, table

config = with_overrides(
    vsc_jax.load_preset("smiley_vsc"),
    {
        "data.train_examples": 400 if SMOKE else 10_000,
        "data.test_examples": 100 if SMOKE else 1000,
        "model.hidden": [8] if SMOKE else [200],
        "model.latents": 4 if SMOKE else 30,
        "model.pseudo_inputs": 4 if SMOKE else 32,
        "train.steps": 10 if SMOKE else 1000,
        "train.batch_size": 64,
        "evaluate.samples": 4,
        "evaluate.examples": 100,
        "evaluate.figures": False,
    },
)

# %% [markdown]
# ## The grid
#
# Three values of `alpha`, two seeds.

# %%
values = "0.1,0.4" if SMOKE else "0.05,0.15,0.4"
axes = axes_of(config, [f"model.alpha={values}"], seeds=1 if SMOKE else 2)
print(*(member.name for member in expand(config, axes)), sep="\n")

# %%
folder = Path(tempfile.mkdtemp()) / "sweep"
done = sweep(config, axes, folder)
print(table(axes, done.members))

# %% [markdown]
# Each member has a run folder of its own, as if it had been trained alone; the table is also `sweep.csv`.

# %%
for file in done.figures:
    plt.figure(figsize=(7, 4.5), layout="constrained")
    plt.imshow(plt.imread(file))
    plt.axis("off")
    plt.show()

# %% [markdown]
# ## What was asked for, what came of it

# %%
figure, panel = plt.subplots(figsize=(6, 3.5), layout="constrained")
for member in done.members:
    asked, got = member.config.model.alpha, member.results["active_per_image"]
    panel.plot(asked * config.model.latents, got, "o", color="tab:blue")
limit = config.model.latents * 0.5
panel.plot([0, limit], [0, limit], color="gray", lw=1, label="as many as asked for")
panel.set(title="alpha is a target, not a result", xlabel="alpha J", ylabel="latents on in a face")
panel.legend()
plt.show()

# %% [markdown]
# The same from a shell:
#
# ```
# python -m vsc_jax.sweep --config smiley_vsc --grid model.alpha=0.05,0.15,0.4 --seeds 2
# ```
#
# **A question.** The spread over seeds at one alpha is part of the result. How many seeds would you need to tell 0.15 from 0.4 by the
# bound alone?
