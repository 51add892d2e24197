"""One sentence for each figure of codes: what to look for, and what this run shows, from its numbers."""

from collections.abc import Sequence

import numpy as np

from vsc_jax.evaluation.selection import choices
from vsc_jax.evaluation.statistics import USED_SHARE
from vsc_jax.figures.activation import class_means
from vsc_jax.figures.correlations import signed_correlation
from vsc_jax.figures.from_model import Shown
from vsc_jax.figures.sparsity import UNDECIDED
from vsc_jax.models import VSC
from vsc_jax.pages.words import count, nats, percent, signed
from vsc_jax.training.run_folder import Row

COLLAPSED = 0.02
"""Gates whose probability deviates by less than this over the images do not depend on them."""

OFTEN, RARELY = 0.5, 0.1
"""A latent tells a class when it is on more than often in it, and less than rarely in another."""

ALWAYS = 0.95
"""A latent that is on in more examples than this is on for all."""

LATE = 0.1
"""The last share of the iterations, which says whether training has settled."""


def history(rows: Sequence[Row]) -> str:
    """Where the bound ended, and whether it was still rising."""
    key, name = ("elbo", "bound") if "elbo" in rows[-1] else ("reconstruction", "reconstruction")
    last, step = rows[-1][key], rows[-1]["step"]
    look = f"Look for a {name} that rises and flattens out"
    before = [row[key] for row in rows if row["step"] <= (1 - LATE) * step]
    if not before:
        return f"{look}: here it is at {nats(last)} after {step:,} iterations, too few to tell."
    gain = last - before[-1]
    verdict = "it has settled" if abs(gain) < 0.01 * abs(last) else "it is still moving"
    active = rows[-1].get("active_per_image")
    gates = "" if active is None else f", with {active:.1f} latents on in an image"
    return (
        f"{look}: here it ends at {nats(last)} after {step:,} iterations, {signed(gain)} over the last tenth,"
        f" so {verdict}{gates}."
    )


def activation(shown: Shown) -> str:
    """How many latents are on for one class and off for another; without gates, how sizes differ."""
    assert shown.test.labels is not None
    names = shown.dataset.label_names
    classes = max(len(names), int(shown.test.labels.max()) + 1)

    def class_name(index: int) -> str:
        return names[index] if index < len(names) else str(index)

    look = "Look for columns that are bright for some classes and dark for the others"
    if not shown.sparse:
        size = class_means(np.abs(shown.code), shown.test.labels, classes)
        high, low = np.nanmax(size, axis=0), np.nanmin(size, axis=0)
        latent = int(np.argmax(high - low))
        return (
            f"{look}: here no latent is ever off, as the model has no gates, and latent {latent} differs"
            f" most, with a mean size of {high[latent]:.2f} for"
            f" {class_name(int(np.nanargmax(size[:, latent])))} and {low[latent]:.2f} for"
            f" {class_name(int(np.nanargmin(size[:, latent])))}."
        )
    on = class_means(shown.encoded.on, shown.test.labels, classes)
    high, low = np.nanmax(on, axis=0), np.nanmin(on, axis=0)
    telling = int(((high > OFTEN) & (low < RARELY)).sum())
    latent = int(np.argmax(high - low))
    share = f"{telling} of the {count(len(shown.used), 'used latent')}" if telling else "no latent"
    verb = "is" if telling <= 1 else "are"
    return (
        f"{look}: here {share} {verb} on for most of one class and hardly ever for another; the sharpest,"
        f" latent {latent}, is on in {percent(high[latent])} of"
        f" {class_name(int(np.nanargmax(on[:, latent])))} and {percent(low[latent])} of"
        f" {class_name(int(np.nanargmin(on[:, latent])))}."
    )


def gate_histogram(shown: Shown) -> str:
    """How many gates are decided, and whether they depend on the image."""
    gamma = shown.encoded.gamma
    low, high = UNDECIDED
    off, on = float((gamma <= low).mean()), float((gamma >= high).mean())
    deviation = float(gamma.std(axis=0).max())
    verdict = (
        f", and no gate deviates by more than {deviation:.3f} from image to image: the code has collapsed"
        if deviation < COLLAPSED
        else ""
    )
    return (
        f"Look for two spikes, at 0 and at 1, and little between them: here {percent(off)} of the gates are"
        f" decidedly off, {percent(on)} decidedly on and {percent(1 - off - on)} neither{verdict}."
    )


def latent_density(shown: Shown) -> str:
    """How many latents are used, by how many images, and how many an image uses."""
    latents = len(shown.density)
    always = int((shown.density > ALWAYS).sum())
    dense = 2 * always > len(shown.used)
    on = np.count_nonzero(shown.encoded.on, axis=1)
    low, high = np.percentile(on, [5, 95])
    verb = "is" if always == 1 else "are"
    verdict = ": most of what is on says nothing by being on" if dense else ""
    return (
        "Look for latents that some images use and others do not: here"
        f" {len(shown.used)} of {count(latents, 'latent')} serve at least {percent(USED_SHARE)} of the images"
        f" and {always} {verb} on in over {percent(ALWAYS)} of them, and an image has {on.mean():.1f} on"
        f" (nine in ten have {low:.0f} to {high:.0f}){verdict}."
    )


def pseudo_inputs(shown: Shown) -> str:
    """How many pseudo-inputs serve some image, and how the work is shared."""
    model = shown.model
    assert isinstance(model, VSC)
    nearest = choices(model, shown.test.x).exact.argmax(axis=1)
    gamma = np.asarray(model.components().gamma)
    usage = np.bincount(nearest, minlength=len(gamma)) / len(nearest)
    active = (gamma > 0.5).sum(axis=1)
    span = f"{active.min()} to {active.max()}" if active.min() != active.max() else f"{active.max()}"
    return (
        "Look for pseudo-inputs that resemble different kinds of data and share the work: here"
        f" {np.count_nonzero(usage)} of {len(gamma)} are the nearest one of some test image, the busiest of"
        f" {percent(usage.max())} of them, and they have {span} of {len(gamma[0])} latents on."
    )


def correlations(shown: Shown) -> str:
    """How well the best latent follows each feature where it is present."""
    factors, presence = shown.test.factors, shown.test.presence
    assert factors is not None
    assert presence is not None
    names = shown.dataset.factor_names or tuple(map(str, range(factors.shape[1])))
    best = np.abs(signed_correlation(factors, presence, shown.code)).max(axis=1)
    top, bottom = int(best.argmax()), int(best.argmin())
    return (
        "Look for one strong cell in each row of the lower map, in blocks by attribute: here the best latent"
        f" of a feature reaches a correlation of {best.mean():.2f} on average, {best[top]:.2f} for"
        f" {names[top]} and {best[bottom]:.2f} for {names[bottom]}."
    )
