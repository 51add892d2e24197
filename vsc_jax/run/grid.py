"""From ``model.alpha=0.01,0.1`` to the configurations of a sweep's members."""

import ast
import hashlib
import itertools
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from vsc_jax.config import FIELDS, FREE, MEASURED, Config, replaced, to_flat, with_overrides
from vsc_jax.config.errors import UserError, nearest
from vsc_jax.training.run_folder import identity


class Axis(NamedTuple):
    """Settings that are varied together: dotted names, all of which get each of the plain values."""

    fields: tuple[str, ...]
    values: tuple[Any, ...]


class Member(NamedTuple):
    """One run of a sweep; its name, and its folder's, is such as ``model.alpha=0.1,seed=2``.

    At the end it has ``results``, those of ``results.json``, or the ``problem`` for which there are none.
    """

    name: str
    settings: dict[str, Any]
    config: Config
    results: dict[str, Any] | None = None
    problem: str | None = None


def axes_of(config: Config, grid: Sequence[str], seeds: int | None = None) -> list[Axis]:
    """The axes of a grid as it is written on the command line.

    A text of ``grid`` is ``FIELD=VALUE,VALUE``, or ``FIELD=FIELD=VALUE,VALUE`` for fields that move together;
    layers of ``model.hidden`` are joined by an x, such as ``800x400``. ``seeds`` is how many seeds, from the
    configuration's own on; 1 if neither given nor in the grid.

    Raises:
      UserError: on a grid with nothing to vary, a field that does not exist, cannot vary or is given
        twice, or a value of another type.
    """
    axes = [_axis(config, text) for text in grid]
    fields = [field for axis in axes for field in axis.fields]
    if twice := [field for field in fields if fields.count(field) > 1]:
        raise UserError(f"--grid: {twice[0]} is given twice")
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds: expected 1 or more, got {seeds}")
    if seeds is not None and "seed" in fields:
        raise UserError("--seeds: the grid holds seed already")
    if not axes and seeds is None:
        raise UserError("nothing to vary: expected --grid FIELD=VALUE,VALUE or --seeds N")
    if "seed" not in fields:
        axes.append(Axis(("seed",), tuple(range(config.seed, config.seed + (seeds or 1)))))
    return axes


def expand(config: Config, axes: Sequence[Axis]) -> list[Member]:
    """Every combination of the axes' values, as members whose configurations are validated."""
    members = []
    for values in itertools.product(*(axis.values for axis in axes)):
        settings = {field: value for axis, value in zip(axes, values, strict=True) for field in axis.fields}
        name = ",".join(f"{axis.fields[0]}={_written(v)}" for axis, v in zip(axes, values, strict=True))
        # Over how many devices the sweep is spread is nothing of the member's own.
        changed = with_overrides(config, {**settings, "parallel.members": 1})
        members.append(Member(name, settings, changed))
    return members


def default_workdir(config: Config, axes: Sequence[Axis]) -> Path:
    """``runs/sweep-NAME-HASH``, the hash of what members share: a longer grid finds it again."""
    values = identity(config)
    fields = sorted(field for axis in axes for field in axis.fields)
    for field in fields:
        values.pop(field)
    digest = hashlib.sha256(json.dumps([values, fields], sort_keys=True).encode()).hexdigest()
    return Path("runs") / f"sweep-{config.name}-{digest[:8]}"


def _axis(config: Config, text: str) -> Axis:
    *fields, values = (part.strip() for part in text.split("="))
    if not fields:
        raise UserError(f"--grid: expected FIELD=VALUE,VALUE, got {text!r}")
    for field in fields:
        if inner := [name for name in FIELDS if name.startswith(f"{field}.")]:
            raise UserError(f"--grid: {field} is a section; expected one of {', '.join(inner)}")
        if field not in FIELDS:
            raise UserError(f"--grid: no field {field!r}{nearest(field, FIELDS)}")
        for mark in {FREE, MEASURED}.intersection(FIELDS[field].marks):  # members would be the same run
            raise UserError(f"--grid: {field} cannot vary: it {mark.value}")
    read = tuple(_read(config, fields, value.strip()) for value in values.split(",") if value.strip())
    if not read:
        raise UserError(f"--grid: {fields[0]}: no values; expected {fields[0]}=VALUE,VALUE")
    if twice := [value for value in read if read.count(value) > 1]:
        raise UserError(f"--grid: {fields[0]}: {_written(twice[0])} is given twice")
    return Axis(tuple(fields), read)


def _read(config: Config, fields: Sequence[str], text: str) -> Any:
    """The value that suits the type of all fields, or the complaint about the way it reads best."""
    readings: list[Any] = [text]
    with suppress(ValueError, SyntaxError):
        readings.insert(0, ast.literal_eval(text))
    with suppress(ValueError, SyntaxError):
        readings.append([ast.literal_eval(part) for part in text.split("x")])
    problem: UserError | None = None
    for value in readings:
        try:
            return to_flat(replaced(config, dict.fromkeys(fields, value)))[fields[0]]
        except UserError as error:
            problem = problem or error
    raise UserError(f"--grid: {problem}")


def _written(value: Any) -> str:
    if isinstance(value, list):
        return "x".join(map(str, value))
    return str(value).replace("/", "_")
