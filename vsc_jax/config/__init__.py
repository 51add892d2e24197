"""The whole configuration as frozen dataclasses: what a run is, in one value that JSON can hold.

A preset (``configs/NAME.py``) builds a ``Config``, options change it, :func:`validate` checks it, and the run
folder holds it. A field is marked where it is defined (:mod:`vsc_jax.config.fields`): for which models or
data it is, whether one compiled program can vary it, whether it is part of what a run is. All lists of
fields follow from that. This module imports no JAX, so that ``--help`` is quick. What cannot be used raises
:class:`vsc_jax.config.errors.UserError`, one line that names the file and the field by its dotted path.
"""

import dataclasses
import os
import re
import runpy
import sys
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import attrgetter, getitem
from pathlib import Path
from typing import Annotated, Any, Literal

from vsc_jax.config import choices
from vsc_jax.config.errors import UserError, within
from vsc_jax.config.fields import Mark, Only, Range, fields_of, from_plain, read_json, to_plain

Seed = Annotated[int, Range(0, 2**31 - 1)]
Count = Annotated[int, Range(1, 2**31 - 1)]
Fraction = Annotated[float, Range(0, 1)]
Probability = Annotated[float, Range(0, 1, exclusive=True)]
Weight = Annotated[float, Range(0, 1_000_000)]

TRACED, FREE, MEASURED, ADVANCED = Mark.TRACED, Mark.FREE, Mark.MEASURED, Mark.ADVANCED
VSC, VAE = Only("model kind", ("vsc",)), Only("model kind", ("vae",))
WITH_KL = Only("model kind", ("vae", "vsc"))
SMILEY, HAR = Only("data source", ("smiley",)), Only("data source", ("uci_har",))
TFDS, FILES = Only("data source", ("tfds",)), Only("data source", ("files",))
READ = Only("data source", ("files", "tfds"))


@dataclass(frozen=True)
class Ramp:
    """A value that moves linearly between two moments of the run, iteration by iteration."""

    start: Weight
    """Value up to the iteration begin * steps."""
    end: Weight
    """Value from the iteration until * steps on."""
    begin: Fraction = 0.0
    """Fraction of the run at which the value starts to move."""
    until: Fraction = 0.0
    """Fraction of the run at which the value arrives; the same as begin: no ramp, end throughout."""


@dataclass(frozen=True)
class DataConfig:
    """Which data, and how they are presented."""

    name: str = "smiley"
    """Data set: smiley, mnist, fashion_mnist, uci_har, or any of TFDS as tfds:NAME or tfds:NAME:VERSION."""
    path: Path | None = None
    """Your own data: .npy, .npz (x and, optionally, y, x_test, y_test), a table (.csv, .tsv, .txt, also with
    .gz, or .parquet) or a folder of images. For uci_har: the archive or the folder that it unpacks to."""
    label: Annotated[str | None, READ] = None
    """Where the classes are: a column of your table, or a feature of a TFDS set (if not given: label)."""
    header: Annotated[choices.Header, FILES] = "auto"
    """Whether the first line of a text table names its columns; auto says what it takes it for."""
    separator: Annotated[choices.Separator, FILES] = "auto"
    """What stands between the columns of a text table; auto takes what fits its first lines."""
    image: Annotated[str | None, TFDS, ADVANCED] = None
    """Feature of a TFDS set that holds the images; if not given: image, or the only one there is."""
    crop: Annotated[Count | None, READ] = None
    """Images: side of the square that is cut from the middle."""
    resize: Annotated[Count | None, READ] = None
    """Images: side of the square that they are resized to."""
    color: Annotated[choices.Color, READ, ADVANCED] = "auto"
    """Images: as they are (auto), grey or in color."""
    directory: Annotated[Path | None, TFDS] = None
    """Folder with prepared TFDS sets; without it TFDS_DATA_DIR, then ~/tensorflow_datasets."""
    binarize: choices.Binarize = "none"
    """Pixels as grey values (none), as one fixed Bernoulli draw (static), or drawn anew (dynamic). For mnist
    and fashion_mnist also literature: drawn anew from the first 50,000 training images, the test images
    with the fixed bits that published likelihoods are about."""
    train_examples: Count | None = None
    """At most so many training examples, drawn by data.seed (of MNIST and Fashion-MNIST, which come shuffled,
    the first); Smiley: how many to generate (100,000)."""
    test_examples: Count | None = None
    """At most so many test examples, drawn in the same way; Smiley: how many to generate (5,000)."""
    test_fraction: Annotated[Probability, READ] = 0.1
    """Share of the examples that is held out where there is no test part."""
    image_size: Annotated[Literal[28, 32], SMILEY] = 32
    """Side of the Smiley images; 28 crops two pixels a side."""
    placement: Annotated[choices.Placement, FREE, ADVANCED] = "auto"
    """Training examples on the device, or read while training; auto streams what takes more than a quarter
    of the device's memory."""
    representation: Annotated[choices.Representation, HAR] = "features"
    """Windows of UCI HAR as 561 features, or as 128 steps of nine inertial signals."""
    scaling: choices.Scaling = "auto"
    """How the model sees the values: as they are (none), from the training set's range to [0, 1] (unit), or
    with its mean at 0 and its deviation at 1 (standardize); auto standardizes signals and leaves the rest."""
    seed: Annotated[Seed, ADVANCED] = 0
    """Seed of generated data, of the held-out split, of all subsets and of static binarization."""

    @property
    def source(self) -> str:
        """Who reads the data: ``files``, ``tfds``, ``smiley``, ``uci_har``, or the name of another set."""
        if self.path is not None and self.name != "uci_har":
            return "files"
        is_tfds = self.name in ("mnist", "fashion_mnist") or self.name.startswith("tfds:")
        return "tfds" if is_tfds else self.name


