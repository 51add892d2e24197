"""Damages data files and reads them: ``python -m tools.files``.

A case is a small data set in one of the forms that we read (the UCI HAR archive or its folder, as features or
signals, a set as TFDS prepares it, ``.npy``, ``.npz``, ``.csv``, ``.parquet``, a folder of images), of which
one or two files are damaged: cut, with bits turned, bytes put in, taken out or exchanged, words replaced by
other ones, emptied, removed, or a whole file of another kind in its place. What the inner files of an archive
hold is damaged too, and packed anew. A case ends in a data set whose numbers are finite and whose labels have
names, or in :class:`~vsc_jax.config.errors.UserError`, one line. Anything else is a bug, and is raised.
``make fuzz`` runs a short form.
"""

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tools.drawn import drawn
from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, load

Files = dict[str, bytes]
"""Contents by path."""

_WORDS = [
    b"",
    b"nan",
    b"inf",
    b"-1",
    b"0",
    b"1e39",
    b"1e400",
    b"99",
    b"2.5",
    b"owl",
    b"\xff\xfe",
    b'"',
    b"\n",
]
_HAR_CHANNELS = [f"{what}_{axis}" for what in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"]


class Form(NamedTuple):
    """A data set as files, and how it is read.

    Attributes:
      files: its files.
      config: how it is read, but for the folder that the files lie in.
      path: what is read inside that folder.
    """

    files: Files
    config: DataConfig
    path: str = "."


def _zipped(files: Files) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def har_files() -> Files:
    """Five windows of three people, three to train on and two to test."""
    rng = np.random.default_rng(0)
    files = {"activity_labels.txt": b"1 WALKING\n2 SITTING\n"}
    for split, people in (("train", [1, 1, 2]), ("test", [3, 3])):
        tables = {f"{split}/X_{split}.txt": rng.uniform(-1, 1, (len(people), 561))}
        for name in _HAR_CHANNELS:
            tables[f"{split}/Inertial Signals/{name}_{split}.txt"] = rng.normal(size=(len(people), 128))
        for name, table in tables.items():
            files[name] = "".join(" ".join(f"{v:.3e}" for v in row) + "\n" for row in table).encode()
        files[f"{split}/y_{split}.txt"] = b"1\n2\n1\n"[: 2 * len(people)]
        files[f"{split}/subject_{split}.txt"] = "".join(f"{person}\n" for person in people).encode()
    return files


def _pictures(number: int, side: int = 8) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (number, side, side), np.uint8))


def _encoded(picture: np.ndarray, kind: str = "png") -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(picture).save(content, kind)
    return content.getvalue()


def tfds_files() -> Files:
    """Six images to train on and three to test, as TFDS prepares a set called ``tiny``."""
    from array_record.python.array_record_module import ArrayRecordWriter
    from tensorflow_datasets.proto import tf_example_pb2

    sizes = {"train": 6, "test": 3}
    package = "tensorflow_datasets.core.features"
    features = {
        "image": {
            "image": {"dtype": "uint8", "shape": {"dimensions": ["8", "8", "1"]}},
            "pythonClassName": f"{package}.image_feature.Image",
        },
        "label": {
            "classLabel": {"numClasses": "3"},
            "pythonClassName": f"{package}.class_label_feature.ClassLabel",
        },
    }
    splits = [
        {
            "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            "name": split,
            "numBytes": "1",
            "shardLengths": [str(size)],
        }
        for split, size in sizes.items()
    ]
    described = {"name": "tiny", "version": "1.0.0", "fileFormat": "array_record", "splits": splits}
    typed = {
        "featuresDict": {"features": features},
        "pythonClassName": f"{package}.features_dict.FeaturesDict",
    }
    files = {
        "dataset_info.json": json.dumps(described).encode(),
        "features.json": json.dumps(typed).encode(),
    }
    with tempfile.TemporaryDirectory() as folder:
        for split, size in sizes.items():
            path = Path(folder) / f"tiny-{split}.array_record-00000-of-00001"
            writer = ArrayRecordWriter(str(path), "group_size:1")
            for label, picture in enumerate(_pictures(size)):
                example = tf_example_pb2.Example()
                example.features.feature["image"].bytes_list.value.append(_encoded(picture))
                example.features.feature["label"].int64_list.value.append(label % 3)
                writer.write(example.SerializeToString())
            writer.close()
            files[path.name] = path.read_bytes()
    return {f"tiny/1.0.0/{name}": content for name, content in files.items()}


def _array_files() -> Files:
    x = np.random.default_rng(2).normal(size=(8, 3)).astype(np.float32)
    alone, together = io.BytesIO(), io.BytesIO()
    np.save(alone, x)
    np.savez(together, x=x, y=np.arange(8) % 3)
    return {"x.npy": alone.getvalue(), "x.npz": together.getvalue()}


def _table_files() -> Files:
    import pyarrow
    import pyarrow.parquet

    columns = {"width": [0.5, 1.5, 2.5, 3.5], "height": [4, 3, 2, 1], "kind": ["owl", "cat", "owl", "bee"]}
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    parquet = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), parquet)
    return {"x.csv": "\n".join(lines).encode(), "x.parquet": parquet.getvalue()}


