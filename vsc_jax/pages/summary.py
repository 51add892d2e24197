"""What was run and what came out of it, in sentences made from the configuration and the results."""

from collections.abc import Sequence

from vsc_jax.config import Config
from vsc_jax.pages.picture_sentences import MEAN_IMAGE
from vsc_jax.pages.source import Source
from vsc_jax.pages.tables import comparable
from vsc_jax.pages.words import count, nats, percent


def what_was_run(source: Source) -> str:
    """The model, its networks and its training in one sentence."""
    config = source.config
    model, train = config.model, config.train
    networks = "convolutional networks"
    if model.network == "mlp":
        networks = f"fully connected networks ({', '.join(map(str, model.hidden))})"
    return (
        f"{_model(config)} with {count(model.latents, 'latent')}, {networks} and a"
        f" {model.likelihood.capitalize()} likelihood; {train.steps:,} iterations of"
        f" {train.batch_size:,} examples, seed {config.seed}."
    )


def in_short(source: Source) -> str:
    """What the results say, in one sentence, or two where it has learnt nothing; empty without."""
    results, parts = source.results, []
    if not results:
        return ""
    if "elbo" in results:
        bound = f"log p(x) is at least {nats(results['elbo'])} an example"
        if "iwae" in results:
            samples = results.get("iwae_samples", "several")
            bound += f", or {nats(results['iwae'])} with {samples} importance samples"
        parts.append(bound)
    elif "reconstruction" in results:
        parts.append(
            f"log p(x|z) is {nats(results['reconstruction'])} an example, which is no bound on log p(x)"
        )
    if "active_per_image" in results and source.config.model.kind == "vsc":
        latents, used = source.config.model.latents, results.get("used_latents", 0)
        parts.append(
            f"an image has {results['active_per_image']:.1f} of {latents} latents on and {used:.0f} are used"
        )
    if "explained_variance" in results:
        parts.append(f"the output explains {percent(results['explained_variance'])} of the variance")
    if "probe_accuracy" in results:
        parts.append(f"a linear probe reads {percent(results['probe_accuracy'])} of the classes off the code")
    if "attributes_found" in results:
        parts.append(f"single gates tell {results['attributes_found']:.0f} of 4 attributes")
    sentence = "; ".join(parts)
    sentence = f"{sentence[:1].upper() if sentence.startswith('an ') else sentence[:1]}{sentence[1:]}."
    if results.get("explained_variance", 1.0) < MEAN_IMAGE:
        sentence += " This model has learnt little more than the mean of the data."
    return sentence


def measured_on(sources: Sequence[Source]) -> str:
    """Which data the results are about, where they are all about the same; empty without results."""
    data = {str(source.results["data"]) for source in sources if "data" in source.results}
    return f"Measured on {data.pop()}." if len(data) == 1 else ""


def trained_on(sources: Sequence[Source]) -> list[str]:
    """What ``data.json`` says about the data of each run, or once if it says the same."""
    described = [str(source.data.get("description") or source.config.data.name) for source in sources]
    return described[:1] if len(set(described)) == 1 else described


def compared(sources: Sequence[Source]) -> str:
    """Which of several runs has the best bound, and by how much; empty where that says nothing."""
    if len(sources) < 2:
        return ""
    if not comparable(sources):
        return "These runs were measured on different data: their nats must not be compared."
    bounds = sorted(
        ((source.results["elbo"], source.label) for source in sources if "elbo" in source.results),
        reverse=True,
    )
    if len(bounds) < 2:
        return ""
    (best, first), (second, other) = bounds[:2]
    return (
        f"The best true bound is that of {first}, {nats(best)} an example, {best - second:.1f} above {other}."
    )


def _model(config: Config) -> str:
    model = config.model
    if model.kind == "ae":
        return "An autoencoder"
    if model.kind == "vae":
        if model.tc_weight > 0:
            return f"A beta-TCVAE (weight {model.tc_weight:g})"
        return "A Gaussian VAE" if model.beta == 1 else f"A beta-VAE (beta = {model.beta:g})"
    prior = f"a fixed prior of rate {model.alpha:g}"
    if model.prior == "pseudo":
        prior = f"{count(model.pseudo_inputs, 'pseudo-input')}, alpha = {model.alpha:g}"
    ramp = config.schedule.warm_up
    warm_up = ", warm-up of the slab" if ramp.start < ramp.end and ramp.until > 0 else ""
    return f"Variational Sparse Coding ({prior}{warm_up})"