@dataclass(frozen=True)
class ModelConfig:
    """Which model: networks, latent code and prior."""

    kind: choices.ModelKind = "vsc"
    """Autoencoder, Gaussian variational autoencoder or Variational Sparse Coding."""
    latents: Count = 60
    """Number of latents J."""
    network: choices.Network = "mlp"
    """Fully connected networks, the same of gated layers, a convolution of three layers, or convolutions
    over time."""
    hidden: tuple[Count, ...] = (400,)
    """Widths of the hidden layers of an encoder that is mlp or gated; its mirror has them in reverse."""
    decoder: choices.DecoderKind = "mlp"
    """The encoder's mirror, or linear: an example is a weighted sum of atoms, as in dictionary learning."""
    unit_norm: Annotated[bool, ADVANCED] = False
    """Linear decoder: whether every atom has norm 1."""
    inference: Annotated[choices.InferenceOrAuto, VSC] = "auto"
    """How the posterior is found: by an encoder; of a linear decoder also by one that unrolls a search for a
    sparse code (LISTA), or, with a Gaussian likelihood and a fixed prior, without one by coordinate ascent on
    the bound, which learns the prior's slab means and, if neither alpha nor active is given, its rate; of
    the schedules ascent has learning_rate alone. Auto takes ascent where it can, lista for linear decoders
    of counts and of values in [0, 1] with a fixed prior, and else an encoder."""
    likelihood: choices.Likelihood = "bernoulli"
    """Distribution of the data given the code: of values in [0, 1]; of numbers, with a learned variance each;
    of numbers with outliers, with learned tails; of counts, given their total; of counts that
    vary more; of one-hot columns."""
    min_log_var: Annotated[float, Range(-30, 20), ADVANCED] = -6.0
    """Floor of the learned log-variance of gaussian and student_t."""
    noise: Annotated[Weight | None, WITH_KL] = None
    """Noise that codes learn to stand, at almost no cost: in training a quarter of each batch is also encoded
    with Gaussian noise of deviations up to this, and that code is drawn to the clean one. In units of the
    range of data in [0, 1], of the deviation of others. Coordinate ascent has no encoder to teach. If not
    given: 0.5, or 0 for a VAE, a linear decoder and thresholds."""
    beta: Annotated[Weight, TRACED, WITH_KL] = 1.0
    """Weight of the KL divergence; 1 trains the bound itself."""
    tc_weight: Annotated[Weight, TRACED, VAE, ADVANCED] = 0.0
    """Extra weight of the total correlation (beta-TCVAE: beta - 1)."""
    alpha: Annotated[Probability | None, TRACED, VSC] = None
    """Prior probability that a latent is on (fixed prior), or target of the sparsity term; if neither it nor
    active is given: 0.1."""
    active: Annotated[Weight | None, VSC] = None
    """How many latents are on in an example, on average: alpha starts at active / latents and is moved in
    training until it is so. In place of alpha."""
    prior: Annotated[choices.PriorOrAuto, VSC] = "auto"
    """Spike-and-slab of rate alpha, or mixture of the posteriors of learned pseudo-inputs, or of components
    that are learned themselves, from the posteriors of training examples on. Auto takes components, and for
    a linear decoder and thresholds the spike-and-slab."""
    pseudo_inputs: Annotated[Count, VSC] = 32
    """Number U of pseudo-inputs, or components, started at training examples."""
    prior_slabs: Annotated[choices.PriorSlabs, VSC, ADVANCED] = "pseudo"
    """Slabs of the prior's components: of the pseudo-inputs' posteriors, or N(0, 1): only gates differ."""
    selection: Annotated[choices.Selection, VSC, ADVANCED] = "exact"
    """How a component is chosen: best weights, or the classifier's soft, sharpened or hard ones."""
    gate: Annotated[choices.GateKind, VSC] = "concrete"
    """Estimator of the gates in training; evaluation always draws hard gates. Or threshold, without gates: a
    soft threshold for each latent, learned if alpha is not given; values shrink to 0 (fixed prior)."""
    slab: Annotated[choices.Slab, VSC] = "gaussian"
    """Distribution of the value of a latent that is on, in posterior and prior; laplace has heavier tails."""
    initial_gate_logit: Annotated[float, Range(-100, 100), VSC, ADVANCED] = 1.0
    """Where every gate's logit starts; positive is open."""
    sparsity_weight: Annotated[Weight, TRACED, VSC, ADVANCED] = 1.0
    """Weight of the sparsity term J KL(mean gamma || alpha)."""
    usage_weight: Annotated[Weight | None, TRACED, VSC, ADVANCED] = None
    """Weight of a term that keeps latents from being on in more than half of the examples. If not given: 10,
    or 0 for a linear decoder and thresholds."""
    prior_rate: Annotated[Probability | None, TRACED, VSC, ADVANCED] = None
    """Rate that the pseudo-inputs' gates are blended with (schedule.prior_blend); if not given: alpha."""
    weigh_slab_kl: Annotated[bool, VSC, ADVANCED] = True
    """Weight the slab's KL by gamma, as eq. 6 says; false is the mistake of the collapsing recipe."""

    @property
    def rate(self) -> float:
        """The share of latents asked for: ``alpha``, ``active / latents`` or the default."""
        if self.active is not None:
            return self.active / self.latents
        return 0.1 if self.alpha is None else self.alpha

    @property
    def linear(self) -> bool:
        """Whether what is not given is as sparse coding has it, for a linear decoder or soft thresholds."""
        return self.decoder == "linear" or self.gate == "threshold"

    @property
    def prior_used(self) -> choices.Prior:
        """:attr:`prior`, auto resolved."""
        if self.prior == "auto":
            return "fixed" if self.linear else "components"
        return self.prior

    @property
    def inference_used(self) -> choices.Inference:
        """:attr:`inference`, auto resolved."""
        if self.inference != "auto":
            return self.inference
        vsc = self.kind == "vsc" and self.gate != "threshold"
        if vsc and self.decoder == "linear" and self.prior_used == "fixed":
            if self.likelihood == "gaussian" == self.slab and self.beta == 1:
                return "ascent"
            if self.likelihood in ("bernoulli", "poisson", "negative_binomial"):
                return "lista"  # it had the better bound in every trial
        return "encoder"

    @property
    def noise_used(self) -> float:
        """:attr:`noise`, or its default."""
        if self.noise is None:
            return 0.0 if self.linear or self.kind != "vsc" else 0.5
        return self.noise

    @property
    def usage_weight_used(self) -> float:
        """:attr:`usage_weight`, or its default."""
        if self.usage_weight is None:
            return 0.0 if self.linear else 10.0
        return self.usage_weight

    @property
    def mixture(self) -> bool:
        """Whether the prior is a VSC's mixture of pseudo-inputs or components."""
        return self.kind == "vsc" and self.prior_used in ("pseudo", "components")

    @property
    def blended_rate(self) -> float:
        """``prior_rate``, or :attr:`rate` where it is not given."""
        return self.rate if self.prior_rate is None else self.prior_rate