def forms() -> dict[str, Form]:
    """Every form of data that we read, whole."""
    har, arrays, tables = har_files(), _array_files(), _table_files()
    features = DataConfig(name="uci_har")
    signals = DataConfig(name="uci_har", representation="signals")
    kinds = ("png", "jpeg", "bmp", "gif", "tiff", "webp")
    pictures = {
        f"{'cats' if i % 2 else 'owls'}/{i}.{kind}": _encoded(picture, kind)
        for i, (kind, picture) in enumerate(zip(kinds, _pictures(len(kinds)), strict=True))
    }
    return {
        "har archive": Form({"har.zip": _zipped(har)}, features, "har.zip"),
        "har folder": Form(har, features),
        "har signals": Form(har, signals),
        "tfds": Form(tfds_files(), DataConfig(name="tfds:tiny")),
        "npy": Form({"x.npy": arrays["x.npy"]}, DataConfig(), "x.npy"),
        "npz": Form({"x.npz": arrays["x.npz"]}, DataConfig(), "x.npz"),
        "csv": Form({"x.csv": tables["x.csv"]}, DataConfig(label="kind"), "x.csv"),
        "parquet": Form({"x.parquet": tables["x.parquet"]}, DataConfig(label="kind"), "x.parquet"),
        "images": Form(pictures, DataConfig(color="grey")),
    }


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes, others: list[bytes]) -> bytes:
    """A file's content after one kind of damage, or the content of another file."""
    kind = draw(st.sampled_from(["cut", "bits", "bytes", "words", "other"]))
    place = draw(st.integers(0, max(len(content) - 1, 0)))
    if kind == "cut":
        return content[:place]
    if kind == "bits" and content:
        turned = bytearray(content)
        # The beginning and the end of a file say what the rest means.
        near = st.integers(0, min(63, len(content) - 1))
        for at in draw(
            st.lists(near | near.map(lambda i: len(content) - 1 - i) | st.just(place), min_size=1, max_size=4)
        ):
            turned[at] ^= 1 << draw(st.integers(0, 7))
        return bytes(turned)
    if kind == "bytes":
        taken = draw(st.integers(0, 16))
        return content[:place] + draw(st.binary(max_size=16)) + content[place + taken :]
    if kind == "words" and (words := list(re.finditer(rb"[\w.+-]+", content))):
        for word in draw(st.lists(st.sampled_from(words), min_size=1, max_size=3, unique_by=id)):
            content = content[: word.start()] + draw(st.sampled_from(_WORDS)) + content[word.end() :]
        return content
    return draw(st.sampled_from([b"", b"\0" * 100, *others]))


@st.composite
def damaged(draw: st.DrawFn, files: Files) -> Files:
    """The files of a data set, one or two of them damaged or gone."""
    result = dict(files)
    others = [content for content in files.values() if len(content) < 10_000]
    for name in draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=2, unique=True)):
        if draw(st.integers(0, 9)) == 0:
            del result[name]
        elif name.endswith((".zip", ".npz")) and draw(st.booleans()):
            with zipfile.ZipFile(io.BytesIO(result[name])) as archive:
                inner = {member: archive.read(member) for member in archive.namelist()}
            result[name] = _zipped(draw(damaged(inner)))
        else:
            result[name] = draw(damaged_bytes(result[name], others))
    return result


def end(form: Form, files: Files, folder: Path) -> str:
    """Read these files in place of the form's own: ``loaded``, or ``refused`` in one line."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    where = {"directory": folder} if form.config.name.startswith("tfds:") else {"path": folder / form.path}
    config = DataConfig(**{**vars(form.config), **where})
    try:
        dataset = load(config)
    except UserError as error:
        line = str(error)
    else:
        check(dataset)
        return "loaded"
    assert len(line.splitlines()) == 1, line
    return "refused"
    return "loaded"


def check(dataset: Dataset) -> None:
    """What the rest of the library takes for granted of a data set."""
    for split in (dataset.train, dataset.test):
        x = np.asarray(split.x[:])
        assert x.dtype in (np.uint8, np.float32)
        assert x.shape == (len(split), *dataset.example_shape)
        assert x.size
        assert np.isfinite(x).all()
        if split.labels is not None:
            assert split.labels.shape == (len(split),)
            assert split.labels.min() >= 0
            if dataset.label_names:
                assert split.labels.max() < len(dataset.label_names)


@contextlib.contextmanager
def _working_folder() -> Iterator[Path]:
    """An empty folder, with the cache of decoded data in it too."""
    before = os.environ.get("VSC_JAX_CACHE")
    folder = Path(tempfile.mkdtemp())
    os.environ["VSC_JAX_CACHE"] = str(folder / "cache")
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder)
        del os.environ["VSC_JAX_CACHE"]
        if before is not None:
            os.environ["VSC_JAX_CACHE"] = before


def run(name: str, cases: int, number: int) -> Counter[str]:
    """So many cases of one of the :func:`forms`, drawn from seed ``number``; how they ended."""
    ends: Counter[str] = Counter()
    form = forms()[name]

    @drawn(cases, number)
    @given(files=damaged(form.files))
    def case(files: Files) -> None:
        with _working_folder() as folder:
            ends[end(form, files, folder)] += 1

    case()
    return ends


def main() -> None:
    """Run the cases and count how they ended."""
    names = list(forms())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("forms", nargs="*", default=names, metavar="FORM", help=", ".join(names))
    parser.add_argument("--cases", type=int, default=500, help="of each form")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.forms:
        start = time.monotonic()
        ends = run(name, arguments.cases, arguments.seed)
        said = ", ".join(f"{count:,} {how}" for how, count in sorted(ends.items()))
        print(f"{name}: {sum(ends.values()):,} cases in {time.monotonic() - start:.0f} s, {said}", flush=True)


if __name__ == "__main__":
    main()
