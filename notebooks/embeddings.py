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
# # Sparse codes of embeddings
#
# An embedding turns a text into numbers, and no single number means anything. Here a sparse code is learned on top of one,
# and its latents are read aloud: which texts have it on, and what do they share? One cannot be read, and we say so. About two
# minutes on two CPU cores, without a network.

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
import re
import sysconfig
import warnings
from collections import Counter

import jax.numpy
import matplotlib.pyplot as plt
import numpy
import numpy as np
import scipy
import sklearn
from scipy.stats import rankdata
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning, TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

import vsc_jax
from vsc_jax.estimator import VariationalSparseCoding

# %% [markdown]
# ## The texts
#
# Thousands of short texts are on every machine that runs this: the docstrings of Python's standard library, NumPy, SciPy,
# scikit-learn and JAX. We take the first sentence of each, once. Other versions have other sentences, so your numbers will
# differ a little from your neighbor's.

# %%
DOCSTRING = re.compile(r':\n +[rR]?"""\s*([A-Z].*?)(?:\n\s*\n|""")', re.DOTALL)
LEFT_OUT = {"tests", "test", "site-packages", "dist-packages", "idlelib", "_vendor", "externals"}
places = {"Python": Path(sysconfig.get_path("stdlib"))}
places |= {module.__name__: Path(module.__file__).parent for module in (numpy, scipy, sklearn, jax)}
library = {}
for name, place in places.items():
    for path in sorted(place.rglob("*.py")):
        if LEFT_OUT.isdisjoint(path.relative_to(place).parts):
            for docstring in DOCSTRING.findall(path.read_text(encoding="utf-8", errors="ignore")):
                sentence = re.split(r"(?<=[.!?])\s", " ".join(docstring.split()))[0]
                if sentence.endswith(".") and 6 <= len(sentence.split()) <= 30:
                    library.setdefault(sentence, name)
if SMOKE:
    library = dict(list(library.items())[::8])