@dataclass(frozen=True)
class ScheduleConfig:
    """What changes while training; every value is set anew in each iteration."""

    learning_rate: Ramp = Ramp(1.0, 0.1, 0.7, 1.0)
    """Factor on train.learning_rate."""
    kl: Annotated[Ramp, WITH_KL] = Ramp(0.0, 1.0, 0.0, 0.25)
    """Factor on model.beta: KL annealing."""
    warm_up: Annotated[Ramp, VSC] = Ramp(1.0, 1.0)
    """Lambda of the paper's warm-up, slab N(lambda mean, lambda var + 1 - lambda)."""
    sharpness: Annotated[Ramp, VSC] = Ramp(1.5, 8.0, 0.0, 1.0)
    """Slope c of the relaxed gate (1 / temperature of the concrete gate)."""
    sparsity: Annotated[Ramp, VSC] = Ramp(0.0, 1.0, 0.1, 0.4)
    """Factor on model.sparsity_weight and model.usage_weight."""
    prior_blend: Annotated[Ramp, VSC] = Ramp(1.0, 0.0, 0.35, 0.7)
    """Weight epsilon of prior_rate in the pseudo-inputs' gates."""
    slab_blend: Annotated[Ramp, VSC] = Ramp(0.0, 0.0)
    """Weight of the standard normal in the pseudo-inputs' slabs: at 1 a fixed prior."""


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast."""

    steps: Count | choices.Auto = 6000
    """Number of iterations; auto finds it: runs of 2, 4, 8, ... times log_every are trained while the bound
    of training examples that are held out for it gains (vsc_jax.run.steps)."""
    batch_size: Count = 256
    """Examples in a batch."""
    learning_rate: Annotated[float, Range(0, 1000, exclusive=True), TRACED] = 1e-3
    """Adam's step size."""
    weight_decay: Annotated[Weight, TRACED, ADVANCED] = 0.0
    """Share of a step size by which the networks' kernels shrink in each iteration (AdamW)."""
    normalize_gradients: Annotated[bool, ADVANCED] = False
    """Divide the gradient of each array of parameters by its own norm before Adam sees it."""
    precision: Annotated[choices.Precision, ADVANCED] = "float32"
    """What operands of the networks' matrix products are rounded to in training: faster on accelerators and
    on CPUs with AMX. All else, and evaluation, stays float32."""
    log_every: Annotated[Count, ADVANCED] = 100
    """Iterations between two rows of metrics.jsonl; also the length of one compiled chunk."""
    progress: Annotated[bool, FREE, ADVANCED] = True
    """Show a progress bar on the terminal."""

    @property
    def iterations(self) -> int:
        """:attr:`steps`, which must be a number by now."""
        if self.steps == "auto":
            raise UserError("train.steps: expected a number, got auto, which only vsc_jax.fit resolves")
        return self.steps


