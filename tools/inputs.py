"""Throws whole configurations, right and wrong, at the library: ``python -m tools.inputs``.

A case is a configuration in which some fields, any of them, have values that are allowed, at the edge,
beyond it or of another type, given as JSON or on the command line. It ends in a valid configuration or in
:class:`~vsc_jax.config.errors.UserError`, one line for the user. Some valid ones are trained (``--trained``),
after their sizes are brought down: that ends in finite numbers or, again, in one line. Anything else is a
bug, and is raised. ``make fuzz`` runs a short form.
"""

import argparse
import dataclasses
import itertools
import math
import time
import types
import typing
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tools.drawn import drawn
from vsc_jax.cli.command_line import parse
from vsc_jax.config import FIELDS, Config, from_dict, to_dict, validate
from vsc_jax.config.errors import UserError
from vsc_jax.config.fields import Range
from vsc_jax.data import Dataset, Split

_MOST_CHANGES = 6


def allowed(hint: Any) -> st.SearchStrategy[Any]:
    """JSON values that a field of this type takes, its edges among them."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        limits = next((extra for extra in hint.__metadata__ if isinstance(extra, Range)), None)
        if limits is None:  # marked, and no number
            return allowed(hint.__origin__)
        if options[0] is int:
            return st.integers(limits.low, limits.high) | st.sampled_from([limits.low, limits.high])
        return st.floats(limits.low, limits.high, exclude_min=limits.exclusive, exclude_max=limits.exclusive)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(st.none() if option is types.NoneType else allowed(option) for option in options)
    if origin is Literal:
        return st.sampled_from(options)
    if origin is tuple:
        return st.lists(allowed(options[0]), max_size=3)
    plain = {bool: st.booleans(), str: st.text(max_size=12), Path: st.text(max_size=12)}
    return plain[hint]


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31 - 1, 2**31, 2**63, 10**30]),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(-1, 5) | st.floats(), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)
HINTS = {name: field.hint for name, field in FIELDS.items()}


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    """New values for some fields, by dotted name: mostly allowed ones."""
    names = draw(st.lists(st.sampled_from(sorted(HINTS)), max_size=_MOST_CHANGES, unique=True))
    wrong = draw(st.integers(0, 3)) == 0
    return {name: draw(ANYTHING if wrong and draw(st.booleans()) else allowed(HINTS[name])) for name in names}


def as_json(values: dict[str, Any]) -> Config | str:
    """The default configuration with these values, or the line that refuses them."""
    plain = to_dict(Config())
    for name, value in values.items():
        *sections, last = name.split(".")
        section = plain
        for part in sections:
            section = section[part]
        section[last] = value
    return _config_or_line(lambda: from_dict(plain))


def as_options(values: dict[str, Any]) -> Config | str:
    """The same from a command line."""
    from vsc_jax.train import TrainArguments

    argv = []
    for name, value in values.items():
        argv += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    try:
        return _config_or_line(lambda: parse(TrainArguments, "Test.", argv).settings)
    except SystemExit:
        if not {"-h", "--help"} & set(argv):
            raise
        return "help"


def _config_or_line(make: Callable[[], Config]) -> Config | str:
    try:
        config = make()
        validate(config)
    except UserError as error:
        return str(error) or "an error without words"
    return config


def small_enough(config: Config, rng: np.random.Generator) -> Config:
    """The configuration with sizes that train in a moment; whatever else it says stays."""
    model, train = config.model, config.train
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, path=None, train_examples=None, test_examples=None),
        model=dataclasses.replace(
            model,
            latents=min(model.latents, 3),
            hidden=tuple(min(width, 4) for width in model.hidden[:1]),
            pseudo_inputs=min(model.pseudo_inputs, 3),
        ),
        train=dataclasses.replace(
            train,
            steps=int(rng.integers(1, 3)),
            batch_size=min(train.batch_size, 8),
            log_every=min(train.log_every, 2),
        ),
    )


def dataset() -> Dataset:
    """Twelve images, grey as data sets are, with black and white among them."""
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4), np.uint8)
    images[0], images[1] = 0, 255
    return Dataset("inputs", Split(images), Split(images[:4]), description="Noise")


def trained(config: Config) -> str:
    """Train a few iterations: ``finite``, or the line that ends it."""
    from vsc_jax.training import train

    try:
        history = train(config, dataset()).history
    except UserError:
        return "refused"
    numbers = [value for row in history for value in row.values() if isinstance(value, float)]
    assert numbers
    assert all(map(math.isfinite, numbers)), history
    return "finite"


def run(cases: int, trainings: int, number: int) -> Counter[str]:
    """So many cases, drawn from seed ``number``; how they ended."""
    ends: Counter[str] = Counter()
    rng = np.random.default_rng(number)
    turns = itertools.count()
    every = cases // trainings if trainings else 0

    @drawn(cases, number)
    @given(values=changes())
    def case(values: dict[str, Any]) -> None:
        turn = next(turns)
        config = as_options(values) if turn % 10 == 0 else as_json(values)
        ends["refused" if isinstance(config, str) else "valid"] += 1
        if isinstance(config, Config) and every and turn % every == 0:
            ends[f"trained: {trained(small_enough(config, rng))}"] += 1

    case()
    return ends


def main() -> None:
    """Run the cases and count how they ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--trained", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.monotonic()
    ends = run(arguments.cases, arguments.trained, arguments.seed)
    said = ", ".join(f"{count:,} {how}" for how, count in sorted(ends.items()))
    print(f"{arguments.cases:,} cases in {time.monotonic() - start:.0f} s: {said}; no other end")


if __name__ == "__main__":
    main()
