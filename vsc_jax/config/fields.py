"""Fields of frozen dataclasses: what they are marked with, and their values as JSON and back.

A field is declared once, where it is defined: ``alpha: Annotated[Probability, TRACED, VSC] = 0.1``. Whatever
needs to know which fields are of a kind reads the marks (:func:`fields_of`).
"""

import dataclasses
import enum
import functools
import json
import math
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from vsc_jax.config.errors import UserError


class Mark(enum.Enum):
    """What a field is to a run; a mark of a section holds for all of its fields."""

    TRACED = "may differ between the members that one compiled program trains"
    FREE = "only changes what is shown or kept, or where it is computed: no part of a run's identity"
    MEASURED = "only changes what is measured at the end"
    ADVANCED = "has a default that is rarely changed: left out of --help, explained by --help-all"


@dataclass(frozen=True)
class Only:
    """The field is for some kinds of model or sources of data alone."""

    setting: Literal["model kind", "data source"]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """Allowed values of a number, given as ``Annotated[int, Range(1, 10)]``; NaN is in no range."""

    low: int | float
    high: int | float
    exclusive: bool = False

    def __contains__(self, value: int | float) -> bool:
        """Whether the value is allowed."""
        return self.low < value < self.high if self.exclusive else self.low <= value <= self.high

    def __str__(self) -> str:
        """The range in words, for an error message."""
        if self.exclusive:
            return f"a number between {self.low:g} and {self.high:g}, exclusive"
        return f"a number from {self.low} to {self.high}"


class Field(NamedTuple):
    """A field of a dataclass that holds a value and no other dataclass."""

    hint: Any
    marks: tuple[Any, ...]


def fields_of(kind: type, prefix: str = "", marks: tuple[Any, ...] = ()) -> dict[str, Field]:
    """All fields of nested dataclasses by dotted name, with their marks and those of their sections."""
    found: dict[str, Field] = {}
    for name, hint in _hints(kind).items():
        inner, added = _unwrapped(hint)
        if dataclasses.is_dataclass(inner):
            found |= fields_of(typing.cast(type, inner), f"{prefix}{name}.", marks + added)
        else:
            found[f"{prefix}{name}"] = Field(hint, marks + added)
    return found


def first_difference(there: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """The first of the same entries that differs, as ``a.b: old there, new asked``."""
    for name in asked:
        if there[name] != asked[name]:
            return f"{name}: {_shortened(repr(there[name]))} there, {_shortened(repr(asked[name]))} asked"
    return None


def to_plain(value: Any) -> Any:
    """A field's value as JSON has it: tuples as lists and paths as strings."""
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds; the file is named if it is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))  # Windows editors begin with a mark
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable JSON file ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object")
    return value


def finite(value: Any) -> Any:
    """The value with None in place of numbers that are not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_plain(hint: Any, value: Any, path: str = "") -> Any:
    """The dataclass that plain values stand for; a field that is not given keeps its default.

    Its fields are dataclasses, bool, int, float, str, Path, Literal, tuples of one type, or one of these, or
    None or a Literal. A whole number is taken for a float, but neither bool nor float for an int. What cannot
    be taken is named by its dotted path.
    """
    given, (kind, marks) = value, _unwrapped(hint)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    expected = None
    if dataclasses.is_dataclass(kind):
        value = _read_dataclass(kind, value, path)
    elif origin in (types.UnionType, typing.Union):
        inner, *words = (option for option in arguments if option is not types.NoneType)
        allowed = [*typing.get_args(words[0])] if words else []
        if isinstance(value, str) and allowed:
            expected = None if value in allowed else f"a number or {' or '.join(allowed)}"
        elif value is not None or types.NoneType not in arguments:
            value = from_plain(inner, value, path)
    elif origin is Literal:
        if not any(type(value) is type(choice) and value == choice for choice in arguments):
            expected = f"one of {', '.join(map(str, arguments))}"
    elif origin is tuple and isinstance(value, list | tuple):
        value = tuple(from_plain(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(value))
    elif kind is Path and isinstance(value, str | Path):
        value = Path(value)
    elif kind is float and type(value) is int and abs(value) <= 2**53:
        value = float(value)
    elif type(value) is not kind:
        expected = {tuple: "list", Path: "path"}.get(origin or kind, kind.__name__)
    for mark in marks:
        if expected is None and isinstance(mark, Range) and value not in mark:
            expected = str(mark)
    if expected is not None:
        raise _mismatch(path, expected, given)
    return value


def _read_dataclass(kind: Any, values: Any, path: str) -> Any:
    if not isinstance(values, dict):
        raise _mismatch(path or "configuration", "an object", values)
    hints, prefix = _hints(kind), f"{path}." if path else ""
    for key in values:
        if key not in hints:
            raise UserError(f"{prefix}{key}: unknown key")
    for field in dataclasses.fields(kind):
        if field.default is field.default_factory is dataclasses.MISSING and field.name not in values:
            raise UserError(f"{prefix}{field.name}: missing")
    return kind(**{key: from_plain(hints[key], value, f"{prefix}{key}") for key, value in values.items()})


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return (hint.__origin__, hint.__metadata__) if typing.get_origin(hint) is Annotated else (hint, ())


def _mismatch(path: str, expected: str, value: Any) -> UserError:
    shown = f'"{value}"' if isinstance(value, str) and value.isprintable() else repr(value)
    return UserError(f"{path}: expected {expected}, got {_shortened(shown)}")


def _shortened(text: str, longest: int = 60) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