@dataclass(frozen=True)
class CheckpointConfig:
    """What is kept on disk while training."""

    every: Count = 1000
    """Iterations between two checkpoints; the last iteration is always saved."""
    keep: Count = 2
    """How many of the newest checkpoints stay."""


@dataclass(frozen=True)
class EvaluateConfig:
    """What is measured on the test set at the end."""

    samples: Annotated[Count, ADVANCED] = 100
    """Importance samples K of the bound iwae."""
    examples: Annotated[Count | None, ADVANCED] = None
    """Use only so many test examples for iwae, drawn by data.seed; all if not given."""
    batch_size: Annotated[Count, ADVANCED] = 500
    """Examples in one evaluation batch."""
    probe_examples: Annotated[Count, ADVANCED] = 10_000
    """Labelled training examples, drawn by data.seed, on which the linear probe is fitted."""
    figures: Annotated[bool, FREE] = True
    """Draw figures/*.png when training ends."""


@dataclass(frozen=True)
class ParallelConfig:
    """Over how many devices and processes a run is spread; changes results by rounding alone."""

    data: Count = 1
    """Devices that share each batch."""
    members: Count = 1
    """Sweeps: so many times those devices, which share the members that are trained at once."""
    distributed: bool = False
    """Join the other processes of this run: found through SLURM or a TPU pod, or through
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID. Start the same command in each."""