for text in list(library)[:: len(library) // 6][:6]:
    print(f"{library[text]:8} {text}")

# %% [markdown]
# ## The embedding
#
# Latent semantic analysis: every word counts by how rare it is (TF-IDF), and a singular value decomposition keeps 64 numbers
# of each text. Those that share words, or words of one kind, come near each other. Texts with fewer than three words that count are
# left out, and each row has norm 1, so that long sentences weigh no more than short ones.

# %%
counts = TfidfVectorizer(
    stop_words="english", min_df=5, max_df=0.2, sublinear_tf=True, token_pattern="[a-zA-Z][a-zA-Z]+"
)
weights = counts.fit_transform(library)
enough = np.flatnonzero(np.diff(weights.indptr) >= 3)
weights, texts = weights[enough], np.array(list(library))[enough]
libraries = np.array(list(library.values()))[enough]
embeddings = normalize(TruncatedSVD(16 if SMOKE else 64, random_state=0).fit_transform(weights))
# Any other embedding will do. With a network and `pip install sentence-transformers`:
# embeddings = SentenceTransformer("all-MiniLM-L6-v2").encode(list(texts), normalize_embeddings=True)

print(f"{len(texts):,} texts, {weights.shape[1]:,} words, {embeddings.shape[1]} numbers a text")
print(Counter(libraries.tolist()))

# %% [markdown]
# ## A sparse code of it
#
# `VariationalSparseCoding` as it comes: a linear decoder, so that an embedding is a weighted sum of atoms, and we ask for six of
# them a text. A thousand texts are held out. It standardizes the columns itself. A line
# that begins with *finding* would say what seems wrong.

# %%
order = np.random.default_rng(0).permutation(len(texts))
held_out, train = order[: len(order) // 10], order[len(order) // 10 :]
coder = VariationalSparseCoding(
    latents=24 if SMOKE else 128, active=6, steps=20 if SMOKE else 2000, random_state=0
).fit(embeddings[train])
codes = coder.transform(embeddings)
print(
    f"{(codes[held_out] != 0).sum(axis=1).mean():.1f} of {codes.shape[1]} latents are on in a held-out text"
)
for finding in coder.findings_:
    print("finding:", finding)

# %% [markdown]
# How much of a held-out embedding do so few numbers hold, and do single numbers mean something? For the second question take
# the words of the texts: for each of the 200 most frequent ones, the best single column's area under the ROC curve for *this
# text has the word* (1 tells it perfectly, .5 is chance; a column may be turned around). Beside it the embedding itself,
# principal components, and dictionary learning with as many atoms a text.

# %%
number_on = round((codes[held_out] != 0).sum(axis=1).mean())
mean = embeddings[train].mean(axis=0)
pca = PCA(random_state=0).fit(embeddings[train])
components = pca.transform(embeddings)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # of single texts, in the middle of learning
    dictionary = MiniBatchDictionaryLearning(
        codes.shape[1],
        alpha=0.2,  # in a trial .96 was explained with .1, .95 with .2, .92 with .4, .76 with 1, the default
        fit_algorithm="cd",
        transform_algorithm="omp",
        transform_n_nonzero_coefs=number_on,
        batch_size=256,
        max_iter=1 if SMOKE else 2,
        random_state=0,
    ).fit(embeddings[train] - mean)
weighted = dictionary.transform(embeddings - mean)

frequent = np.argsort(-np.diff(weights.tocsc().indptr), kind="stable")[:200]
words = counts.get_feature_names_out()[frequent]
has = weights[:, frequent].toarray() > 0


def word_areas(columns):
    """Area under the ROC curve of every column for every word, ``[words, columns]``."""
    ranks, having = rankdata(columns, axis=0), has.sum(axis=0)[:, None]
    return (has.T.astype(float) @ ranks / having - (having + 1) / 2) / (len(has) - having)


def explained(outputs):
    """Explained variance of the held-out embeddings."""
    true = embeddings[held_out]
    return 1 - np.square(outputs - true).sum() / np.square(true - mean).sum()


kept = np.where(np.arange(components.shape[1]) < number_on, components, 0)[held_out]
ways = {
    "sparse code": (coder.inverse_transform(codes[held_out]), codes),
    "dictionary learning": (weighted[held_out] @ dictionary.components_ + mean, weighted),
    "principal components": (pca.inverse_transform(kept), components),
    "the embedding": (None, embeddings),
}
variance, areas = {}, {}
for name, (outputs, columns) in ways.items():
    area = word_areas(columns)
    areas[name] = np.maximum(area, 1 - area).max(axis=1)
    if outputs is not None:
        variance[name] = explained(outputs)
    share = f"{variance[name]:.2f}" if name in variance else "-"
    print(f"{name:22} explained: {share:5}  area of a word, median: {np.median(areas[name]):.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 2.8), layout="constrained")
left.barh(list(variance), list(variance.values()), color=["tab:orange", "0.6", "0.6"])
left.set(title=f"What {number_on} numbers say of a held-out text", xlabel="explained variance", xlim=(0, 1))
left.invert_yaxis()
for (name, area), style in zip(areas.items(), ("-", "--", ":", "-."), strict=True):
    right.plot(np.sort(area)[::-1], style, label=name, color="tab:orange" if style == "-" else "0.4")
right.set(
    title="The best single column for each word",
    xlabel="words, best first",
    ylabel="area under ROC",
    ylim=(0.5, 1.02),
)
right.legend(fontsize=8)
plt.show()

# %% [markdown]
# The principal components are dense: the best *directions* are the same for all texts. A sparse code picks its atoms anew
# for every text, out of many. So does dictionary learning, which is not far off; what it lacks is a probability that an atom
# is on, and of a text. The words are a yardstick only: no model here has seen one, just the numbers.
#
# ## What each latent tells
#
# `describe_latents` says of each latent when it is on, what that tells of the labels it is given, and which others are on with it.
# Labels may be anything that is known of the texts; here, their words.

# %%
rows = ((embeddings - coder.mean_) / coder.scale_).astype(np.float32)  # as the model sees them
found = vsc_jax.describe_latents(coder.model_, rows, {word: has[:, k] for k, word in enumerate(words)})
table = sorted(found.table, key=lambda row: -(row["auc"] or 0))
told = {row["latent"]: row["tells"] if row["when"] == "on" else None for row in table}
print("latent   on in   tells         area   strongest text")
for row in table[:: max(1, len(table) // 16)]:
    strongest = texts[found.strongest(row["latent"], 1)[0]]
    area = f"{row['auc']:5.2f}" if row["auc"] else "     "
    print(
        f"{row['latent']:6} {100 * row['on']:5.1f} %   {told[row['latent']] or '':12} {area}   {strongest[:70]}"
    )

# %% [markdown]
# ## Some of them, read aloud
#
# To read a latent, look at the texts that have it on most strongly, and at some from the whole range of its values, drawn at
# random, or you will believe in words that only the extremes share. First the one that tells a word best, of those that are
# on in 3 % of the texts or more, then one from the middle of the list.


# %%
def read(latent, end=None, count=5):
    """Print texts that have a latent on: strongest and random ones, or the strongest of one end."""
    values = codes[:, latent] * (end or 1)
    strongest = np.argsort(-(np.abs(values) if end is None else values), kind="stable")[:count]
    if end is None:
        word, area = found[latent]["tells"], found[latent]["auc"]
        tells = f"tells {word!r} best (area {area:.2f})" if word else "tells no word"
        print(f"latent {latent}: on in {100 * found[latent]['on']:.1f} % of the texts, {tells}")
    else:
        print(f"latent {latent}, its {'positive' if end > 0 else 'negative'} end")
    parts = {"strongest": strongest} | ({"at random": found.spread(latent, count)} if end is None else {})
    for part, indices in parts.items():
        for index in indices:
            print(f"   {part:9} {codes[index, latent]:+5.1f}  {libraries[index]:8} {texts[index][:90]}")


clear = next((row["latent"] for row in table if row["on"] >= 0.03), table[0]["latent"])
read(clear)
print()
read(table[len(table) // 2]["latent"])

# %% [markdown]
# The sign matters, too. Some latents always have the same one; others have two ends. This one, of all that tell a word, has
# positive and negative values in the most equal numbers. Is there a thing that both ends are kinds of, or did two things
# merely find a place on one line?

# %%
both = np.stack([(codes > 0).sum(axis=0), (codes < 0).sum(axis=0)])
balance = both.min(axis=0) / np.maximum(both.max(axis=0), 1)
two_ended = max((row["latent"] for row in table if row["tells"]), key=lambda j: balance[j], default=clear)
print(
    f"{100 * np.mean(balance < 0.2):.0f} % of the latents have one sign at least five times as often as the other\n"
)
read(two_ended, +1)
read(two_ended, -1)

# And one that cannot be read: of all latents its twenty strongest texts agree least.

# %%
agreement = {row["latent"]: has[found.strongest(row["latent"], 20)].sum(axis=0).max() for row in table}
unreadable = min(agreement, key=agreement.get)
read(unreadable)
print(
    f"   no frequent word is in more than {agreement[unreadable]} of its 20 strongest texts; of a typical latent one is in "
    f"{np.median(list(agreement.values())):.0f}"
)

# %% [markdown]
# We have no name for that one. Its strongest texts may look alike, as near copies of one sentence do; go by those at random. The model
# needs it to say what the numbers are, and nobody promised that everything in an embedding has a name.
#
# ## Which go together
#
# Latents that are on in the same texts more often than chance would have it (`together`, with the *lift*: how many times
# as often). We name each by the word that it tells.

# %%
pairs = {}
for row in table:
    for other in row["together"]:
        pair = tuple(sorted((row["latent"], other["latent"])))
        if all(told[latent] for latent in pair) and told[pair[0]] != told[pair[1]]:
            pairs[pair] = other
closest = sorted(pairs, key=lambda pair: -pairs[pair]["likeness"])[:8]
for one, other in closest:
    lift = pairs[one, other]["lift"]
    strength = np.minimum(np.abs(codes[:, one]), np.abs(codes[:, other]))
    with_words = has[:, [words.tolist().index(told[latent]) for latent in (one, other)]].all(axis=1)
    example = texts[np.argmax(strength * with_words)]
    print(f"{told[one]:>12} + {told[other]:12} {lift:5.1f} times as often as by chance   {example[:60]}")

# %% [markdown]
# Two words of one expression have a latent each when they also occur apart. And the libraries? No latent was
# told where a text is from.

# %%
share = np.stack([(codes[libraries == name] != 0).mean(axis=0) for name in places])
named = [latent for latent in told if told[latent]]
most = sorted(named, key=lambda latent: -np.ptp(share[:, latent]))[:20]
most.sort(key=lambda latent: share[:, latent].argmax())
figure, axes = plt.subplots(figsize=(9.5, 2.9), layout="constrained")
picture = axes.imshow(100 * share[:, most], aspect="auto", cmap="Blues")
axes.set_yticks(range(len(places)), places)
axes.set_xticks(range(len(most)), [told[latent] for latent in most], rotation=45, ha="right", fontsize=8)
axes.set(title="In how many of the texts of each library the latent is on: the twenty that differ most")
figure.colorbar(picture, label="%")
plt.show()

# %% [markdown]
# ## Search by code
#
# `vsc_jax.nearest` finds texts that have the same latents on, in the same proportions. Because a code has parts, one can
# also search for *a part*: switch a latent off and ask again.

# %%
is_named = np.array([bool(told.get(latent)) for latent in range(codes.shape[1])])
on = codes[held_out] != 0
query = held_out[np.argmin(np.abs((on & is_named).sum(axis=1) - 4) + (on & ~is_named).sum(axis=1))]
code = codes[query].copy()
strongest = int(np.argmax(np.abs(code)))
without = np.where(np.arange(len(code)) == strongest, 0, code)
print("searched:", texts[query])
print(
    "its code:", ", ".join(f"{told.get(j) or j} {code[j]:+.1f}" for j in np.argsort(-np.abs(code)) if code[j])
)
others = np.setdiff1d(np.arange(len(codes)), query)
for title, wanted in (("nearest", code), (f"nearest without {told.get(strongest)!r}", without)):
    print(f"\n{title}")
    for k, distance in zip(*vsc_jax.nearest(codes[others], wanted, 5), strict=True):
        print(f"   {distance:.2f}  {libraries[others[k]]:8} {texts[others[k]][:100]}")

# %% [markdown]
# For embeddings of your own there is a page, with every latent's strongest texts beside it, from the command line (`embeddings.npz`
# holds `x` and `x_test`, `sentences.txt` a line for each row of `x_test`):
#
# ```
# python -m vsc_jax.train --data.path embeddings.npz --data.scaling standardize --model.likelihood gaussian \
#   --model.decoder linear --model.active 6 --workdir runs/embeddings
# python -m vsc_jax.report runs/embeddings --latents --texts sentences.txt
# ```
#
# **A question.** The words are what this embedding is made of, so a latent for *one word* is no surprise. With an embedding
# of a language model (the commented line), which of the latents would you expect to stop telling a word, and how would you
# check that they still tell something?
