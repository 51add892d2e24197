"""Sparse autoencoders with one linear layer each way: TopK, BatchTopK, Matryoshka, JumpReLU, gated.

One trainer for all: Adam with warm-up and decay, decoder rows of unit norm, an auxiliary loss for latents
that have not fired for a while, and the best of three learning rates on a tenth of the training rows. All are
told how many latents are to be on. Gao et al. 2024 (TopK, auxiliary loss); Bussmann et al. 2024 (BatchTopK),
2025 (Matryoshka); Rajamanoharan et al. 2024 (gated; JumpReLU), with a quadratic penalty on the number on.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

KINDS = ("topk", "topk_signed", "batch_topk", "matryoshka", "jumprelu", "gated")
_RATES = np.array([1e-3, 3e-3, 1e-2], np.float32)
_BATCH = 256
_DEAD_AFTER = 100  # iterations without firing
_BANDWIDTH = 0.5  # of JumpReLU's straight-through derivative
_SPARSITY = {"jumprelu": 1.0, "gated": 0.05}  # weight of the penalty; the gated form's is adapted

Params = dict[str, jax.Array]


class _Carry(NamedTuple):
    params: Params
    moments: Any
    silent: jax.Array  # iterations since each latent fired
    threshold: jax.Array  # of BatchTopK in use: mean of the smallest activation that a batch keeps
    weight: jax.Array  # of the gated form's L1 term


@jax.custom_vjp
def _step(distance: jax.Array) -> jax.Array:
    return (distance > 0).astype(distance.dtype)


def _step_forward(distance: jax.Array) -> tuple[jax.Array, jax.Array]:
    return _step(distance), distance


def _step_backward(distance: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    return (gradient * (jnp.abs(distance) < _BANDWIDTH / 2) / _BANDWIDTH,)


_step.defvjp(_step_forward, _step_backward)


def _largest(values: jax.Array, k: int) -> jax.Array:
    """Mask of the k largest values along the last axis."""
    return values >= jax.lax.top_k(values, k)[0][..., -1:]


def _pre_activations(params: Params, x: jax.Array) -> jax.Array:
    return (x - params["bias"]) @ params["encoder"] + params["shift"]


def _code(kind: str, k: int, params: Params, h: jax.Array, threshold: jax.Array) -> jax.Array:
    """The code in use of each row, which does not depend on the other rows."""
    if kind == "topk_signed":
        return h * _largest(jnp.abs(h), k)
    if kind == "topk":
        return jax.nn.relu(h) * _largest(h, k)
    if kind == "jumprelu":
        return jax.nn.relu(h) * _step(h - jnp.exp(params["level"]))
    if kind == "gated":
        magnitude = (h - params["shift"]) * jnp.exp(params["level"]) + params["magnitude"]
        return jax.nn.relu(magnitude) * (h > 0)
    return h * (h > threshold)


def _decode(params: Params, code: jax.Array) -> jax.Array:
    return code @ params["decoder"] + params["bias"]


def _loss(
    params: Params, kind: str, k: int, x: jax.Array, silent: jax.Array, weight: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Squared error of a feature and the penalties of each kind; beside it the code and its threshold."""
    h = _pre_activations(params, x)
    threshold = jnp.zeros(())
    if kind in ("batch_topk", "matryoshka"):
        threshold = jnp.maximum(jax.lax.top_k(h.ravel(), k * len(x))[0][-1], 0)
    code = _code(kind, k, params, h, jax.lax.stop_gradient(threshold))
    error = x - _decode(params, code)
    loss = jnp.mean(error**2)
    if kind == "matryoshka":
        widths = [h.shape[1] * part // 8 for part in (1, 2, 4)]
        loss += sum(
            jnp.mean((x - _decode(params, code * (jnp.arange(h.shape[1]) < width))) ** 2) for width in widths
        )
    if kind == "jumprelu":
        on = jnp.mean(jnp.sum(_step(h - jnp.exp(params["level"])), axis=1))
        loss += _SPARSITY[kind] * (on / k - 1) ** 2
    if kind == "gated":
        fixed = jax.lax.stop_gradient(params | {"encoder": 0, "shift": 0, "level": 0, "magnitude": 0})
        loss += jnp.mean((x - _decode(fixed, jax.nn.relu(h))) ** 2)
        loss += weight * jnp.mean(jnp.sum(jax.nn.relu(h), axis=1))
    else:
        # Silent latents learn to explain what is left.
        dead = silent > _DEAD_AFTER
        spare = jnp.where(dead, h if kind == "topk_signed" else jax.nn.relu(h), 0)
        spare *= _largest(jnp.abs(spare), h.shape[1] // 2)
        left = jax.lax.stop_gradient(error)
        loss += jnp.any(dead) / 32 * jnp.mean((left - spare @ params["decoder"]) ** 2)
    return loss, (code, threshold)


@partial(jax.jit, static_argnames=("kind", "k", "steps"))
@partial(jax.vmap, in_axes=(0, None, None, None, None, None, None))
def _train(
    rate: jax.Array, x: jax.Array, key: jax.Array, kind: str, k: int, steps: int, latents: jax.Array
) -> tuple[Params, jax.Array]:
    schedule = optax.warmup_cosine_decay_schedule(0, 1, steps // 20, steps)
    adam = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam(b2=0.999))
    start, key = jax.random.split(key)
    decoder = jax.random.normal(start, (latents.shape[0], x.shape[1]))
    decoder /= jnp.linalg.norm(decoder, axis=1, keepdims=True)
    params = {
        "bias": jnp.zeros(x.shape[1]),
        "encoder": decoder.T,
        "decoder": decoder,
        "shift": jnp.zeros(len(decoder)),
        "level": jnp.full(len(decoder), jnp.log(0.5) if kind == "jumprelu" else 0.0),
        "magnitude": jnp.zeros(len(decoder)),
    }

    def iterate(carry: _Carry, step: jax.Array) -> tuple[_Carry, None]:
        batch = x[jax.random.randint(jax.random.fold_in(key, step), (_BATCH,), 0, len(x))]
        gradient, (code, threshold) = jax.grad(_loss, has_aux=True)(
            carry.params, kind, k, batch, carry.silent, carry.weight
        )
        update, moments = adam.update(gradient, carry.moments)
        params = {n: carry.params[n] - rate * schedule(step) * update[n] for n in update}
        params["decoder"] /= jnp.linalg.norm(params["decoder"], axis=1, keepdims=True)
        on = jnp.mean(jnp.sum(code != 0, axis=1))
        return _Carry(
            params,
            moments,
            jnp.where(jnp.any(code != 0, axis=0), 0, carry.silent + 1),
            0.99 * carry.threshold + 0.01 * threshold,
            carry.weight * jnp.exp(0.01 * jnp.clip(on / k - 1, -1, 1)),
        ), None

    carry = _Carry(
        params,
        adam.init(params),
        jnp.zeros(len(decoder), jnp.int32),
        jnp.zeros(()),
        jnp.asarray(_SPARSITY.get(kind, 0.0)),
    )
    carry, _ = jax.lax.scan(iterate, carry, jnp.arange(steps))
    return carry.params, carry.threshold


def fit(
    kind: str, train: np.ndarray, test: np.ndarray, *, latents: int, active: int, seed: int, steps: int
) -> tuple[np.ndarray, ...]:
    """Train with each learning rate on nine tenths of the rows, and with the best one on all of them.

    Returns:
      Of the test rows: codes, pre-activations and reconstructions; the dictionary ``[latents, features]``.
    """
    mean = train.mean(axis=0)
    scale = np.sqrt(np.mean((train - mean) ** 2))
    x = jnp.asarray((train - mean) / scale)
    x = x[np.random.default_rng(seed).permutation(len(x))]
    key, width = jax.random.key(seed), jnp.zeros(latents)
    held_out = x[: len(x) // 10]

    def use(params: Params, threshold: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        h = _pre_activations(params, rows)
        code = _code(kind, active, params, h, threshold)
        return code, h, _decode(params, code)

    candidates = _train(_RATES, x[len(held_out) :], key, kind, active, steps, width)
    code, _, mean_of = jax.vmap(use, in_axes=(0, 0, None))(*candidates, held_out)
    error = jnp.mean((held_out - mean_of) ** 2, axis=(1, 2))
    # More latents than asked for are no better reconstruction.
    excess = jnp.maximum(jnp.mean(jnp.sum(code != 0, axis=2), axis=1) / (1.15 * active), 1)
    best = int(jnp.nanargmin(error * excess))
    params, threshold = jax.tree.map(
        lambda leaf: leaf[0], _train(_RATES[best : best + 1], x, key, kind, active, steps, width)
    )
    code, h, reconstruction = use(params, threshold, jnp.asarray((test - mean) / scale))
    gates = jnp.abs(h) if kind == "topk_signed" else h
    return tuple(np.asarray(x) for x in (code, gates, reconstruction * scale + mean, params["decoder"]))