@dataclass(frozen=True)
class Config:
    """Everything that defines a run."""

    name: Annotated[str, FREE] = "smiley_vsc"
    """Name of the preset, used for the run folder."""
    seed: Annotated[Seed, TRACED] = 0
    """Seed of initialization, batches and sampling."""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    schedule: Annotated[ScheduleConfig, TRACED, ADVANCED] = ScheduleConfig()
    train: TrainConfig = TrainConfig()
    checkpoint: Annotated[CheckpointConfig, FREE, ADVANCED] = CheckpointConfig()
    evaluate: Annotated[EvaluateConfig, MEASURED] = EvaluateConfig()
    parallel: Annotated[ParallelConfig, FREE, ADVANCED] = ParallelConfig()


FIELDS = fields_of(Config)
"""Every field by its dotted name, with its marks."""


def unfit_fields(config: Config) -> dict[str, str]:
    """The fields that the chosen model and data do not use, and why."""
    chosen = {"model kind": config.model.kind, "data source": config.data.source}
    return {
        name: f"only for {mark.setting} {' or '.join(mark.values)}, not {chosen[mark.setting]}"
        for name, field in FIELDS.items()
        for mark in field.marks
        if isinstance(mark, Only) and chosen[mark.setting] not in mark.values
    }


def smoke(config: Config) -> Config:
    """The same run at a size that ends in seconds: few steps, few examples, small batches."""
    small = {"data.train_examples": 512, "data.test_examples": 256, "checkpoint.every": 10}
    small |= {"train.steps": 20, "train.log_every": 5, "train.batch_size": min(config.train.batch_size, 64)}
    small |= {"evaluate.samples": 8, "evaluate.examples": 64, "evaluate.probe_examples": 512}
    return with_overrides(config, small)


def preset_folder() -> Path:
    """The folder of the presets: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return package / "configs" if (package / "configs").is_dir() else package.parent / "configs"


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    return sorted(path.stem for path in preset_folder().glob("[!_]*.py"))


def load_preset(name_or_path: str | Path) -> Config:
    """The ``config`` that a preset defines.

    ``name_or_path`` is a name from :func:`preset_names`, the path of a ``.py`` file that defines ``config``,
    or that of a ``.json`` file such as a run's ``config.json``.
    """
    text = str(name_or_path)
    path = preset_folder() / f"{text}.py" if text in preset_names() else Path(text)
    if path.suffix not in (".py", ".json"):
        raise UserError(f"--config: no preset {text!r}; presets are {', '.join(preset_names())}")
    if not os.path.isfile(path):  # unlike Path.is_file, it takes any string
        raise UserError(f"--config: no file {text}")
    if path.suffix == ".json":
        return from_json(path)
    before = list(sys.path)
    try:
        sys.path.insert(0, str(path.parent))  # it may import its neighbours, as a script may
        config = runpy.run_path(str(path)).get("config")
    except (Exception, SystemExit) as error:
        raise UserError(f"--config: {path}: {type(error).__name__}: {error}") from error
    finally:
        sys.path[:] = before
    if not isinstance(config, Config):
        raise UserError(f"--config: {path} defines no `config` of type vsc_jax.config.Config")
    with within(f"--config: {path}"):
        return with_overrides(config, {})


def to_dict(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON values."""
    return dataclasses.asdict(config, dict_factory=lambda items: {n: to_plain(v) for n, v in items})


def to_flat(config: Config, *, without: Iterable[Mark] = ()) -> dict[str, Any]:
    """Plain values by dotted name, less the fields that have one of the marks."""
    marks = set(without)
    kept = (name for name, field in FIELDS.items() if not marks.intersection(field.marks))
    return {name: to_plain(attrgetter(name)(config)) for name in kept}


def from_dict(values: Any) -> Config:
    """The configuration that :func:`to_dict` wrote; a field that is not given keeps its default."""
    return typing.cast(Config, from_plain(Config, values))


