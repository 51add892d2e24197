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
# # Your own data
#
# Arrays in, model out. First images from an array, then a table of measurements through the scikit-learn estimator. A
# minute on two CPU cores.

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
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression

import vsc_jax
from vsc_jax import figures
from vsc_jax.config import Config, with_overrides
from vsc_jax.data import from_arrays
from vsc_jax.evaluation.code_view import CodeView

# %% [markdown]
# ## Images
#
# Images are `[n, height, width]`, uint8 or float in [0, 1]; `y` is optional. Whatever cannot be used is refused in one line that
# names the row.

# %%
digits = load_digits()
mine = from_arrays(digits.images / 16, digits.target, name="digits", test_fraction=0.2)
print(mine.description, mine.train.x.shape, mine.train.x.dtype)
try:
    from_arrays(digits.images)
except vsc_jax.UserError as error:
    print("refused:", error)

# %% [markdown]
# ## Settings that follow the data
#
# Small images need few latents and a small network. `with_overrides` takes the names of the command line.

# %%
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
run = vsc_jax.fit(config, dataset=mine)
view = CodeView(run.model, mine)
figures.draw_reconstructions(view)

# %% [markdown]
# In training the encoder learns to give a noisy digit the code of the clean one. What the model makes of it is the digit that it sees.

# %%
names = ("elbo", "active_per_image", "used_latents", "probe_accuracy")
print("  ".join(f"{name} {run.results[name]:.3g}" for name in names))
figures.draw_activation(view)

# %% [markdown]
# Each column is a latent, each row a digit: bright where the latent is on for most images of the class. Nobody told the model
# about classes.
#
# ## A table
#
# For rows of numbers there is `VariationalSparseCoding`, a scikit-learn transformer: a row is a weighted sum of atoms, as in
# `DictionaryLearning`, and `active` says how many of them are on. Units are taken care of.

# %%
from vsc_jax.estimator import VariationalSparseCoding

wine = load_wine()
coder = VariationalSparseCoding(latents=8, active=3, steps=20 if SMOKE else 3000, random_state=0).fit(
    wine.data
)
code = coder.transform(wine.data)
print(
    f"{coder.active_per_row_:.1f} of 8 latents are on in a wine; log-density at least {coder.score(wine.data):.1f} nats"
)

figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
order = np.argsort(wine.target, kind="stable")
table = np.where(code == 0, np.nan, code)[order].T
picture = axes.imshow(table, aspect="auto", cmap="RdBu_r", vmin=-2, vmax=2, interpolation="nearest")
axes.set(
    title="The codes of 178 wines, sorted by vineyard; grey is exactly 0", xlabel="wine", ylabel="latent"
)
axes.set_facecolor("0.8")
figure.colorbar(picture, label="value")
plt.show()

# %% [markdown]
# Look for a latent that is on for one vineyard and off for the others. The model has seen no label.

# %%
accuracy = (
    LogisticRegression(max_iter=2000).fit(code[::2], wine.target[::2]).score(code[1::2], wine.target[1::2])
)
print(f"a logistic regression on the codes of half of the wines names {100 * accuracy:.0f} % of the others")

# %% [markdown]
# ## Keep it
#
# `vsc_jax.save` writes weights, settings and a card; `vsc_jax.load` needs nothing else.

# %%
import tempfile
from pathlib import Path

folder = vsc_jax.save(run, Path(tempfile.mkdtemp()) / "digits")
print(sorted(path.name for path in folder.iterdir()))
again = vsc_jax.load(folder)
assert np.array_equal(again.code(mine.test.x), run.model.code(mine.test.x))

# %% [markdown]
# **A question.** What happens to the number of latents that are on when you double `alpha`? Try it, and say why it
# does not double.
