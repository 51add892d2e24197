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
# # Noise and missing values
#
# What becomes of a sparse code when its input is damaged? First faces with noise, then a table with half of its values
# gone, each beside other methods, and where ours is behind it says so. A few minutes on two CPU cores.

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
from vsc_jax import data
from vsc_jax.config import with_overrides
from vsc_jax.evaluation.reconstruction import denoising

# %% [markdown]
# ## Noisy faces and what is made of them
#
# `smiley_vsc` comes with the package, trained. Its encoder was taught to give a noisy face the code of the clean one
# (`model.noise`: up to a deviation of .5, where pixels go from 0 to 1). The first three pictures take no training.

# %%
model = vsc_jax.load("smiley_vsc")
size = {"data.train_examples": 400 if SMOKE else 20_000, "data.test_examples": 200 if SMOKE else 2000}
faces = data.load(with_overrides(vsc_jax.load_preset("smiley_vsc"), size).data)
count = 20 if SMOKE else 200
clean = faces.test.x[:count] / np.float32(255)
noise = np.random.default_rng(0).normal(size=clean.shape)
noisy = {level: np.clip(clean + level * noise, 0, 1).astype(np.float32) for level in (0.2, 0.5, 0.8)}


def show(rows, title):
    """Rows of eight pictures, by their name."""
    figure, axes = plt.subplots(len(rows), 8, figsize=(8, 1.05 * len(rows) + 0.4), layout="constrained")
    for panels, (name, pictures) in zip(axes, rows.items(), strict=True):
        for panel, picture in zip(panels, np.asarray(pictures), strict=False):
            panel.imshow(picture, cmap="gray", vmin=0, vmax=1)
            panel.set(xticks=[], yticks=[], facecolor="tab:orange")  # of what is missing
        panels[0].set_ylabel(name, fontsize=8)
    figure.suptitle(title)
    plt.show()


show(
    {
        "clean": clean,
        "noise .2": noisy[0.2],
        "output": model.reconstruct(noisy[0.2]),
        "noise .5": noisy[0.5],
        "output ": model.reconstruct(noisy[0.5]),
    },
    "Eight faces, with noise, and what the model makes of them",
)

# %% [markdown]
# Compare each output with the clean face: does it keep hat, tie, eyes and mouth?
#
# ## Take the noise off
#
# `reconstruct` asks the encoder once. `denoise` then looks for a better code of each face, knowing how strong the noise is, or
# finding that too (`"auto"`, the default). It takes a few seconds for a hundred faces.

# %%
show(
    {
        "clean": clean,
        "noise .8": noisy[0.8],
        "reconstruct": model.reconstruct(noisy[0.8][:8]),
        "denoise .8": model.denoise(noisy[0.8][:8], 0.8),
        "auto": model.denoise(noisy[0.8][:8], "auto"),
    },
    "Noise of .8 taken off",
)

# %% [markdown]
# ## Holes in a picture
#
# `NaN` is a pixel that was not seen. `fill` looks for codes that explain the pixels that are there, from eight starts, and gives
# the mean of what they say: black or white where all agree, gray where they do not.

# %%
holes = np.array(clean[:8])
holes[:, :16] = np.nan
show(
    {"clean": clean, "given": holes, "fill": model.fill(holes)},
    "Is there a hat? Mouth and tie do not tell",
)

# %% [markdown]
# The round face goes on in the upper half. Hat and eyes, which the lower half knows nothing of, are gray.

# %% [markdown]
# ## Two models that have seen noise
#
# `model.noise` teaches an encoder to give a noisy face the code of the clean one: up to this deviation, where pixels go from
# 0 to 1. The preset of the VSC has .5. The VAE beside it is trained the same way, so that the comparison is fair.

# %%
size |= {
    "train.steps": 20 if SMOKE else 3000,
    "train.batch_size": 128,
    "model.hidden": [400],
    "evaluate.samples": 4 if SMOKE else 20,
    "evaluate.examples": 200,
}
sparse_config = with_overrides(vsc_jax.load_preset("smiley_vsc"), size)
dense_config = with_overrides(vsc_jax.load_preset("smiley_vae"), {**size, "model.noise": 0.5})
sparse = vsc_jax.fit(sparse_config, dataset=faces)
dense = vsc_jax.fit(dense_config, dataset=faces)
for name, run in (("sparse (VSC)", sparse), ("dense (VAE)", dense)):
    print(f"{name:14} bound {run.results['elbo']:6.1f} nats, on: {run.results['active_per_image']:.1f} of 60")

# %% [markdown]
# ## How much is left, in numbers
#
# *Explained variance* is 1 for the clean face itself and 0 for the mean of all faces, whatever the noise. *Same support* counts
# latents: of those that are on for the clean or for the noisy face, the share that is on for both (Jaccard index).
# `python -m vsc_jax.evaluate RUN --all` writes both to `results.json`, as `denoising_explained_variance_0.2` and
# `same_support_0.2`.

# %%
levels = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
measured = {
    name: denoising(run.model, faces.test.x, jax.random.key(0), noise=levels)
    for name, run in (("sparse", sparse), ("dense", dense))
}
print("noise   sparse: explained, same support   dense: explained")
for level in levels:
    one, other = measured["sparse"][level], measured["dense"][level]
    print(
        f"{level:5.1f} {one.explained_variance:17.3f} {one.same_support:14.3f} {other.explained_variance:19.3f}"
    )

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for name, rows in measured.items():
    left.plot(levels, [rows[level].explained_variance for level in levels], "o-", label=name)
