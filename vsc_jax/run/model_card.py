"""The README.md of a saved model: what it is, what it was measured to do, and whose data it learnt from.

Front matter and headings follow the model cards of the Hugging Face Hub (Mitchell et al., *Model Cards for
Model Reporting*, FAT* 2019), so that a folder written by ``vsc_jax.save`` can be pushed there as it is.
"""

import json
import math
from typing import Any

from vsc_jax import __version__
from vsc_jax.config import Config, ModelConfig
from vsc_jax.evaluation.glossary import explain, format_value

# Title, license and reference of the data sets that the library reads by name.
_ORIGINS = {
    "smiley": ("Smiley", "drawn by vsc_jax itself, MIT", "Tonolini, Jensen and Murray-Smith, UAI 2019"),
    "mnist": ("MNIST", "CC BY-SA 3.0", "LeCun, Bottou, Bengio and Haffner, Proc. IEEE 86(11), 1998"),
    "fashion_mnist": ("Fashion-MNIST", "MIT, Zalando SE", "Xiao, Rasul and Vollgraf, arXiv:1708.07747"),
    "uci_har": (
        "Human Activity Recognition Using Smartphones",
        "its own terms, which allow no commercial use",
        "Anguita, Ghio, Oneto, Parra and Reyes-Ortiz, ESANN 2013",
    ),
}
# What a model is called, and what its encoder gives.
_KINDS = {
    "ae": ("Autoencoder", "codes"),
    "vae": ("Gaussian variational autoencoder", "Gaussian(mean, log_var), each"),
    "vsc": ("Variational Sparse Coding", "SpikeSlab(mean, log_var, gate_logit), each"),
}


def networks(model: ModelConfig) -> str:
    """The encoder and the decoder in words."""
    text = "convolutional networks" + " over time" * (model.network == "conv1d")
    if model.network in ("mlp", "gated"):
        text = "gated, " * (model.network == "gated")
        text += f"fully connected networks ({', '.join(map(str, model.hidden))})"
    if model.decoder != "linear":
        return text
    return f"{text if model.inference_used == 'encoder' else 'no encoder'}, a linear decoder"


def model_card(
    config: Config,
    data: dict[str, Any],
    results: dict[str, Any],
    sizes: dict[str, tuple[int, ...]],
    *,
    half: bool = False,
) -> str:
    """The card of a run with this ``data.json`` and ``results.json``, as Markdown.

    ``results`` may be empty; ``sizes`` are the shapes of all parameters by name, ``half`` says that they are
    stored as float16.
    """
    by_name = config.data.path is None or config.data.name == "uci_har"
    origin = _ORIGINS.get(config.data.name) if by_name and data.get("name") == config.data.name else None
    model, train = config.model, config.train
    title, code = _KINDS[model.kind]
    name = origin[0] if origin else data.get("name", "own data")
    shape = [int(side) for side in data["example_shape"]]
    values = sum(math.prod(size) for size in sizes.values())
    tags = ["jax", "flax", "variational-autoencoder", *(["sparse-coding"] * (model.kind == "vsc"))]
    held = "Pseudo-inputs resemble training examples"
    if model.prior_used == "components":
        held = f"The weights hold {model.pseudo_inputs} training examples as they are"
    unknown = f"not known to vsc_jax. {held}: see that\nyou may share those before you share this model."
    terms = f"{origin[1]}. Reference: {origin[2]}." if origin else unknown
    return f"""---
library_name: vsc_jax
tags: {json.dumps(tags)}
datasets: {json.dumps([config.data.name] if origin else [])}
---

# {title} on {name}

{title} with {model.latents} latents, written by vsc_jax {__version__}.
Sparse codes after Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019.

```python
import vsc_jax

model = vsc_jax.load("path/to/this/folder")
q = model.encode(x)  # {code} [n, latents]
model.reconstruct(x)  # x: {["n", *shape]}, uint8 or float in the range of the training data
```

## Sizes

| | |
|---|---|
| examples | {" x ".join(map(str, shape))} |
| latents | {model.latents} |
| networks | {networks(model)}, {model.likelihood} likelihood |
| parameters | {values:,} in float{16 if half else 32}, {(2 if half else 4) * values / 2**20:.1f} MiB |
| training | {train.iterations:,} iterations of {train.batch_size:,} examples, seed {config.seed} |

All settings are in `config.json`; the pseudo-inputs or components of the prior are parameters like any other.

## Data

{data.get("description") or "Not described."}

License of the data: {terms}

## Results

{_results(results)}
## Limits

A generative model of the data above and of nothing else: its likelihoods say little about other images, and
what a latent stands for was found, not chosen. `alpha` was a target of training; how many latents are on was
measured.
"""


def _results(results: dict[str, Any]) -> str:
    if not results:
        return "Not measured.\n"
    known = {name: explain(name) for name in results if name != "data"}
    rows = [f"| `{n}` | {format_value(n, results[n])} | {e.text} |" for n, e in known.items() if e]
    measured = f"Measured on {results['data']}. " if "data" in results else ""
    table = "\n".join(["| result | value | meaning |", "|---|---:|---|", *rows])
    return (
        f"{measured}Likelihoods are log-probabilities in nats per example: higher is better.\n\n{table}\n\n"
    )
