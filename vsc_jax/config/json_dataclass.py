"""Frozen dataclasses of settings: to plain JSON values and back, every key, type and range checked."""

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from vsc_jax.config.errors import UserError

T = TypeVar("T")


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


def to_plain(value: Any) -> Any:
    """The value with dataclasses as dicts, tuples as lists and paths as strings."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def finite(value: Any) -> Any:
    """The value with None in place of numbers that are not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_plain(kind: type[T], values: Any) -> T:
    """The dataclass that :func:`to_plain` wrote; a field that is not given keeps its default.

    Args:
      kind: a dataclass whose fields are dataclasses, bool, int, float, str, Path, Literal, tuples of
        one type, or one of these or None.
      values: what ``json.loads`` returned.

    Raises:
      UserError: naming the field by its dotted path, on an unknown or missing key or on a value of
        another type. A whole number is taken for a float, but neither bool nor float for an int.
    """
    result: T = _read(kind, values, "")
    return result


def check_ranges(value: Any, path: str = "") -> None:
    """Check every field that is annotated with a :class:`Range`, in nested dataclasses too.

    Raises:
      UserError: naming the first field that is out of range, by its dotted path.
    """
    hints = typing.get_type_hints(type(value), include_extras=True)
    for field in dataclasses.fields(value):
        item, name = getattr(value, field.name), f"{path}{field.name}"
        if dataclasses.is_dataclass(item):
            check_ranges(item, f"{name}.")
        elif item is not None and (allowed := _range_of(hints[field.name])) is not None:
            for number in item if isinstance(item, tuple) else (item,):
                if number not in allowed:
                    raise UserError(f"{name}: expected {allowed}, got {number!r}")


def _range_of(hint: Any) -> Range | None:
    if typing.get_origin(hint) is Annotated:
        return next((extra for extra in hint.__metadata__ if isinstance(extra, Range)), None)
    return next((found for option in typing.get_args(hint) if (found := _range_of(option))), None)


def _read(kind: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _read_dataclass(kind, value, path)
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        inner = next(option for option in typing.get_args(kind) if option is not types.NoneType)
        return None if value is None else _read(inner, value, path)
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise _mismatch(path, f"one of {', '.join(map(str, choices))}", value)
        return value
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise _mismatch(path, "list", value)
        inner = typing.get_args(kind)[0]
        return tuple(_read(inner, item, f"{path}[{index}]") for index, item in enumerate(value))
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int and abs(value) <= 2**53:
        return float(value)
    if type(value) is not kind:
        raise _mismatch(path, "path" if kind is Path else kind.__name__, value)
    return value


def _read_dataclass(kind: type, values: Any, path: str) -> Any:
    if not isinstance(values, dict):
        raise _mismatch(path or "configuration", "an object", values)
    kinds = typing.get_type_hints(kind)
    prefix = f"{path}." if path else ""
    for key in values:
        if key not in kinds:
            raise UserError(f"{prefix}{key}: unknown key")
    for field in dataclasses.fields(kind):
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise UserError(f"{prefix}{field.name}: missing")
    return kind(**{key: _read(kinds[key], value, f"{prefix}{key}") for key, value in values.items()})


def _mismatch(path: str, expected: str, value: Any) -> UserError:
    shown = f'"{value}"' if isinstance(value, str) and value.isprintable() else repr(value)
    return UserError(f"{path}: expected {expected}, got {shown if len(shown) <= 60 else shown[:57] + '...'}")
