"""The names of what can be chosen, each list once; without JAX, so that a command line can list them."""

from typing import Literal

ModelKind = Literal["ae", "vae", "vsc"]
Network = Literal["mlp", "gated", "conv", "conv1d"]
DecoderKind = Literal["mlp", "linear"]
Inference = Literal["encoder", "lista", "ascent"]
InferenceOrAuto = Literal["auto", Inference]
Likelihood = Literal["bernoulli", "gaussian", "student_t", "poisson", "negative_binomial", "categorical"]
Prior = Literal["fixed", "pseudo", "components"]
PriorOrAuto = Literal["auto", Prior]
PriorSlabs = Literal["pseudo", "standard"]
Selection = Literal["exact", "soft", "paper", "hard"]
Gate = Literal["sigmoid", "concrete", "straight_through", "bernoulli"]
GateKind = Literal[Gate, "threshold"]
Slab = Literal["gaussian", "laplace"]
Auto = Literal["auto"]
Precision = Literal["float32", "tensorfloat32", "bfloat16"]

Header = Literal["auto", "true", "false"]
Separator = Literal["auto", "comma", "semicolon", "tab", "space", "bar"]
Color = Literal["auto", "grey", "rgb"]
Binarize = Literal["none", "static", "dynamic", "literature"]
REDRAWN = ("dynamic", "literature")  # of these, those that draw the training pixels anew at every use
Placement = Literal["auto", "device", "stream"]
Representation = Literal["features", "signals"]
Scale = Literal["unit", "standardize"]
FixedScaling = Literal["none", "unit", "standardize"]
Scaling = Literal["auto", "none", "unit", "standardize"]
Tracker = Literal["tensorboard", "wandb"]
