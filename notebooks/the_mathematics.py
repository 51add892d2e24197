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
# # The mathematics, step by step
#
# Every formula of the model beside a simulation of it. Nothing is trained here; each step draws a picture, and in each the
# line (the formula) must go through the points (Monte Carlo). Everything is in nats.

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
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from vsc_jax import losses
from vsc_jax.spike_slab import SpikeSlab, sample_gate

DRAWS = 2000 if SMOKE else 200_000


def latent(mean, log_var, gamma):
    """One latent, in the form that the library takes: arrays with a last axis of latents."""
    gamma = jnp.asarray(gamma, jnp.float32)
    return SpikeSlab(*(jnp.asarray([v], jnp.float32) for v in (mean, log_var, jnp.log(gamma / (1 - gamma)))))


# %% [markdown]
# ## 1. A spike and a slab
#
# $q(z) = \gamma \, \mathcal{N}(\mu, \sigma^2) + (1 - \gamma) \, \delta_0$. A draw is 0 with probability $1 - \gamma$ and normal otherwise.

# %%
q = latent(1.5, -1.0, 0.6)
z = np.asarray(q.sample(jax.random.key(0), sample_shape=(DRAWS,)))[:, 0]
grid = jnp.linspace(-1, 4, 200)[:, None]
density = np.exp(q.log_prob(grid))[:, 0]

figure, axes = plt.subplots(figsize=(7, 3))
axes.hist(
    z[z != 0], bins=80, weights=np.full((z != 0).sum(), 80 / np.ptp(z[z != 0]) / len(z)), color="lightgray"
)
axes.plot(grid[:, 0], density, label="slab: density exp(log_prob)")
axes.plot([0, 0], [0, 0.4], lw=5, label=f"spike: mass {np.mean(z == 0):.3f} of the draws, 0.400 by formula")
axes.set(title="A spike-and-slab", xlabel="z", ylabel="density, and mass at 0", ylim=(0, 0.58))
axes.legend()
plt.show()

# %% [markdown]
# ## 2. Why logits
#
# The same two logarithms, once through $\gamma$ and once through the logit $\ell$, in float32.

# %%
logit = jnp.linspace(0, 120, 200)
gamma = jax.nn.sigmoid(logit)
figure, axes = plt.subplots(figsize=(7, 3))
axes.plot(logit, jnp.log(1 - gamma), lw=4, alpha=0.5, label="log(1 - gamma)")
axes.plot(logit, jax.nn.log_sigmoid(-logit), ls="--", label="log_sigmoid(-logit)")
axes.set(title="Through gamma the logarithm falls off a cliff", xlabel="gate logit", ylabel="log(1 - gamma)")
axes.legend()
plt.show()

# %% [markdown]
# ## 3. The divergence between two of them
#
# $\mathrm{KL} = \gamma \, \mathrm{KL}_{\mathcal{N}} + \mathrm{KL}_{\mathrm{Bernoulli}}$, the paper's eq. 6. By simulation it is the mean of
# $\log q(z) - \log p(z)$ over draws from $q$, with densities of the mixed measure: mass at 0, Lebesgue elsewhere.

# %%
p = latent(0.0, 0.0, 0.1)
gammas = np.linspace(0.02, 0.98, 13)
formula, simulated, unweighted = [], [], []
for number, gamma in enumerate(gammas):
    q = latent(1.0, -1.0, gamma)
    z = q.sample(jax.random.key(number), sample_shape=(DRAWS,))
    formula.append(losses.spike_slab_kl(q, p)[0])
    simulated.append(jnp.mean(q.log_prob(z) - p.log_prob(z)))
    slab = losses.gaussian_kl(q.mean, q.log_var, p.mean, p.log_var)
    unweighted.append((slab + losses.bernoulli_kl(q.gate_logit, p.gate_logit))[0])

figure, axes = plt.subplots(figsize=(7, 3))
axes.plot(gammas, formula, label="spike_slab_kl")
axes.plot(gammas, unweighted, ls=":", label="slab not weighted by gamma: a known mistake")
axes.plot(gammas, simulated, "o", label=f"mean of {DRAWS:,} draws")
axes.set(title="KL(q || p), prior rate 0.1", xlabel="gamma of q", ylabel="nats")
axes.legend()
plt.show()

# %% [markdown]
# The dotted line makes a latent that is *off* pay for a slab that nobody uses; it is one reason why gates die.
#
# ## 4. Gates with a gradient
#
# Each estimator draws from the same uniform $\eta$; they differ in how steep they are.

# %%
eta_logit = jnp.linspace(-6, 6, 300)
figure, axes = plt.subplots(figsize=(7, 3))
for sharpness in (1.0, 3.0, 10.0):
    axes.plot(
        jax.nn.sigmoid(eta_logit), jax.nn.sigmoid(sharpness * (0.5 + eta_logit)), label=f"c = {sharpness:g}"
    )
axes.plot(jax.nn.sigmoid(eta_logit), (0.5 + eta_logit) > 0, color="black", lw=1, label="hard")
axes.set(title="The concrete gate at logit 0.5", xlabel=r"$\eta$", ylabel="gate")
axes.legend()
plt.show()