right.plot(levels, [measured["sparse"][level].same_support for level in levels], "o-")
left.set(
    title="The clean face from the noisy one", xlabel="deviation of the noise", ylabel="explained variance"
)
left.legend()
right.set(title="Do the gates stay?", xlabel="deviation of the noise", ylabel="same support", ylim=(0, 1.02))
plt.show()
ahead = {
    level: measured["dense"][level].explained_variance - measured["sparse"][level].explained_variance
    for level in levels
}
behind = [level for level, gap in ahead.items() if gap > 0]
print(
    f"the dense model explains more at {len(behind)} of {len(levels)} levels, by up to {max(ahead.values()):.3f}"
)

# %% [markdown]
# The dense model is ahead at every level, by two to four hundredths: it has sixty numbers to say a face with, the sparse one nine.
# The sparse code is steady all the same. At noise of .5 more than nine in ten of its latents stay, and those that do not
# can be named.
#
# ## Denoising, in numbers
#
# The same three ways of the sparse model, beside the dense one, which has no `denoise`.


# %%
def explained(pictures):
    """Explained variance of the clean faces."""
    return 1 - np.square(np.asarray(pictures) - clean).mean() / clean.var(axis=0).mean()


print("noise   reconstruct   denoise(noise)   denoise(auto)   dense reconstruct")
for level, given in noisy.items():
    ways = (
        sparse.model.reconstruct(given),
        sparse.model.denoise(given, level),
        sparse.model.denoise(given, "auto"),
        dense.model.reconstruct(given),
    )
    print(f"{level:5.1f}" + "".join(f"{explained(way):15.3f}" for way in ways))

# %% [markdown]
# The search is worth more where the noise is strong: at .5 it brings the sparse model from behind the dense one to ahead of it.
#
# ## A table with holes
#
# Half of the values of the test rows go, at random. `VariationalSparseCoding` with its linear decoder fills them in: `fill` looks
# for the code that explains the values that are there. Beside it scikit-learn's imputers. `IterativeImputer` is fitted on the
# training rows and on the same rows with holes: from complete rows alone it stops after one round, and does worse.

# %%
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.preprocessing import StandardScaler

from vsc_jax.estimator import VariationalSparseCoding


def errors(table):
    """Squared error of the values that were taken away, as a share of what the column mean leaves."""
    rng = np.random.default_rng(0)
    x = table[rng.permutation(len(table))][: 300 if SMOKE else None]
    cut = int(0.7 * len(x))
    x = x[:, x[:cut].std(axis=0) > 0]
    x = StandardScaler().fit(x[:cut]).transform(x)
    train, test = x[:cut], x[cut:]
    gone = rng.random(test.shape) < 0.5
    given = np.where(gone, np.nan, test)
    holes = np.where(rng.random(train.shape) < 0.5, np.nan, train)
    coder = VariationalSparseCoding(latents=16, steps=20 if SMOKE else 2000, random_state=0).fit(train)
    iterative = IterativeImputer(max_iter=2 if SMOKE else 10, random_state=0)
    filled = {
        "IterativeImputer": iterative.fit(np.concatenate([train, holes])).transform(given),
        "KNNImputer": KNNImputer(n_neighbors=10).fit(train).transform(given),
        "fill": coder.fill(given),
    }
    mean = np.square(test)[gone].mean()  # of the training rows the mean is 0
    shares = {"column mean": 1.0} | {
        way: np.square(y - test)[gone].mean() / mean for way, y in filled.items()
    }
    return shares, coder.active_per_row_


tables = {"breast cancer": load_breast_cancer().data, "digits": load_digits().data}
found = {name: errors(table) for name, table in tables.items()}
for name, (shares, on) in found.items():
    print(
        f"{name} ({on:.1f} of 16 latents on): "
        + ", ".join(f"{way} {share:.2f}" for way, share in shares.items())
    )
    best = min(shares, key=shares.get)
    print(f"    the best is {best}; fill leaves {shares['fill'] / shares[best]:.2f} times its error")

figure, axes = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained", sharex=True)
for panel, (name, (shares, _)) in zip(axes, found.items(), strict=True):
    colors = ["tab:orange" if way == "fill" else "0.6" for way in shares]
    panel.barh(list(shares), list(shares.values()), color=colors)
    panel.axvline(1, color="k", lw=0.8, ls="--")
    panel.set(title=name, xlabel="error, as a share of the column mean's")
    panel.invert_yaxis()
plt.show()

# %% [markdown]
# Left of the dashed line a method beats the mean of the column. Thirty measurements of a cell say much the same few things: half
# of them tell the code, and `fill` is level with the best. With the digits `fill` is behind, and worse than the column mean: 16
# atoms hold too little of a digit, and half of its pixels leave the code sure of the wrong atoms. Digits that look alike are
# the better guess. Before you fill a table of your own, take some values away that you know, as here, and compare.

# %% [markdown]
# **A question.** Set `"model.noise": 0` for the dense model and run again. At which noise does it fall behind the sparse one, and
# which of the two would you have called robust without the fair comparison?
