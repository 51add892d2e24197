"""What each latent means, in a table for Python and on a page of one file, ``latents.html``."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from vsc_jax import __version__
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, Split
from vsc_jax.data.arrays import class_indices, listed
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.latents import Latents, decoded, describe
from vsc_jax.figures import style
from vsc_jax.models import Model
from vsc_jax.models.inputs import as_examples, as_float
from vsc_jax.models.nets.dictionary import Dictionary
from vsc_jax.models.nets.networks import SignalDecoder
from vsc_jax.pages import sentences
from vsc_jax.pages.pictures import as_file, curves, picture, uri

EXAMPLES = 6  # of the strongest, and of those at quantiles
SWEEP = 5  # values
_THINGS = {"image": "images", "signal": "signals", "vector": "rows"}
_OTHER = "#8a939c"  # color of latents that tell nothing, or one of the rarer classes
_LARGEST = 64  # pixels of a picture's longer side


def describe_latents(
    model: Model, data: Any, labels: Any = None, *, label_names: Sequence[str] = ()
) -> Latents:
    """What each latent of a model means: when it is on, what that tells, and what it changes.

    Args:
      model: any trained model. Without gates every latent is on, and switched off it is set to zero.
      data: a :class:`~vsc_jax.data.Dataset`, whose test split is described, or examples as the model takes
        them; the columns of a frame give their names.
      labels: classes of the examples ``[n]``; or which examples have an attribute, bool ``[n]``, by its name.
        By default those of the data set: its classes, or Smiley's attributes.
      label_names: what the classes 0, 1, ... are called.

    Returns:
      Latents, whose ``table`` has a dictionary for each one that is ever on: ``pandas.DataFrame(table)`` is a
      frame. The entry ``meaning`` is a sentence of the others.

    Raises:
      ValueError: if the data do not fit the model, or labels or names do not fit the data.
    """
    if not isinstance(model, Model):
        raise UserError(f"model: expected a model, as vsc_jax.load gives it, got {type(model).__name__}")
    given = data.test.x if isinstance(data, Dataset) else data
    x = np.asarray(as_examples(given, model.decoder.example_shape))
    if not len(x):
        raise UserError("x: expected at least one example, got none")
    dataset = data
    if not isinstance(data, Dataset):
        signals = isinstance(model.decoder.trunk, SignalDecoder)
        channels = tuple(f"channel {number}" for number in range(x.shape[-1])) if signals else ()
        columns = tuple(map(str, getattr(data, "columns", ())))
        dataset = Dataset("data", Split(x), Split(x), channel_names=channels, column_names=columns)
    if labels is None and label_names:
        labels = dataset.test.labels
        if labels is None:
            raise UserError("label_names: given without labels")
    present = None if labels is None else _present(labels, len(x), label_names)
    return with_meaning(CodeView(model, dataset), present)


def _present(labels: Any, count: int, label_names: Sequence[str]) -> dict[str, np.ndarray]:
    parts = labels if isinstance(labels, Mapping) else {"labels": labels}
    for name, values in parts.items():
        if np.shape(values) != (count,):
            shape = np.shape(values)
            raise UserError(f"{name}: expected {count} labels, one an example, got shape {shape}")
    if isinstance(labels, Mapping):
        return {str(name): np.asarray(values, bool) for name, values in labels.items()}
    indices, names, _ = class_indices(parts)
    if label_names:
        if not all(name.isdecimal() and int(name) < len(label_names) for name in names):
            got = f"{len(label_names)} for the classes {listed(names)}"
            raise UserError(f"label_names: expected a name for each class from 0 on, got {got}")
        names = tuple(label_names[int(name)] for name in names)
    return {name: indices["labels"] == number for number, name in enumerate(names)}


def with_meaning(view: CodeView, present: Mapping[str, np.ndarray] | None = None) -> Latents:
    """What :func:`~vsc_jax.evaluation.latents.describe` finds, with the entry ``meaning``."""
    found, things = describe(view, present), _THINGS[view.dataset.form]
    for row in found.table:
        row["meaning"] = sentences.sentence("latent", {**row, "things": things})
    return found


def latents_page(
    found: Latents, title: str, texts: Sequence[str] | None = None, *, explorer: bool = False
) -> dict[str, Any]:
    """What the template of the page needs; ``texts`` are shown for the test examples, one for each.

    With ``explorer`` the page is one of the explorer's, and its cards lead there.

    Raises:
      UserError: if there are more or fewer texts than test examples.
    """
    view = found.view
    if texts is not None and len(texts) != len(view.test):
        lines = f"{len(view.test):,} lines, one per test example"
        raise UserError(f"--texts: expected {lines}, got {len(texts):,}")
    rank = {name: place for place, name in enumerate(found.present)}
    rows = sorted(found.table, key=lambda row: (rank.get(row["tells"], len(rank)), -row["moved"]))
    script = (Path(__file__).parent / "latents.js").read_text()
    idle = [row["latent"] for row in found.table if row["idle"]]
    active = view.density.sum()
    return {
        "title": title,
        "explorer": explorer,
        "data": view.dataset.description or view.dataset.name,
        "things": _THINGS[view.dataset.form],
        "gated": view.gated,
        "latents": view.latents,
        "examples": len(view.test),
        "idle": idle,
        "active": float(active),
        "effective": float(active - view.density[idle].sum()),
        "tests": found.tests,
        "has_classes": bool(found.present),
        "has_factors": any(row["follows"] for row in rows),
        "cards": [{**row, **_pictures(found, row, texts)} for row in rows],
        "map": _map(found) if rows else None,
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "version": __version__,
    }


def _pictures(found: Latents, row: Mapping[str, Any], texts: Sequence[str] | None) -> dict[str, Any]:
    """The examples and the pictures of a card."""
    view, latent, form = found.view, row["latent"], found.view.dataset.form
    places = [found.names.index(each["name"]) for each in row["changes"][:3]]  # what it changes most
    some = np.asarray(as_float(view.test.x[:500]))[..., places] if form == "signal" else np.array([0.0, 1.0])
    ends = float(some.min()), float(some.max())

    def shown(example: int) -> dict[str, Any]:
        content, text = None, texts[example] if texts is not None else ""
        values = np.asarray(as_float(view.test.x[example]))
        if form == "image":
            content = uri(picture(values, form, *ends, _LARGEST))
        elif form == "signal":
            content = uri(curves(values[:, places].T, *ends))
        elif texts is None and view.dataset.column_names:
            text = ", ".join(f"{found.names[place]} {values[place]:.4g}" for place in places)
        classes = [name for name, has in found.present.items() if has[example]]
        label = f"example {example}" + f": {', '.join(classes)}" * bool(classes)
        return {"src": content, "value": float(view.code[example, latent]), "label": label, "text": text}

    card: dict[str, Any] = {
        "strongest": [shown(int(example)) for example in found.strongest(latent, EXAMPLES)],
        "spread": [shown(int(example)) for example in found.spread(latent, EXAMPLES)],
        "sweep": [],
        "effect": [],
    }
    swept, values, card["example"] = found.sweep(latent, SWEEP)
    if form == "image":
        names = ["off", *(f"{value:+.1f}".replace("-", "−") for value in values)]  # noqa: RUF001
        files = [picture(each, form, *ends, _LARGEST) for each in swept]
        card["sweep"] = [(name, uri(file)) for name, file in zip(names, files, strict=True)]
        own, off = decoded(view, latent, (None, 0.0))
        change = (own - off).reshape(*own.shape[:3], -1).mean(axis=-1)
        size = np.sqrt(np.square(change).mean(axis=0))
        card["effect"] = [
            ("mean", _colored(change.mean(axis=0), style.DIVERGING)),
            ("size", _colored(size, style.SEQUENTIAL)),
        ]
    elif form == "signal":
        strokes = (style.PALETTE[0], "#9aa5b1", style.PALETTE[1])
        for place in places:
            three = swept[[1, 0, -1], :, place]
            drawn = uri(curves(three, float(three.min()), float(three.max()), strokes))
            card["sweep"].append((found.names[place], drawn))
    trunk = view.model.decoder.trunk
    if isinstance(trunk, Dictionary) and form != "vector":
        atom = np.asarray(trunk.atoms, np.float64)[latent].reshape(view.model.decoder.example_shape)
        if form == "image":
            drawn = _colored(atom.reshape(*atom.shape[:2], -1).mean(axis=-1), style.DIVERGING)
        else:
            drawn = uri(picture(atom, form, float(atom.min()), float(atom.max())))
        card["effect"].append(("atom", drawn))
    return card


def _colored(values: np.ndarray, colors: str) -> str:
    """A map of amounts from 0, or of signed values around 0, to the largest; the address of its file."""
    top = float(np.abs(values).max()) or 1.0
    share = values / top if colors == style.SEQUENTIAL else 0.5 + 0.5 * values / top
    pixels = matplotlib.colormaps[colors](share, bytes=True)[..., :3]
    return uri(as_file(np.ascontiguousarray(pixels), _LARGEST))


def _map(found: Latents) -> dict[str, Any]:
    """Circles for all latents: near each other if they are on together, colored by what they tell."""
    kinds = [f"not {row['tells']}" if row["when"] == "off" else row["tells"] for row in found.table]
    told = Counter(kind for kind in kinds if kind)
    colors = dict(zip((name for name, _ in told.most_common()), style.PALETTE[:6], strict=False))
    radius = np.array([7 + 9 * np.sqrt(row["on"]) for row in found.table])
    places = layout(found.likeness, radius)
    circles = [
        {"x": x, "y": y, "r": r, "color": colors.get(kind, _OTHER), "row": row}
        for (x, y), r, kind, row in zip(places.tolist(), radius.tolist(), kinds, found.table, strict=True)
    ]
    low, high = places.min(axis=0) - radius.max() - 2, places.max(axis=0) + radius.max() + 2
    box = " ".join(f"{value:.0f}" for value in (*low, *(high - low)))
    return {"circles": circles, "box": box, "width": float((high - low)[0]), "colors": colors}


def layout(likeness: np.ndarray, radius: np.ndarray) -> Float[np.ndarray, "latents 2"]:
    """Places of circles in the plane, near where they are alike, none upon another.

    Classical scaling (Torgerson, 1952) of the distance 1 - likeness; then circles that overlap part.
    """
    count = len(likeness)
    center = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * center @ np.square(1 - likeness) @ center)
    places = np.zeros((count, 2))
    two = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0))
    places[:, : two.shape[1]] = two
    places *= 1.5 * radius.mean() * np.sqrt(count) / (places.std() or 1.0)
    places += np.random.default_rng(0).normal(size=places.shape)  # equal ones have a way to part
    for _ in range(200):
        apart = places[:, None] - places
        gap = np.linalg.norm(apart, axis=-1) + np.eye(count)
        overlap = np.maximum(0, radius[:, None] + radius + 2 - gap) * (1 - np.eye(count))
        places += 0.3 * (apart / gap[..., None] * overlap[..., None]).sum(axis=1)
    return places