# %% [markdown]
# What matters is the gradient of an *expectation*. Take $\mathbb{E}[(g - 0.8)^2]$ with $g$ a gate: exactly
# $\gamma \, 0.04 + (1 - \gamma) \, 0.64$, whose slope in $\ell$ is $-0.6 \, \gamma (1 - \gamma)$.

# %%
logits = jnp.linspace(-3, 3, 9)
figure, axes = plt.subplots(figsize=(7, 3))
fine = jnp.linspace(-3, 3, 100)
axes.plot(fine, -0.6 * jax.nn.sigmoid(fine) * jax.nn.sigmoid(-fine), color="black", label="exact")
for gate, sharpness, marker in (("concrete", 2.0, "o"), ("concrete", 8.0, "s"), ("bernoulli", 1.0, "x")):

    def cost(logit, gate=gate, sharpness=sharpness):
        g = sample_gate(jnp.full(DRAWS, logit), jax.random.key(0), gate=gate, sharpness=sharpness)
        return jnp.mean((g - 0.8) ** 2)

    slopes = [jax.grad(cost)(logit) for logit in logits]
    axes.plot(logits, slopes, marker, label=f"{gate}, c = {sharpness:g}" if gate == "concrete" else gate)
axes.set(title="Slope of the expected cost", xlabel="gate logit", ylabel="slope")
axes.legend(loc="lower left", fontsize=8)
plt.show()

# %% [markdown]
# The Bernoulli gate's slope is zero everywhere: an encoder trained through it never hears about its gates. Steeper gates are
# nearer to the truth and noisier, hence the schedule that begins flat.
#
# ## 5. A mixture as prior
#
# With $p(z) = \frac{1}{U} \sum_u p_u(z)$ the divergence has no closed form. Weights $w$ give a bound,
# $\sum_u w_u \mathrm{KL}_u + \mathrm{KL}(w \| \mathrm{uniform})$, tightest at $w_u \propto e^{-\mathrm{KL}_u}$.

# %%
components = SpikeSlab(
    mean=jnp.array([[-2.0], [0.0], [2.0]]),
    log_var=jnp.full((3, 1), -1.0),
    gate_logit=jnp.array([[2.0], [-2.0], [2.0]]),
)
places = np.linspace(-3, 3, 13)
truth, exact, without = [], [], []
for number, place in enumerate(places):
    q = latent(place, -1.5, 0.9)
    z = q.sample(jax.random.key(number), sample_shape=(DRAWS,))
    kl = losses.spike_slab_kl(SpikeSlab(*(f[None] for f in q)), components).sum(-1)  # one for each component
    log_p = losses.mixture_log_prob(
        jnp.stack([SpikeSlab(*(f[u] for f in components)).log_prob(z)[:, 0] for u in range(3)], -1)
    )
    truth.append(jnp.mean(q.log_prob(z)[:, 0] - log_p))
    exact.append(losses.mixture_kl(kl))
    without.append(jnp.sum(jax.nn.softmax(-kl) * kl))

figure, axes = plt.subplots(figsize=(7, 3))
axes.plot(places, exact, label="mixture_kl: an upper bound")
axes.plot(places, without, ls=":", label="without the price of the choice: the paper's")
axes.plot(places, truth, "o", label="KL(q || p) by simulation")
axes.set(title="Divergence from a mixture of three", xlabel="mean of q", ylabel="nats", ylim=(-1.3, 3))
axes.legend(loc="lower center", fontsize=8)
plt.show()

# %% [markdown]
# Where the dotted line runs *below* the points, what is called a bound is none: it leaves out up to log 3 nats.
#
# ## 6. More samples, a tighter bound
#
# For $z$ spike-and-slab and $x = z + $ noise, $\log p(x)$ is known. A posterior that is a little wrong gives a bound that is a
# little low, and averaging $K$ importance weights closes the gap.

# %%
x, noise = 1.0, 0.3
p = latent(0.0, 0.0, 0.3)
normal = lambda x, variance: jnp.exp(-0.5 * x**2 / variance) / jnp.sqrt(2 * jnp.pi * variance)
log_evidence = jnp.log(0.3 * normal(x, 1 + noise) + 0.7 * normal(x, noise))
q = latent(0.5, -1.0, 0.5)
counts = [1, 2, 5, 10, 30, 100]
bounds = []
for samples in counts:
    z = q.sample(jax.random.key(samples), sample_shape=(samples, 200 if SMOKE else 5000))[..., 0]
    log_w = (
        jnp.log(normal(x - z, noise)) + p.log_prob(z[..., None])[..., 0] - q.log_prob(z[..., None])[..., 0]
    )
    bounds.append(losses.importance_weighted_bound(log_w).mean())

figure, axes = plt.subplots(figsize=(7, 3))
axes.semilogx(counts, bounds, "o-", label="importance-weighted bound")
axes.axhline(float(log_evidence), color="black", lw=1, label="log p(x)")
axes.set(title="Towards log p(x)", xlabel="samples K", ylabel="nats")
axes.legend()
plt.show()

# %% [markdown]
# **A question.** In step 6 a `q` whose gate is *closed* (gamma near 0) gives a bound that stays low even at K = 100, but one
# whose gate is *open* recovers. Why is being off so much harder to correct than being on?
