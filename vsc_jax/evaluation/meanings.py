"""What every key of ``results.json`` means, and the results as a table to read."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

Unit = Literal["nats", "number", "share", "error", "words"]


class Meaning(NamedTuple):
    """Meaning of one result.

    Attributes:
      group: heading under which it is shown.
      unit: nats (an example), number (of something), share (0 to 1, or a score in this range), error
        (squared) or words.
      text: what it is, in a few words.
    """

    group: str
    unit: Unit
    text: str


_LIKELIHOOD, _SPARSITY, _SELECTION = "Likelihood, nats an example", "Sparse code", "Pseudo-inputs"
_ERRORS, _PROBES = "Reconstruction", "Classes read off the code"
_ATTRIBUTES, _FEATURES, _ABOUT = "Attributes (presence)", "Features (given presence)", "What was measured"

MEANINGS: dict[str, Meaning] = {
    "data": Meaning(_ABOUT, "words", "data that all numbers are about"),
    "test_examples": Meaning(_ABOUT, "number", "test examples"),
    "iwae_samples": Meaning(_ABOUT, "number", "samples K of iwae"),
    "iwae_examples": Meaning(_ABOUT, "number", "test examples of iwae"),
    "elbo": Meaning(_LIKELIHOOD, "nats", "true bound: reconstruction - kl"),
    "iwae": Meaning(_LIKELIHOOD, "nats", "importance-weighted bound of K samples"),
    "reconstruction": Meaning(_LIKELIHOOD, "nats", "log p(x|z) at a posterior sample"),
    "kl": Meaning(_LIKELIHOOD, "nats", "divergence from the prior, selection included"),
    "selection_kl": Meaning(_LIKELIHOOD, "nats", "part of kl that pays for the pseudo-input"),
    "elbo_classifier": Meaning(_LIKELIHOOD, "nats", "true bound with the classifier's weights"),
    "paper_objective": Meaning(_LIKELIHOOD, "nats", "the paper's objective; no bound"),
    "active_per_image": Meaning(_SPARSITY, "number", "latents on (gamma > 1/2) in an image, mean"),
    "active_per_image_p5": Meaning(_SPARSITY, "number", "the same, 5th percentile of images"),
    "active_per_image_p50": Meaning(_SPARSITY, "number", "the same, median"),
    "active_per_image_p95": Meaning(_SPARSITY, "number", "the same, 95th percentile"),
    "used_latents": Meaning(_SPARSITY, "number", "latents on in at least 1 % of images"),
    "dead_latents": Meaning(_SPARSITY, "number", "latents on in no image"),
    "mean_gamma": Meaning(_SPARSITY, "share", "mean gate probability"),
    "undecided_gates": Meaning(_SPARSITY, "share", "gates between 0.1 and 0.9"),
    "gamma_std": Meaning(_SPARSITY, "share", "deviation of used gates over images; 0: they ignore x"),
    "hoyer": Meaning(_SPARSITY, "share", "Hoyer sparsity of E[z]: 0 dense, 1 one-hot"),
    "active_units": Meaning(_SPARSITY, "number", "latents with Var E[z] > 0.01"),
    "posterior_collapse": Meaning(_SPARSITY, "share", "latents with KL <= .01 on 95 % of images"),
    "coefficient_collapse": Meaning(_SPARSITY, "share", "latents with |z| <= .01 on 95 % of images, sampled"),
    "selection_gap_soft": Meaning(_SELECTION, "nats", "lost with the classifier's weights"),
    "selection_gap_hard": Meaning(_SELECTION, "nats", "lost with its first choice alone"),
    "selection_gap_paper": Meaning(_SELECTION, "nats", "lost with the paper's sharpened weights"),
    "classifier_agreement": Meaning(_SELECTION, "share", "classifier's first choice is the exact one"),
    "pseudo_inputs_chosen": Meaning(_SELECTION, "number", "pseudo-inputs that are a first choice"),
    "pseudo_inputs_used": Meaning(_SELECTION, "number", "their effective number (perplexity)"),
    "cluster_accuracy": Meaning(_SELECTION, "share", "labels matched one to one with pseudo-inputs"),
    "cluster_purity": Meaning(_SELECTION, "share", "each pseudo-input named by its most frequent label"),
    "cluster_nmi": Meaning(_SELECTION, "share", "normalised mutual information with the label"),
    "mse": Meaning(_ERRORS, "error", "squared error of a value, deterministic code"),
    "mse_sample": Meaning(_ERRORS, "error", "squared error of a value, posterior sample"),
    "explained_variance": Meaning(_ERRORS, "share", "1 - mse / variance; 0 for the mean image"),
    "probe_accuracy": Meaning(_PROBES, "share", "linear probe on E[z]"),
    "probe_accuracy_raw": Meaning(_PROBES, "share", "linear probe on the examples themselves"),
    "probe_accuracy_z": Meaning(_PROBES, "share", "linear probe on a posterior sample z"),
    "probe_accuracy_mean": Meaning(_PROBES, "share", "linear probe on mu (not the sparse code)"),
    "neighbour_accuracy": Meaning(_PROBES, "share", "5 nearest neighbours in E[z]"),
    "neighbour_accuracy_z": Meaning(_PROBES, "share", "5 nearest neighbours in z"),
    "neighbour_accuracy_mean": Meaning(_PROBES, "share", "5 nearest neighbours in mu"),
    "attributes_found": Meaning(_ATTRIBUTES, "number", "attributes that one gate tells, AUC >= .99"),
    "attribute_modularity": Meaning(_ATTRIBUTES, "share", "modularity"),
    "attribute_disentanglement": Meaning(_ATTRIBUTES, "share", "DCI disentanglement"),
    "attribute_informativeness": Meaning(_ATTRIBUTES, "share", "DCI informativeness"),
    "attribute_explicitness": Meaning(_ATTRIBUTES, "share", "explicitness"),
    "feature_correlation": Meaning(_FEATURES, "share", "best |correlation| of a latent, mean of 18"),
    "feature_correlation_distinct": Meaning(_FEATURES, "share", "the same, a latent for each feature"),
    "feature_ceiling_share": Meaning(_FEATURES, "share", "share of the supervised ceiling"),
    "feature_r2": Meaning(_FEATURES, "share", "R^2 of linear regression from the code"),
    "feature_mig": Meaning(_FEATURES, "share", "mutual information gap"),
    "feature_modularity": Meaning(_FEATURES, "share", "modularity"),
    "feature_sap": Meaning(_FEATURES, "share", "separated attribute predictability"),
    "feature_disentanglement": Meaning(_FEATURES, "share", "DCI disentanglement"),
    "feature_completeness": Meaning(_FEATURES, "share", "DCI completeness"),
    "feature_informativeness": Meaning(_FEATURES, "share", "DCI informativeness"),
    "factor_vae": Meaning(_FEATURES, "share", "FactorVAE score"),
}
"""Every key of ``results.json`` but for the families below, in the order in which they are shown."""

FAMILIES: dict[str, Meaning] = {
    "gate_auc_": Meaning(_ATTRIBUTES, "share", "AUC of the best gate: {}"),
    "denoising_mse_": Meaning(_ERRORS, "error", "squared error from noise of deviation {}"),
    "denoising_explained_variance_": Meaning(_ERRORS, "share", "explained variance from noise {}"),
}
"""Keys that begin alike; what follows is put into the text."""


def meaning(name: str) -> Meaning | None:
    """What a key of ``results.json`` means, or None for one that is not ours."""
    if name in MEANINGS:
        return MEANINGS[name]
    for prefix, family in FAMILIES.items():
        if name.startswith(prefix):
            return family._replace(text=family.text.format(name.removeprefix(prefix).replace("_", " ")))
    return None


def shown(name: str, value: Any) -> str:
    """A result as it is printed."""
    known = meaning(name)
    if isinstance(value, str) or known is None:
        return str(value)
    if known.unit == "number":
        return f"{value:,.2f}".removesuffix("00").removesuffix(".")
    return f"{value:.{ {'nats': 2, 'share': 3, 'error': 5, 'words': 0}[known.unit] }f}"


def table(results: dict[str, Any]) -> str:
    """The results by group, one a line: name, value, meaning."""
    names = max((len(name) for name in results if name != "data"), default=0)
    values = max((len(shown(name, v)) for name, v in results.items() if name != "data"), default=0)
    lines = [str(results["data"])] if "data" in results else []
    for group, members in _grouped(results):
        lines += ["", group]
        lines += [
            f"  {name:{names}}  {shown(name, results[name]):>{values}}  {text}".rstrip()
            for name, text in members
        ]
    return "\n".join(lines)


def _grouped(results: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {m.group: [] for m in MEANINGS.values()}
    order = list(MEANINGS)
    ranks = {name: order.index(name) if name in MEANINGS else len(order) for name in results}
    for name in sorted(results, key=lambda name: ranks[name]):
        known = meaning(name)
        if name != "data":
            groups.setdefault(known.group if known else "Other", []).append(
                (name, known.text if known else "")
            )
    yield from ((group, members) for group, members in groups.items() if members)
