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
# # Why the first model collapsed, and what repairs it
#
# This project grew out of a report in which Variational Sparse Coding learnt *nothing*: every image got the same code, and the
# decoder drew the average image. Three small mistakes did it. Here they are put back in and taken out one at a time. About
# two and a half minutes on two CPU cores.

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

from vsc_jax import data, fit
from vsc_jax.config import Config, with_overrides

base = with_overrides(
    Config(name="collapse"),
    {
        "data.train_examples": 400 if SMOKE else 10_000,
        "data.test_examples": 100 if SMOKE else 1000,
        "model.latents": 20,
        "model.hidden": [200],
        "train.steps": 20 if SMOKE else 1500,
        "train.log_every": 10 if SMOKE else 50,
        "train.batch_size": 128,
        "evaluate.samples": 4,
        "evaluate.examples": 100,
    },
)
faces = data.load(base.data)

# %% [markdown]
# ## The mistakes
#
# 1. **Gates without a gradient.** The gate was a Bernoulli draw. Its derivative with respect to its probability is zero, so the
#    reconstruction never told the encoder which latents it needed.
# 2. **A slab that is always paid for.** The Gaussian part of the divergence was not multiplied by gamma: a latent costs its slab
#    even where it is off.
# 3. **All the pressure at once, on gates that start half closed.** The divergence counted in full from the first iteration, when
#    the decoder is noise and every open latent is a pure cost.

# %%
plain = {"model.noise": 0.0, "model.usage_weight": 0.0}
seed = plain | {
    "model.prior": "fixed",
    "model.alpha": 0.01,
    "model.gate": "bernoulli",
    "model.weigh_slab_kl": False,
    "model.initial_gate_logit": 0.0,
    "schedule.kl": {"start": 1.0, "end": 1.0},
}
steps = {
    "as it was": seed,
    "+ gates with a gradient": seed | {"model.gate": "concrete"},
    "+ slab weighted by gamma": seed | {"model.gate": "concrete", "model.weigh_slab_kl": True},
    "+ pressure later": plain | {"model.prior": "fixed", "model.alpha": 0.01},
    "+ pseudo-inputs": plain | {"model.prior": "pseudo", "model.alpha": 0.2},
}
steps["+ no latent always on (this library)"] = steps["+ pseudo-inputs"] | {
    "model.usage_weight": 10.0,
    "train.learning_rate": 2e-3,
}
if SMOKE:
    steps = dict(list(steps.items())[:2])
runs = {name: fit(with_overrides(base, changes), dataset=faces) for name, changes in steps.items()}

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for name, run in runs.items():
    at = [row["step"] for row in run.history]
    left.plot(at, [row["reconstruction"] for row in run.history], label=name)
    right.plot(at, [row["active_per_image"] for row in run.history])
left.set(title="What the decoder gets right", xlabel="iteration", ylabel="reconstruction (nats per face)")
right.set(title="Latents that are on", xlabel="iteration", ylabel="on in a face, of 20")
left.legend(fontsize=8)
plt.show()

# %% [markdown]
# ## On the test set, with hard gates

# %%
print(f"{'':34}{'elbo':>8}{'kl':>8}{'on':>6}{'spread':>8}")
for name, run in runs.items():
    r = run.results
    print(f"{name:34}{r['elbo']:8.1f}{r['kl']:8.2f}{r['active_per_image']:6.1f}{r['gamma_std']:8.2f}")

# %% [markdown]
# `spread` is the standard deviation of gamma over faces, for the latents that are used. Zero means that every face has the same
# gates: a code that does not depend on what it codes. The last row but one has a good bound and is no sparse code: the same nine
# latents are on in every face, and what is absent is one more value of theirs. The last row pays for latents that are on in
# more than half of a batch. Fewer are then on, *which* are on says what the face has, and the bound is no worse (with steps twice as
# large, that is, which are worth some nats).
#
# ## What the models draw

# %%
shown = faces.test.x[:8]
figure, axes = plt.subplots(1 + len(runs), 8, figsize=(8, 1 + len(runs)), layout="constrained")
rows = {"faces": shown} | {name: np.asarray(run.model.reconstruct(shown)) for name, run in runs.items()}
for row, (name, images) in zip(axes, rows.items(), strict=True):
    for panel, image in zip(row, images, strict=True):
        panel.imshow(image, cmap="gray")
        panel.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
plt.show()

# %% [markdown]
# **A question.** The fourth model has repaired all three mistakes. What does the mixture of pseudo-inputs let the fifth one know
# about a face that a prior of independent latents cannot? And why is nobody forced to say "no hat" by a closed gate there?
