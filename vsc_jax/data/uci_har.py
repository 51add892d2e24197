"""UCI HAR: smartphone recordings of six activities, as features or as signals, split by person.

Anguita, Ghio, Oneto, Parra and Reyes-Ortiz, *A Public Domain Dataset for Human Activity Recognition Using
Smartphones*, ESANN 2013. A window is 2.56 s of accelerometer and gyroscope at 50 Hz.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsc_jax.config.choices import Representation
from vsc_jax.config.errors import UserError, within
from vsc_jax.data.arrays import LARGEST_FLOAT
from vsc_jax.data.dataset import Dataset, Split, first_outside
from vsc_jax.data.files import cached, check_archive, downloaded, fingerprint, readable

# The copy that a university course offers, with the checksum that many have noted independently.
URL = "https://d396qusza40orc.cloudfront.net/getdata%2Fprojectfiles%2FUCI%20HAR%20Dataset.zip"
MD5 = "d29710c9530a31f303801b6bc34bd895"
FEATURES, STEPS = 561, 128  # values of a window as features, and its steps as signals
# Acceleration without gravity, angular velocity in rad/s, and acceleration in all; accelerations in g.
CHANNELS = tuple(f"{what}_{axis}" for what in ("body_acc", "body_gyro", "total_acc") for axis in "xyz")
ACTIVITIES = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying")
OFFICIAL_WINDOWS = (7352, 2947)  # of the training and the test part

_SPLITS = ("train", "test")
_LARGEST = 2 * 10**9  # bytes; the official files take 0.3 GB
_PARSING = 1  # part of the cache key; raise it when parsing changes


def load_uci_har(path: Path | None = None, representation: Representation = "features") -> Dataset:
    """The data set, activities as labels, split as its files split it: no person is in both parts.

    ``path`` is the archive or the folder that it unpacks to; without it the archive is downloaded once.
    ``features`` are vectors of 561 values in [-1, 1], ``signals`` ``[128, 9]``.
    """
    official = path is None
    path = downloaded(URL, "uci_har.zip", MD5, "--data.path") if path is None else path.expanduser()
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; expected the UCI HAR archive or its folder")
    files = filter(Path.is_file, path.rglob("*")) if path.is_dir() else [path]
    key = f"uci_har-{representation}-{fingerprint(files, _PARSING)}"
    with within(path):
        arrays = cached(key, lambda: _parse(path, representation))
    train, test = (
        Split(arrays[f"{split}_x"], arrays[f"{split}_labels"], subjects=arrays[f"{split}_subjects"])
        for split in _SPLITS
    )
    windows = (len(train), len(test))
    if official and windows != OFFICIAL_WINDOWS:
        raise UserError(f"{path}: expected the official {OFFICIAL_WINDOWS} windows, got {windows}; remove it")
    people, others = (len(np.unique(arrays[f"{split}_subjects"])) for split in _SPLITS)
    return Dataset(
        name="uci_har",
        train=train,
        test=test,
        label_names=tuple(map(str, arrays["label_names"])),
        channel_names=CHANNELS if representation == "signals" else (),
        description=f"UCI HAR {representation}, {people} people to train on and {others} others to test on"
        f" ({'not ' * (windows != OFFICIAL_WINDOWS)}the official split)",
    )


class Members(NamedTuple):
    """The files of an archive or a folder, by their path inside it."""

    names: list[str]
    content: Callable[[str], bytes]

    def read(self, name: str) -> bytes:
        """The content of a file; one that is not there, or damaged, is named in a UserError."""
        with readable(f"{name}: damaged or incomplete ({{}})"):
            try:
                return self.content(name)
            except (KeyError, FileNotFoundError):
                raise UserError(f"expected a file {name} in it, found none") from None


@contextmanager
def opened(path: Path | io.BytesIO, *, largest: int = _LARGEST) -> Iterator[Members]:
    """The files in a folder, or in a zip archive of at most ``largest`` bytes, of which nothing is unpacked.

    An archive in an archive's top level stands for the outer one.
    """
    if isinstance(path, Path) and path.is_dir():
        files = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
        yield Members(files, lambda name: (path / name).read_bytes())
        return
    with readable("not a zip archive, or an incomplete one ({})"):
        archive = zipfile.ZipFile(path)
    with archive:
        check_archive(archive, largest)
        members = Members(archive.namelist(), archive.read)
        inner = [name for name in members.names if name.lower().endswith(".zip") and "/" not in name]
        if len(inner) != 1 or not isinstance(path, Path):
            yield members
            return
        with within(inner[0]), opened(io.BytesIO(members.read(inner[0])), largest=largest) as members:
            yield members


def _parse(path: Path, representation: Representation) -> dict[str, np.ndarray]:
    with opened(path) as members:
        pattern = r"(?!__MACOSX/)(.*/)?activity_labels.txt"
        found = [name for name in members.names if re.fullmatch(pattern, name)]
        if len(found) != 1:
            raise UserError(f"expected the UCI HAR files, with one activity_labels.txt, found {len(found)}")
        # Numbers 1, 2, ... and names, which become "walking upstairs".
        lines = members.read(found[0]).decode("ascii", "replace").splitlines()
        rows = [line.split(maxsplit=1) for line in lines]
        if not rows or [row[:1] for row in rows] != [[str(i)] for i in range(1, len(rows) + 1)]:
            raise UserError(f"{found[0]}: expected lines of a number 1, 2, ... and a name")
        arrays = {"label_names": np.array([row[-1].strip().replace("_", " ").lower() for row in rows])}
        for split in _SPLITS:
            folder = f"{found[0].removesuffix('activity_labels.txt')}{split}/"
            if representation == "features":
                x = _table(members, f"{folder}X_{split}.txt", FEATURES)
            else:
                names = [f"{folder}Inertial Signals/{name}_{split}.txt" for name in CHANNELS]
                first = _table(members, names[0], STEPS)
                x = np.stack([first, *(_table(members, name, STEPS, len(first)) for name in names[1:])], -1)
            labels = _integers(members, f"{folder}y_{split}.txt", len(rows), len(x))
            subjects = _integers(members, f"{folder}subject_{split}.txt", 2**31 - 1, len(x))
            arrays |= {f"{split}_x": x, f"{split}_labels": labels - 1, f"{split}_subjects": subjects}
    if len(both := np.intersect1d(arrays["train_subjects"], arrays["test_subjects"])):
        people = ", ".join(map(str, both))
        raise UserError(f"expected nobody in both train and test, found subject {people}")
    return arrays


def _table(members: Members, name: str, columns: int, lines: int | None = None) -> np.ndarray:
    """A text file of numbers as float32 ``[lines, columns]``."""
    text = members.read(name)
    with within(name), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty file, which is seen below
        try:
            table = np.loadtxt(io.BytesIO(text), np.float32, ndmin=2, comments=None)
        except ValueError:
            table = np.empty((0, 0), np.float32)
        if table.size == 0 or table.shape[1] != columns:
            raise UserError(_first_fault(text, columns))
        if (index := first_outside(table, -LARGEST_FLOAT, LARGEST_FLOAT)) is not None:
            line, column = index[0] + 1, index[1] + 1
            raise UserError(f"line {line}, column {column}: expected a finite number, got {table[index]}")
        if lines is not None and len(table) != lines:
            raise UserError(f"expected {lines:,} lines, one a window, got {len(table):,}")
    return table


def _first_fault(text: bytes, columns: int) -> str:
    for number, line in enumerate(text.decode("ascii", "replace").splitlines(), 1):
        values = line.split()
        if len(values) != columns:
            return f"line {number}: expected {columns} numbers, got {len(values)}"
        try:
            np.array(values, np.float32)
        except ValueError as error:
            return f"line {number}: expected numbers ({error!s:.80})"
    return f"expected lines of {columns} numbers, got none"


def _integers(members: Members, name: str, most: int, lines: int) -> np.ndarray:
    """A text file of one integer a line, 1 to ``most``, as int32 ``[lines]``."""
    column = _table(members, name, 1, lines)[:, 0]
    wrong = (column < 1) | (column > most) | (column != np.floor(column))
    if wrong.any():
        line, expected = int(np.argmax(wrong)), f"expected a whole number from 1 to {most}"
        raise UserError(f"{name}: line {line + 1}: {expected}, got {column[line]:g}")
    return column.astype(np.int32)
