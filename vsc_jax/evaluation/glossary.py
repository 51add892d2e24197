"""What every key of ``results.json`` means, and the results as a table to read."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

Unit = Literal["nats", "number", "share", "error", "words"]


class Entry(NamedTuple):
    """What one result means: heading, unit (nats per example, a share of 1, a squared error), text."""

    group: str
    unit: Unit
    text: str


_LIKELIHOOD, _SPARSITY, _SELECTION = "Likelihood, nats per example", "Sparse code", "Pseudo-inputs"
_ERRORS, _PROBES = "Reconstruction", "Classes read off the code"
_ATTRIBUTES, _FEATURES, _ABOUT = "Attributes (presence)", "Features (given presence)", "What was measured"
_OTHER = Entry("Other", "words", "")

GLOSSARY: dict[str, Entry] = {
    "data": Entry(_ABOUT, "words", "data that all numbers are about"),
    "findings": Entry(_ABOUT, "words", "what seems wrong; train and the report say more"),
    "steps": Entry(_ABOUT, "number", "iterations of training, given or found"),
    "test_examples": Entry(_ABOUT, "number", "test examples"),
    "iwae_samples": Entry(_ABOUT, "number", "samples K of iwae"),
    "iwae_examples": Entry(_ABOUT, "number", "test examples of iwae"),
    "refine": Entry(_ABOUT, "number", "steps that improved each posterior"),
    "elbo": Entry(_LIKELIHOOD, "nats", "true bound: reconstruction - kl"),
    "elbo_median": Entry(_LIKELIHOOD, "nats", "the same, of the median example"),
    "train_elbo_median": Entry(_LIKELIHOOD, "nats", "the same, of training examples"),
    "median_error": Entry(_LIKELIHOOD, "nats", "standard error of the difference of the two"),
    "late_gain": Entry(_LIKELIHOOD, "nats", "rise of the training bound over the last tenth"),
    "iwae": Entry(_LIKELIHOOD, "nats", "importance-weighted bound of K samples"),
    "reconstruction": Entry(_LIKELIHOOD, "nats", "log p(x|z) at a posterior sample"),
    "kl": Entry(_LIKELIHOOD, "nats", "divergence from the prior, selection included"),
    "selection_kl": Entry(_LIKELIHOOD, "nats", "part of kl that pays for the pseudo-input"),
    "elbo_classifier": Entry(_LIKELIHOOD, "nats", "true bound with the classifier's weights"),
    "paper_objective": Entry(_LIKELIHOOD, "nats", "the paper's objective; no bound"),
    "active_per_image": Entry(_SPARSITY, "number", "latents on (gamma > 1/2) in an image, mean"),
    "active_per_image_p5": Entry(_SPARSITY, "number", "the same, 5th percentile of images"),
    "active_per_image_p50": Entry(_SPARSITY, "number", "the same, median"),
    "active_per_image_p95": Entry(_SPARSITY, "number", "the same, 95th percentile"),
    "effective_active": Entry(_SPARSITY, "number", "latents on in an image that are not idle, mean"),
    "used_latents": Entry(_SPARSITY, "number", "latents on in at least 1 % of images"),
    "idle_latents": Entry(_SPARSITY, "number", "used latents that move the output by nothing"),
    "dead_latents": Entry(_SPARSITY, "number", "latents on in no image"),
    "dense_latents": Entry(_SPARSITY, "number", "latents on in more than half of the images"),
    "always_on_latents": Entry(_SPARSITY, "number", "latents on in more than 95 % of images"),
    "fixed_gates": Entry(_SPARSITY, "number", "used latents whose gates hardly vary with x"),
    "mean_gamma": Entry(_SPARSITY, "share", "mean gate probability"),
    "undecided_gates": Entry(_SPARSITY, "share", "gates between 0.1 and 0.9"),
    "gamma_std": Entry(_SPARSITY, "share", "deviation of used gates over images; 0: they ignore x"),
    "hoyer": Entry(_SPARSITY, "share", "Hoyer sparsity of E[z]: 0 dense, 1 one-hot"),
    "active_units": Entry(_SPARSITY, "number", "latents with Var E[z] > 0.01"),
    "posterior_collapse": Entry(_SPARSITY, "share", "latents with KL <= .01 on 95 % of images"),
    "coefficient_collapse": Entry(_SPARSITY, "share", "latents with |z| <= .01 on 95 % of images, sampled"),
    "selection_gap_soft": Entry(_SELECTION, "nats", "lost with the classifier's weights"),
    "selection_gap_hard": Entry(_SELECTION, "nats", "lost with its first choice alone"),
    "selection_gap_paper": Entry(_SELECTION, "nats", "lost with the paper's sharpened weights"),
    "classifier_agreement": Entry(_SELECTION, "share", "classifier's first choice is the exact one"),
    "pseudo_inputs_chosen": Entry(_SELECTION, "number", "pseudo-inputs that are a first choice"),
    "pseudo_inputs_used": Entry(_SELECTION, "number", "their effective number (perplexity)"),
    "cluster_accuracy": Entry(_SELECTION, "share", "labels matched one to one with pseudo-inputs"),
    "cluster_purity": Entry(_SELECTION, "share", "each pseudo-input named by its most frequent label"),
    "cluster_nmi": Entry(_SELECTION, "share", "normalised mutual information with the label"),
    "mse": Entry(_ERRORS, "error", "squared error of a value, deterministic code"),
    "mse_sample": Entry(_ERRORS, "error", "squared error of a value, posterior sample"),
    "explained_variance": Entry(_ERRORS, "share", "1 - mse / variance; 0 for the mean image"),
    "filled_explained_variance": Entry(
        _ERRORS, "share", "the same of missing values, half of all, filled in"
    ),
    "probe_accuracy": Entry(_PROBES, "share", "linear probe on E[z]"),
    "probe_accuracy_raw": Entry(_PROBES, "share", "linear probe on the examples themselves"),
    "probe_accuracy_z": Entry(_PROBES, "share", "linear probe on a posterior sample z"),
    "probe_accuracy_mean": Entry(_PROBES, "share", "linear probe on mu (not the sparse code)"),
    "neighbour_accuracy": Entry(_PROBES, "share", "5 nearest neighbours in E[z]"),
    "neighbour_accuracy_z": Entry(_PROBES, "share", "5 nearest neighbours in z"),
    "neighbour_accuracy_mean": Entry(_PROBES, "share", "5 nearest neighbours in mu"),
    "attributes_found": Entry(_ATTRIBUTES, "number", "attributes that one gate tells, AUC >= .99"),
    "gate_ece": Entry(_ATTRIBUTES, "share", "best gates as probabilities: calibration error; 0 is best"),
    "gate_brier": Entry(_ATTRIBUTES, "share", "best gates as probabilities: squared error; 0 is best"),
    "attribute_modularity": Entry(_ATTRIBUTES, "share", "modularity"),
    "attribute_disentanglement": Entry(_ATTRIBUTES, "share", "DCI disentanglement"),
    "attribute_informativeness": Entry(_ATTRIBUTES, "share", "DCI informativeness"),
    "attribute_explicitness": Entry(_ATTRIBUTES, "share", "explicitness"),
    "feature_correlation": Entry(_FEATURES, "share", "best |correlation| of a latent, mean of 18"),
    "feature_correlation_distinct": Entry(_FEATURES, "share", "the same, a latent for each feature"),
    "feature_ceiling_share": Entry(_FEATURES, "share", "share of the supervised ceiling"),
    "feature_r2": Entry(_FEATURES, "share", "R^2 of linear regression from the code"),
    "feature_mig": Entry(_FEATURES, "share", "mutual information gap"),
    "feature_modularity": Entry(_FEATURES, "share", "modularity"),
    "feature_infom": Entry(_FEATURES, "share", "InfoMEC modularity of the sparse code"),
    "feature_infoc": Entry(_FEATURES, "share", "InfoMEC compactness of the sparse code"),
    "feature_sap": Entry(_FEATURES, "share", "separated attribute predictability"),
    "feature_disentanglement": Entry(_FEATURES, "share", "DCI disentanglement"),
    "feature_completeness": Entry(_FEATURES, "share", "DCI completeness"),
    "feature_informativeness": Entry(_FEATURES, "share", "DCI informativeness"),
    "factor_vae": Entry(_FEATURES, "share", "FactorVAE score"),
}
"""Every key of ``results.json`` but for the families below, in the order in which they are shown."""

FAMILIES: dict[str, Entry] = {
    "sparse_probe_": Entry(_PROBES, "share", "a class against the rest from {} latents; chance 1/2"),
    "gate_auc_": Entry(_ATTRIBUTES, "share", "AUC of the best gate: {}"),
    "denoising_mse_": Entry(_ERRORS, "error", "squared error from noise of deviation {}"),
    "denoising_explained_variance_": Entry(_ERRORS, "share", "explained variance from noise {}"),
    "same_support_": Entry(_ERRORS, "share", "Jaccard index of latents on without and with noise {}"),
}
"""Keys that begin alike; what follows is put into the text."""


def explain(name: str) -> Entry | None:
    """What a key of ``results.json`` means, or None for one that is not ours."""
    if name in GLOSSARY:
        return GLOSSARY[name]
    for prefix, family in FAMILIES.items():
        if name.startswith(prefix):
            return family._replace(text=family.text.format(name.removeprefix(prefix).replace("_", " ")))
    return None


def format_value(name: str, value: Any) -> str:
    """A result as it is printed."""
    known = explain(name)
    if isinstance(value, str) or known is None:
        return str(value)
    if known.unit == "number":
        return f"{value:,.2f}".removesuffix("00").removesuffix(".")
    return f"{value:.{ {'nats': 2, 'share': 3, 'error': 5, 'words': 0}[known.unit] }f}"


def by_group(names: Iterable[str]) -> dict[str, list[str]]:
    """Results under their headings, both in the order of :data:`GLOSSARY`, what it does not have last."""
    rank = {name: place for place, name in enumerate(GLOSSARY)}
    groups: dict[str, list[str]] = {entry.group: [] for entry in (*GLOSSARY.values(), _OTHER)}
    for name in sorted(names, key=lambda name: rank.get(name, len(rank))):
        groups[(explain(name) or _OTHER).group].append(name)
    return {group: members for group, members in groups.items() if members}


def table(results: dict[str, Any]) -> str:
    """The results by group, one a line: name, value, meaning."""
    values = {name: format_value(name, value) for name, value in results.items() if name != "data"}
    first, second = (max(map(len, column), default=0) for column in (values, values.values()))
    lines = [str(results["data"])] if "data" in results else []
    for group, names in by_group(values).items():
        texts = [(explain(name) or _OTHER).text for name in names]
        rows = zip(names, texts, strict=True)
        lines += ["", group, *(f"  {n:{first}}  {values[n]:>{second}}  {text}".rstrip() for n, text in rows)]
    return "\n".join(lines)


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.rjust, row, widths)).rstrip() for row in rows)