def with_overrides(config: Config, overrides: dict[str, Any]) -> Config:
    """The configuration with some fields replaced, such as ``{"model.alpha": 0.05, "seed": 3}``."""
    changed = replaced(config, overrides)
    _check_together(changed)
    return changed


def replaced(config: Config, overrides: dict[str, Any]) -> Config:
    """:func:`with_overrides` that does not check how the fields go together."""
    values = to_dict(config)
    for name, other in (("model.active", "model.alpha"), ("model.alpha", "model.active")):
        if overrides.get(name) is not None and other not in overrides:
            overrides = {**overrides, other: None}  # the two are one setting
    for name, value in overrides.items():
        *sections, last = name.split(".")
        try:
            reduce(getitem, sections, values)[last] = value
        except (KeyError, TypeError):
            raise UserError(f"unknown configuration key: {name}") from None
    return from_dict(values)


def from_json(path: Path) -> Config:
    """The configuration in a ``config.json``, with what older versions called otherwise."""
    values = read_json(path)
    if isinstance(data := values.get("data"), dict):
        if "colour" in data:
            data["color"] = data.pop("colour")
        if data.get("scaling") == "standardise":
            data["scaling"] = "standardize"
        if data.get("presence") == 0.5:  # was an option; others are refused as unknown
            del data["presence"]
    model = values.get("model")
    if isinstance(model, dict) and "checkpoint" in values:  # of a run: what it lacks was not there yet
        values["model"] = {"inference": "encoder", "noise": 0.0, "usage_weight": 0.0} | model
    with within(path):
        return with_overrides(from_dict(values), {})


def validate(config: Config) -> None:
    """Check the type and the range of every value, and how they go together."""
    with_overrides(config, {})


def _check_needed(model: ModelConfig, who: str, needed: dict[str, Any]) -> None:
    for name, value in needed.items():
        if (given := getattr(model, name)) != value:
            raise UserError(f"{who} needs model.{name.removesuffix('_used')} {value}, got {given}")


def _check_together(config: Config) -> None:
    if not re.fullmatch(r"[\w-][\w.-]*", config.name):
        raise UserError(f"name: expected letters, digits, dots, dashes and underscores, got {config.name!r}")
    model = config.model
    if model.active is not None:
        if model.alpha is not None:
            raise UserError("model.active: alpha is given as well; give one of the two")
        if not 0 < model.active < model.latents:
            raise UserError(
                f"model.active: expected more than 0 and less than the {model.latents} latents,"
                f" got {model.active:g}"
            )
    if config.train.steps == "auto" and config.parallel.distributed:
        raise UserError("train.steps: expected a number where parallel.distributed is True, got auto")
    if model.inference_used == "ascent":
        needed = {"kind": "vsc", "decoder": "linear", "likelihood": "gaussian", "prior_used": "fixed"}
        _check_needed(model, "model.inference: ascent", {**needed, "beta": 1.0, "slab": "gaussian"})
    if model.inference_used == "lista":
        _check_needed(model, "model.inference: lista", {"kind": "vsc", "decoder": "linear"})
    if model.gate == "threshold":
        needed = {"prior_used": "fixed", "slab": "gaussian", "inference_used": "encoder"}
        _check_needed(model, "model.gate: threshold", {**needed, "weigh_slab_kl": True})
        if (ramp := config.schedule.warm_up).start != 1 or ramp.end != 1:
            raise UserError("model.gate: threshold has no gates to warm up; leave schedule.warm_up at 1")
    for name in ("alpha", "prior_rate"):
        if (rate := getattr(config.model, name)) is not None and not 1e-37 < rate < 1 - 6e-8:
            raise UserError(f"model.{name}: expected a number neither 0 nor 1 in float32, got {rate!r}")
    for name, ramp in vars(config.schedule).items():
        if ramp.begin > ramp.until:
            raise UserError(f"schedule.{name}: expected begin <= until, got {ramp.begin} and {ramp.until}")
        if name in ("warm_up", "prior_blend", "slab_blend") and max(ramp.start, ramp.end) > 1:
            ends = f"{ramp.start} and {ramp.end}"
            raise UserError(f"schedule.{name}: expected start and end from 0 to 1, got {ends}")
